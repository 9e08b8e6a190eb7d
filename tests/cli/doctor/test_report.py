"""What was found, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cableway.cli.doctor import report as room
from cableway.cli.doctor.findings import TRANSPORTS, Finding, Part, Record, Result, Step
from cableway.cli.doctor.report import as_text, document, for_people, report, rows_of, written
from cableway.cli.doctor.symptoms import Symptom
from cableway.cli.doctor.verdict import judge
from tests.cli.doctor.house import fail, well

if TYPE_CHECKING:
    from collections.abc import Sequence

URL = "wss://user:s3cret@example.com/cable?jid=s3cret"


@pytest.fixture
def record() -> Record:
    """The upgrade was swallowed, long polling works, event streams are not offered."""
    made = well(Part.POLLING)
    made.add(Finding(part=Part.NETWORK, step=Step.NAME, result=Result.OK, seconds=0.0012, detail="10.0.0.7\x1b[31m"))
    fail(made, Part.WEBSOCKET, Step.UPGRADE, Symptom.UPGRADE_SWALLOWED, moves_on=True)
    return fail(made, Part.EVENTS, Step.OPEN, Symptom.NOT_OFFERED, Result.NOT_OFFERED)


def test_text_is_aligned_and_has_all(record: Record) -> None:
    """Which step, how it went, how long it took; cause and advice stand under what failed."""
    lines = as_text(rows_of(record), judge(record)).splitlines()

    assert lines[1] == "              name resolution  ok           1.2 ms  10.0.0.7\\u001b[31m"
    assert lines[3].startswith("WebSocket     upgrade          failed")
    column = lines[1].index("10.0.0.7")
    assert lines[4][column:].startswith("likely cause: Something on the way swallows")
    assert lines[5][column:].startswith("what to do: Use TLS")
    assert lines[6].split() == ["welcome", "not", "tried"]
    assert lines[-2] == "WebSocket is blocked here; Cable(url) falls back to long polling by itself."
    assert lines[-1].startswith("What to do: Something on the way")
    assert not any(line.endswith(" ") for line in lines)


def test_what_was_told_before_is_not_told_again() -> None:
    """Three transports often fail by one cause."""
    record = fail(well(), Part.WEBSOCKET, Step.UPGRADE, Symptom.NO_BACKEND)
    fail(record, Part.POLLING, Step.OPEN, Symptom.NO_BACKEND)

    rows = [row for row in rows_of(record) if row.cause]

    assert rows[0].advice
    assert (rows[1].cause, rows[1].advice) == ("as above", "")
    assert as_text(rows_of(record), judge(record)).count("what to do:") == 1


@pytest.mark.parametrize(("seconds", "text"), [(0.00004, "0.0 ms"), (0.0415, "41.5 ms"), (5.04, "5.0 s")])
def test_durations_can_be_compared_at_a_glance(seconds: float, text: str) -> None:
    """Milliseconds below a second."""
    assert written(seconds) == text


def test_a_program_reads_all_of_it_by_name(record: Record) -> None:
    """The keys of each step are the same, whatever came of it; the address has no secrets in it."""
    told = document(record, judge(record), URL)

    assert list(told) == ["url", "outcome", "verdict", "advice", "exit_code", "transports", "steps"]
    assert told["url"] == "wss://***@example.com/cable?jid=***"
    assert (told["outcome"], told["exit_code"]) == ("falls_back", 6)
    assert told["transports"] == {"websocket": False, "polling": True, "events": False}
    keys = {tuple(step) for step in told["steps"]}
    assert keys == {("part", "step", "result", "seconds", "detail", "symptom", "cause", "advice", "facts")}
    upgrade = next(step for step in told["steps"] if step["step"] == "upgrade")
    assert (upgrade["result"], upgrade["symptom"]) == ("failed", "upgrade_swallowed")
    assert {step["result"] for step in told["steps"]} == {"ok", "failed", "not_offered", "not_tried"}


def test_people_at_a_terminal_see_a_table(record: Record) -> None:
    """In its width, with colours; nothing of the server's can drive the terminal."""
    shown = for_people(90)(rows_of(record), judge(record))

    plain = _plain(shown)
    assert "What was found" in plain[0]
    assert max(map(len, plain)) <= 90
    assert "\x1b[32mok" in shown
    assert "\\u001b[31m" in shown
    assert any("likely cause: Something on the way" in line for line in plain)


def _plain(shown: str) -> Sequence[str]:
    from rich.text import Text

    return [line.rstrip() for line in Text.from_ansi(shown).plain.splitlines()]


def test_what_stdout_is_decides(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets plain text, a terminal a table, and whoever asks for it JSON."""
    verdict = judge(record)

    assert b"\x1b[32m" not in report(record, verdict, URL, as_json=False)
    assert json.loads(report(record, verdict, URL, as_json=True))["outcome"] == "falls_back"
    monkeypatch.setattr(room, "shows_colours", lambda: True)
    assert b"\x1b[32m" in report(record, verdict, URL, as_json=False)
    assert report(record, verdict, URL, as_json=True).count(b"\n") == 1


def test_each_part_is_named_once(record: Record) -> None:
    """Before its first step."""
    assert [row.part for row in rows_of(record) if row.part] == ["network", "WebSocket", "long polling", "event stream"]
    assert len(TRANSPORTS) == 3
