"""Who is present, written for programs and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway import Member
from cableway.cli.roster import JOINED, LEFT, PRESENT, News, as_lines, for_people, writer

if TYPE_CHECKING:
    import pytest

ANN = Member("ann", {"name": "Ann é"})
BOB = Member("bob\x1b[31m")


def test_a_program_reads_a_line_each() -> None:
    """With the kind of news where there are several."""
    assert as_lines([News(PRESENT, ANN)], named=False).decode() == '{"id":"ann","info":{"name":"Ann é"}}\n'
    assert as_lines([News(JOINED, BOB)], named=True).decode() == (
        '{"event":"joined","id":"bob\\u001b[31m","info":null}\n'
    )


def test_people_see_a_table_and_then_what_changes() -> None:
    """Whoever chooses an id cannot drive the terminal by it."""
    write = for_people(80)

    table = write([News(PRESENT, ANN), News(PRESENT, BOB)]).decode()
    changes = write([News(JOINED, BOB), News(LEFT, ANN)]).decode()

    assert [line.split()[0] for line in _plain(table)[1:]] == ["ann", "bob\\u001b[31m"]
    assert '{"name":"Ann é"}' in table
    assert "\x1b[31m" not in table
    joined, left = _plain(changes)
    assert joined.endswith("joined  bob\\u001b[31m")
    assert left.endswith('left    ann  {"name":"Ann é"}')
    assert write([]) == b""


def _plain(shown: str) -> list[str]:
    from rich.text import Text

    return [line.rstrip() for line in Text.from_ansi(shown).plain.splitlines()]


def test_what_stdout_is_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets JSON, a terminal a table, unless JSON was asked for."""
    news = [News(PRESENT, Member("ann"))]

    assert writer(as_json=False, named=False)(news) == b'{"id":"ann","info":null}\n'
    monkeypatch.setattr("cableway.cli.roster.wants_json", lambda *, asked: asked)
    assert b"\x1b[" in writer(as_json=False, named=False)(news)
    assert writer(as_json=True, named=False)(news) == b'{"id":"ann","info":null}\n'
