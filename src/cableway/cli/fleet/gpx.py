"""Reads the track of a GPX file."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from cableway.cli.fleet.route import Point
from cableway.errors import UsageError
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_FILE = 32 * 1024 * 1024
POINTS = ("trkpt", "rtept", "wpt")


def read_gpx(path: str) -> list[Point]:
    """Return the points of the track, or else of the route, or else the waypoints, in order of time.

    Recorders write points out of order at times. Where each point has a time, that decides; otherwise the file does.

    Raises:
        UsageError: The file cannot be read, is no GPX, or has fewer than two points.
    """
    root = _parse(path)
    for kind in POINTS:
        points = list(_points(root, kind, path))
        if len(points) > 1:
            return _in_order(points)
    raise _unusable(path, "it holds fewer than two points")


def _parse(path: str) -> ET.Element:
    try:
        if Path(path).stat().st_size > LARGEST_FILE:
            raise _unusable(path, "it is larger than 32 MiB")
        content = Path(path).read_bytes()
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be read") from None
    # Entities are declared in a document type, which no GPX file has: without one, none can expand.
    if b"<!DOCTYPE" in content:
        raise _unusable(path, "it declares a document type")
    try:
        return ET.fromstring(content)  # noqa: S314 - see above
    except ET.ParseError as error:
        raise _unusable(path, f"it is no XML: {error}") from None


def _points(root: ET.Element, kind: str, path: str) -> Iterator[tuple[datetime | None, Point]]:
    for element in root.iterfind(f".//{{*}}{kind}"):
        try:
            point = Point(float(element.get("lat", "")), float(element.get("lon", "")))
        except ValueError:
            raise _unusable(path, f"a {kind} has no lat and lon") from None
        if not (math.isfinite(point.latitude) and abs(point.latitude) <= 90 and abs(point.longitude) <= 180):
            raise _unusable(path, f"a {kind} is not on earth")
        yield _time(element.findtext("{*}time")), point


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text or "")
    except ValueError:
        return None


def _in_order(points: list[tuple[datetime | None, Point]]) -> list[Point]:
    zones = {time.tzinfo is None for time, _ in points if time is not None}
    if all(time is not None for time, _ in points) and len(zones) == 1:
        points.sort(key=lambda pair: pair[0] or datetime.min)  # noqa: DTZ901 - each has a time
    return [point for _, point in points]


def _unusable(path: str, why: str) -> UsageError:
    return UsageError(f"--route {printable(path)}: {why}; give a GPX file with a track")
