"""The board knows how the fleet fares."""

from __future__ import annotations

import asyncio

from cableway.cli.fleet.board import LOG_LINES, Actor, Board


def a_board() -> Board:
    """Make a board with one tracker, at a fixed time."""
    return Board(lambda: 1.5, 3, trackers=[Actor("tracker-1")])


def test_notes_are_kept_and_told() -> None:
    """Each has its time; only the newest stay."""
    board, told = a_board(), []
    board.on_note = told.append
    for number in range(LOG_LINES + 1):
        board.note("gateway", "killed", f"{number}", why=number)

    assert len(told) == LOG_LINES + 1
    assert len(board.notes) == LOG_LINES
    assert (board.notes[-1].at, board.notes[-1].facts) == (1.5, {"why": LOG_LINES})


def test_the_summary_adds_up() -> None:
    """First connections are no reconnects."""
    board = a_board()
    board.arrived, board.seen_twice = 3, 1
    board.trackers[0].reported, board.trackers[0].connects, board.trackers[0].dials = 3, 2, 5
    board.trackers[0].sent_again = 4

    assert board.complete
    assert board.summary() == {
        "reported": 3, "arrived": 3, "sent_again": 4, "seen_twice": 1, "reconnects": 1, "dials": 5,
    }  # fmt: skip


async def test_a_condition_is_waited_for_without_looking_all_the_time() -> None:
    """It is asked at once and at each change; whoever stops waiting leaves nothing behind."""
    board = a_board()
    waiting = asyncio.create_task(board.until(lambda board: board.arrived == 1))
    given_up = asyncio.create_task(board.until(lambda _: False))
    await asyncio.sleep(0)
    board.arrived = 1
    assert not waiting.done()

    board.changed()
    await waiting
    await board.until(lambda _: True)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)

    assert board._waiting == []
