"""The whole story, at speed: a real gateway process is killed, and every position arrives."""

from __future__ import annotations

import asyncio

import pytest

from cableway.cli.exits import Failure
from cableway.cli.fleet import play
from cableway.cli.fleet.board import Actor, Board
from cableway.cli.fleet.play import Plan, Play, worst_moment
from cableway.cli.fleet.route import Point

ROUTES = {name: [Point(float(number), 0.0) for number in range(12)] for name in ("tracker-1", "tracker-2")}


def a_board(plan: Plan) -> Board:
    """Make a board for the plan."""
    return Board(lambda: 0.0, plan.positions, trackers=[Actor(name) for name in plan.routes], road=[])


async def test_every_position_arrives_although_the_gateway_is_killed() -> None:
    """Everybody loses the line and comes back; what was under way is sent again."""
    plan = Plan(ROUTES, interval=0.05, down=0.2)
    board = a_board(plan)

    async with asyncio.timeout(40):
        await Play(plan, board).run()

    summary = board.summary()
    assert (summary["reported"], summary["arrived"], board.complete) == (24, 24, True)
    assert summary["reconnects"] >= 3
    assert [note.event for note in board.notes if note.who == "gateway"] == ["started", "killed", "started"]
    assert board.gateway == "stopped"


async def test_a_gateway_that_does_not_come_back_ends_it_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is spent on waiting for what cannot happen, and nothing is left running."""
    plan = Plan(ROUTES, interval=0.05, down=0.0)
    board = a_board(plan)
    starts = play.GatewayProcess.start

    async def once(self: play.GatewayProcess) -> None:
        if self.url:
            msg = "the gateway does not start: the port is taken"
            raise Failure(msg)
        await starts(self)

    monkeypatch.setattr(play.GatewayProcess, "start", once)

    with pytest.raises(Failure, match="the port is taken"):
        await Play(plan, board).run()

    assert not board.complete
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_the_worst_moment_is_on_the_way_with_positions_in_flight() -> None:
    """Neither too early, nor when nothing can be lost."""
    board = a_board(Plan(ROUTES))
    moments = []
    for arrived, in_flight in ((0, 1), (8, 0), (8, 1)):
        board.arrived, board.trackers[1].in_flight = arrived, in_flight
        moments.append(worst_moment(board))

    assert moments == [False, False, True]
