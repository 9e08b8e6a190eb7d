"""Recordings are read, whatever the recorder made of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cableway.cli.fleet.gpx import read_gpx
from cableway.cli.fleet.route import Point
from cableway.errors import UsageError

DATA = Path(os.environ.get("CABLEWAY_TEST_DATA", "../shared/data"))
HEAD = '<?xml version="1.0"?><gpx xmlns="http://www.topografix.com/GPX/1/1">'


def written(folder: Path, body: str) -> str:
    """Write a GPX file."""
    path = folder / "drive.gpx"
    path.write_text(f"{HEAD}{body}</gpx>")
    return str(path)


def track(*points: tuple[float, str]) -> str:
    """Write a track of points with a latitude and a time."""
    inner = "".join(f'<trkpt lat="{lat}" lon="1"><time>{time}</time></trkpt>' for lat, time in points)
    return f"<trk><trkseg>{inner}</trkseg></trk>"


def test_points_come_in_order_of_time(tmp_path: Path) -> None:
    """Real recorders write points out of order."""
    path = written(
        tmp_path, track((3, "2020-12-18T06:24:32Z"), (1, "2020-12-18T06:15:50Z"), (2, "2020-12-18T07:16:00+01:00"))
    )

    assert read_gpx(path) == [Point(1, 1), Point(2, 1), Point(3, 1)]


def test_without_times_the_order_of_the_file_counts(tmp_path: Path) -> None:
    """One point without a time, or with another kind of time, says nothing about the order."""
    assert read_gpx(written(tmp_path, track((3, "2020-12-18T06:24:32Z"), (1, "")))) == [Point(3, 1), Point(1, 1)]
    mixed = track((3, "2020-12-18T06:24:32Z"), (1, "2020-12-18T06:00:00"))
    assert read_gpx(written(tmp_path, mixed)) == [Point(3, 1), Point(1, 1)]


def test_a_route_will_do(tmp_path: Path) -> None:
    """Where no track was recorded, a planned route is driven."""
    path = written(tmp_path, '<rte><rtept lat="1" lon="2"/><rtept lat="3" lon="4"/></rte>')

    assert read_gpx(path) == [Point(1, 2), Point(3, 4)]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "fewer than two points"),
        (track((1, "")), "fewer than two points"),
        ("<trk>", "no XML"),
        ('<trkpt lat="1"/><trkpt lat="1" lon="2"/>', "no lat and lon"),
        ('<trkpt lat="91" lon="0"/><trkpt lat="1" lon="2"/>', "not on earth"),
        ('<trkpt lat="nan" lon="0"/><trkpt lat="1" lon="2"/>', "not on earth"),
    ],
)
def test_what_cannot_be_driven_is_refused(tmp_path: Path, body: str, why: str) -> None:
    """The text names the file and what is wrong with it."""
    with pytest.raises(UsageError, match=f"drive.gpx: .*{why}"):
        read_gpx(written(tmp_path, body))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the system's own reason."""
    with pytest.raises(UsageError, match="No such file"):
        read_gpx(str(tmp_path / "none.gpx"))


def test_entities_never_expand(tmp_path: Path) -> None:
    """A small file that unfolds to gigabytes is refused before it is read."""
    path = tmp_path / "bomb.gpx"
    path.write_text('<!DOCTYPE gpx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><gpx>&b;</gpx>')

    with pytest.raises(UsageError, match="document type"):
        read_gpx(str(path))


def test_a_real_recording_is_read() -> None:
    """A drive around a town, its first point out of order."""
    path = DATA / "car-around-visnjan.gpx"
    if not path.exists():
        pytest.skip(f"{path} is not there: CABLEWAY_TEST_DATA names another folder")

    points = read_gpx(str(path))

    assert len(points) == 104
    assert all(45.2 < point.latitude < 45.4 and 13.6 < point.longitude < 13.8 for point in points)
