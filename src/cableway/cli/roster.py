"""Writes who is present: as JSON lines for programs, as a table and a line a change for people."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from cableway.cli.messages import json_text, visible
from cableway.cli.terminal import say, wants_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cableway import Member

    Writer: TypeAlias = Callable[[Sequence["News"]], bytes]

PRESENT, JOINED, LEFT = "present", "joined", "left"
_COLOURS = {JOINED: "green", LEFT: "red"}


@frozen
class News:
    """Somebody is present, has joined, or has left."""

    word: str
    member: Member


def writer(*, as_json: bool, named: bool) -> Writer:
    """Return the function that writes news as was asked for, or as fits what stdout is.

    In JSON each is *named*, as by an ``event``, where not all of them are of the same kind.
    """
    if not wants_json(asked=as_json):
        try:
            return for_people(shutil.get_terminal_size().columns)
        except ImportError:
            say("warning: tables need an optional dependency: pip install 'cableway[cli]'")
    return partial(as_lines, named=named)


def as_lines(news: Sequence[News], *, named: bool) -> bytes:
    """Write JSON lines."""
    values = ({**({"event": one.word} if named else {}), "id": one.member.id, "info": one.member.info} for one in news)
    return "".join(f"{json_text(value)}\n" for value in values).encode()


def for_people(width: int) -> Writer:
    """Return a function that writes for a terminal of *width* columns: a table of those there, a line a change."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(force_terminal=True, width=width, highlight=False)

    def table(news: Sequence[News]) -> Table:
        made = Table("ID", "Info", box=None, header_style="dim", pad_edge=False)
        for one in news:
            made.add_row(Text(visible(one.member.id), "bold"), Text(_info(one.member)))
        return made

    def change(one: News) -> Text:
        time = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
        word, who = (f"{one.word:6}  ", _COLOURS[one.word]), (visible(one.member.id), "bold")
        return Text.assemble((f"{time}  ", "dim"), word, who, f"  {_info(one.member)}".rstrip())

    def write(news: Sequence[News]) -> bytes:
        there = [one for one in news if one.word == PRESENT]
        with console.capture() as captured:
            if there:
                console.print(table(there))
            for one in news:
                if one.word != PRESENT:
                    console.print(change(one), soft_wrap=True)
        return captured.get().encode("utf-8", "backslashreplace")

    return write


def _info(member: Member) -> str:
    return "" if member.info is None else visible(json_text(member.info))
