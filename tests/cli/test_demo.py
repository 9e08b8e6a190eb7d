"""``cableway demo``, as a program of its own."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from cableway.cli.demo import prepare
from cableway.cli.fleet.route import Point
from tests.cli.programs import ran, started

DATA = Path(os.environ.get("CABLEWAY_TEST_DATA", "../shared/data"))
SHORT = ("--trackers", "2", "--positions", "8")


async def test_every_position_arrives_with_no_terminal_and_no_input() -> None:
    """Code 0, JSON lines on stdout, the story on stderr; the gateway was killed and came back."""
    ended = await ran("demo", *SHORT, stdin=b"")

    assert ended.code == 0, ended.stderr
    notes = [json.loads(line) for line in ended.stdout.splitlines()]
    positions = {note["id"] for note in notes if note["event"] == "position"}
    assert positions == {f"tracker-{name}/{number}" for name in (1, 2) for number in range(1, 9)}
    assert [note["event"] for note in notes if note["who"] == "gateway"] == ["started", "killed", "started"]
    assert notes[-1]["event"] == "summary"
    assert (notes[-1]["reported"], notes[-1]["arrived"]) == (16, 16)
    assert notes[-1]["reconnects"] >= 2
    for word in ("killed", "dial 2 in", "connected again", "all 16 positions arrived"):
        assert word in ended.stderr


async def test_a_recording_is_driven() -> None:
    """A real one, with a point out of order."""
    path = DATA / "car-around-visnjan.gpx"
    if not path.exists():
        pytest.skip(f"{path} is not there: CABLEWAY_TEST_DATA names another folder")

    ended = await ran("demo", "--route", str(path), "--trackers", "1", "--positions", "4", "-q")

    notes = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (ended.code, ended.stderr) == (0, "")
    assert {round(note["lat"], 1) for note in notes if note["event"] == "position"} == {45.3}


async def test_a_signal_ends_it_and_its_gateway() -> None:
    """It was interrupted, so it is no success; nothing is left running."""
    async with started("demo") as program:
        address = json.loads(await program.prints())["url"]
        await program.tells("positions arrived")
        program.signal(signal.SIGINT)
        ended = await program.ends()
    after = await ran("perform", address, "FleetChannel", "acknowledge", "--timeout", "0.3")

    assert ended.code == 130
    assert "Traceback" not in ended.stderr
    assert after.code == 5


async def test_a_route_that_cannot_be_driven_is_a_usage_error(tmp_path: Path) -> None:
    """Told before anything is started."""
    (tmp_path / "empty.gpx").write_text("<gpx/>")

    ended = await ran("demo", "--route", str(tmp_path / "empty.gpx"))

    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1


def test_vehicles_are_spread_over_the_road() -> None:
    """Each joins at a place of its own and reports as often as asked for, or as the road is long."""
    road = [Point(float(number), 0.0) for number in range(30)]

    plan, board = prepare(road, 3, 10)

    assert [route[0].latitude for route in plan.routes.values()] == [0, 10, 20]
    assert [len(route) for route in plan.routes.values()] == [10, 10, 10]
    assert (board.expected, [actor.name for actor in board.trackers]) == (30, list(plan.routes))
    assert prepare(road[:5], 2, 10)[0].positions == 10
