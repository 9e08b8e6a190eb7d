"""Shows the fleet without a screen: plain lines for people on stderr, JSON lines for programs on stdout."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cableway.cli.messages import json_text
from cableway.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway.cli.fleet.board import Board, Note

PROGRESS_EVERY = 1.0


def plain(note: Note) -> str:
    """Write a note for people."""
    return f"{note.at:5.1f} s  {note.who:<10}  {note.text}"


def as_json(note: Note) -> str:
    """Write a note for programs."""
    return json_text({"at": round(note.at, 3), "who": note.who, "event": note.event, **note.facts})


def progress(board: Board) -> str:
    """Tell how far it is."""
    kept = sum(tracker.kept for tracker in board.trackers)
    waiting = f", {kept} not acknowledged yet" if kept else ""
    return f"{board.elapsed():5.1f} s  {'':<10}  {board.arrived} of {board.expected} positions arrived{waiting}"


@asynccontextmanager
async def told_in_lines(board: Board, *, quiet: bool) -> AsyncIterator[None]:
    """Tell all notes as JSON lines, and all but the single positions as plain lines, unless *quiet*."""

    def tell(note: Note) -> None:
        print(as_json(note), flush=True)  # noqa: T201 - this is the output
        if not quiet and note.event != "position":
            say(plain(note))

    board.on_note = tell
    ticking = asyncio.create_task(_tick(board), name="progress") if not quiet else None
    try:
        yield
    finally:
        if ticking is not None:
            ticking.cancel()


async def _tick(board: Board) -> None:
    while True:
        await asyncio.sleep(PROGRESS_EVERY)
        say(progress(board))
