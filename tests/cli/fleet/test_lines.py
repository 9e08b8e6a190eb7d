"""Without a screen the fleet is shown in lines."""

from __future__ import annotations

import asyncio
import json

import pytest

from cableway.cli.fleet import lines
from cableway.cli.fleet.board import Actor, Board
from cableway.cli.fleet.lines import progress, told_in_lines


def a_board() -> Board:
    """Make a board with one tracker, at a fixed time."""
    return Board(lambda: 2.0, 10, trackers=[Actor("tracker-1")])


@pytest.mark.parametrize("quiet", [False, True])
async def test_programs_get_every_note_and_people_get_the_story(
    *, quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stdout has a JSON line each; stderr has no single positions, and nothing at all where quiet is asked for."""
    board = a_board()
    async with told_in_lines(board, quiet=quiet):
        board.note("gateway", "killed", "killed (kill -9)")
        board.note("dispatcher", "position", "tracker-1/1 at 1, 2", id="tracker-1/1", again=False)

    captured = capsys.readouterr()
    assert [json.loads(line) for line in captured.out.splitlines()] == [
        {"at": 2.0, "who": "gateway", "event": "killed"},
        {"at": 2.0, "who": "dispatcher", "event": "position", "id": "tracker-1/1", "again": False},
    ]
    assert captured.err == ("" if quiet else "  2.0 s  gateway     killed (kill -9)\n")


async def test_progress_is_told_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log shows that it goes on, and leaves no task behind."""
    monkeypatch.setattr(lines, "PROGRESS_EVERY", 0.0)
    async with told_in_lines(a_board(), quiet=False):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert "0 of 10 positions arrived" in capsys.readouterr().err
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_progress_tells_what_is_not_acknowledged() -> None:
    """What may still be lost is worth a word."""
    board = a_board()
    board.arrived, board.trackers[0].kept = 4, 2

    assert progress(board).endswith("4 of 10 positions arrived, 2 not acknowledged yet")
