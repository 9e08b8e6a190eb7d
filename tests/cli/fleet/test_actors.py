"""Trackers and dispatcher bring every position home, whatever is lost between them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cableway.cli.fleet import kept
from cableway.cli.fleet.actors import Dispatcher, Tracker
from cableway.cli.fleet.board import Actor, Board
from cableway.cli.fleet.channels import FLEET, FleetChannel, TrackerChannel
from cableway.cli.fleet.route import Point
from cableway.gateway import Gateway, action

if TYPE_CHECKING:
    import pytest

POINTS = [Point(float(number), 0.0) for number in range(5)]


def a_board() -> Board:
    """Make a board for one tracker."""
    loop = asyncio.get_running_loop()
    return Board(loop.time, len(POINTS), trackers=[Actor("tracker-1")], road=POINTS)


async def drive(gateway: Gateway, board: Board) -> None:
    """Let one tracker drive, and a dispatcher listen, until all positions are acknowledged."""
    dispatcher = Dispatcher(board)
    listening = asyncio.create_task(dispatcher.run(gateway.url))
    try:
        async with asyncio.timeout(20):
            await dispatcher.ready.wait()
            await Tracker(board, board.trackers[0], POINTS, 0.01).run(gateway.url)
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def test_every_position_arrives_and_nothing_is_kept() -> None:
    """On a line that holds, each is sent once."""
    async with Gateway([TrackerChannel, FleetChannel]) as gateway:
        board = a_board()
        await drive(gateway, board)

    tracker = board.trackers[0]
    assert (board.arrived, board.seen_twice, tracker.kept, tracker.sent_again) == (5, 0, 0, 0)
    assert [note.facts["id"] for note in board.notes if note.event == "position"] == [
        f"tracker-1/{number}" for number in range(1, 6)
    ]


async def test_a_position_that_is_lost_on_the_way_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server drops every first report, as if the line had swallowed it."""
    monkeypatch.setattr(kept, "PATIENCE", 0.1)
    seen: set[str] = set()

    class Forgetful(TrackerChannel):
        name = "TrackerChannel"

        @action
        async def report(self, data: dict[str, Any]) -> None:
            if data["id"] in seen:
                await super().report(data)
            seen.add(data["id"])

    async with Gateway([Forgetful, FleetChannel]) as gateway:
        board = a_board()
        await drive(gateway, board)

    assert (board.arrived, board.trackers[0].sent_again >= 5) == (5, True)


async def test_an_acknowledgement_that_is_lost_makes_no_position_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server drops every first acknowledgement: the dispatcher sees positions twice and counts them once."""
    monkeypatch.setattr(kept, "PATIENCE", 0.1)
    seen: set[str] = set()

    class Forgetful(FleetChannel):
        name = "FleetChannel"

        @action
        async def acknowledge(self, data: dict[str, Any]) -> None:
            if data["ids"][0] in seen:
                await super().acknowledge(data)
            seen.add(data["ids"][0])

    async with Gateway([TrackerChannel, Forgetful]) as gateway:
        board = a_board()
        await drive(gateway, board)

    assert board.arrived == 5
    assert board.seen_twice >= 5


async def test_a_server_that_dies_costs_no_position() -> None:
    """Killed in the middle of it and started again at once."""
    async with Gateway([TrackerChannel, FleetChannel]) as gateway:
        board = a_board()
        driving = asyncio.create_task(drive(gateway, board))
        await board.until(lambda board: board.arrived >= 2)
        gateway.kill()
        await gateway.stop()
        await gateway.start()
        await driving

    assert board.arrived == 5
    assert board.trackers[0].connects == 2
    assert FLEET == "fleet"
