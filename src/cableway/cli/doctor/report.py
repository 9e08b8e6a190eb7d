"""Writes what was found: as a table for a terminal, as aligned text, as JSON."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from cableway.cli.doctor.findings import Part, Result, Step
from cableway.cli.doctor.remedies import REMEDIES
from cableway.cli.doctor.symptoms import Symptom
from cableway.cli.messages import json_text, visible
from cableway.cli.terminal import say, shows_colours
from cableway.redact import redact_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cableway.cli.doctor.findings import Finding, Record
    from cableway.cli.doctor.verdict import Verdict

_STEPS: Final = {
    Step.NAME: "name resolution",
    Step.TCP: "TCP",
    Step.TLS: "TLS",
    Step.TUNNEL: "proxy tunnel",
    Step.HOLD: "held poll",
}

_COLOURS: Final = {
    Result.OK: "green",
    Result.NOTE: "yellow",
    Result.FAILED: "bold red",
    Result.NOT_OFFERED: "yellow",
    Result.NOT_TRIED: "dim",
}

_TITLES: Final = {
    Part.NETWORK: "network",
    Part.WEBSOCKET: "WebSocket",
    Part.POLLING: "long polling",
    Part.EVENTS: "event stream",
}


@frozen
class Row:
    """What a person reads of one step."""

    part: str
    step: str
    result: Result
    time: str
    detail: str
    cause: str = ""
    advice: str = ""


def rows_of(record: Record) -> list[Row]:
    """Return the rows of the table; the name of a part stands before its first step."""
    rows, last, told = list[Row](), None, set[Symptom]()
    for finding in record:
        title = _TITLES[finding.part] if finding.part is not last else ""
        last = finding.part
        rows.append(_row(finding, title, again=finding.symptom in told))
        told |= {finding.symptom} if finding.symptom is not None else set()
    return rows


def _row(finding: Finding, title: str, *, again: bool) -> Row:
    remedy = None if finding.symptom is None else REMEDIES[finding.symptom]
    if remedy is not None and again:
        remedy = evolve(remedy, cause="as above", advice="")
    return Row(
        title,
        _STEPS.get(finding.step, finding.step.value),
        finding.result,
        "" if finding.seconds is None else written(finding.seconds),
        visible(finding.detail),
        "" if remedy is None else remedy.cause,
        "" if remedy is None else remedy.advice,
    )


def written(seconds: float) -> str:
    """Write a duration so that it can be compared at a glance."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def report(record: Record, verdict: Verdict, url: str, *, as_json: bool) -> bytes:
    """Return the report as was asked for, or as fits what stdout is."""
    if as_json:
        return f"{json_text(document(record, verdict, url))}\n".encode()
    write: Callable[[Sequence[Row], Verdict], str] = as_text
    if shows_colours():
        try:
            write = for_people(shutil.get_terminal_size().columns)
        except ImportError:
            say("warning: tables need an optional dependency: pip install 'cableway[cli]'")
    return write(rows_of(record), verdict).encode("utf-8", "backslashreplace")


# For programs


def document(record: Record, verdict: Verdict, url: str) -> dict[str, Any]:
    """Return what a program reads; its keys stay."""
    asked = record.subject.transports
    return {
        "url": redact_url(url),
        "outcome": verdict.outcome.value,
        "verdict": verdict.text,
        "advice": verdict.advice,
        "exit_code": int(verdict.code),
        "transports": {part.value: record.works(part) for part in asked},
        "steps": [_step(finding) for finding in record],
    }


def _step(finding: Finding) -> dict[str, Any]:
    remedy = None if finding.symptom is None else REMEDIES[finding.symptom]
    return {
        "part": finding.part.value,
        "step": finding.step.value,
        "result": finding.result.value.replace(" ", "_"),
        "seconds": None if finding.seconds is None else round(finding.seconds, 6),
        "detail": finding.detail,
        "symptom": None if finding.symptom is None else finding.symptom.value,
        "cause": None if remedy is None else remedy.cause,
        "advice": None if remedy is None else remedy.advice,
        "facts": dict(finding.facts),
    }


# For people


def as_text(rows: Sequence[Row], verdict: Verdict) -> str:
    """Write aligned text, without colours and without breaking lines."""
    widths = [
        max(len(row.part) for row in rows),
        max(len(row.step) for row in rows),
        max(len(row.result.value) for row in rows),
    ]
    time = max(len(row.time) for row in rows)

    def lines() -> Iterator[str]:
        for row in rows:
            cells = [
                text.ljust(width) for text, width in zip((row.part, row.step, row.result.value), widths, strict=True)
            ]
            yield "  ".join([*cells, row.time.rjust(time), row.detail])
            indent = " " * (sum(widths) + time + 8)
            if row.cause:
                yield f"{indent}likely cause: {row.cause}"
            if row.advice:
                yield f"{indent}what to do: {row.advice}"
        yield ""
        yield verdict.text
        yield f"What to do: {verdict.advice}"

    return "".join(f"{line.rstrip()}\n" for line in lines())


def _words(row: Row) -> tuple[str, str, str]:
    return row.part, row.step, row.result.value


def for_people(width: int) -> Callable[[Sequence[Row], Verdict], str]:
    """Return a function that writes for a terminal of *width* columns."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(force_terminal=True, width=width, highlight=False)

    def found(row: Row) -> Text:
        told = Text(row.detail)
        if row.cause:
            told.append(f"{chr(10) if row.detail else ''}likely cause: ", "dim").append(row.cause)
        if row.advice:
            told.append("\nwhat to do: ", "dim").append(row.advice)
        return told

    def write(rows: Sequence[Row], verdict: Verdict) -> str:
        table = Table("", "Step", "Result", "Time", "What was found", box=None, pad_edge=False)
        table.columns[3].justify = "right"
        for row in rows:
            colour = _COLOURS[row.result]
            table.add_row(Text(row.part, "bold"), row.step, Text(row.result.value, colour), row.time, found(row))
        with console.capture() as captured:
            console.print(table)
            console.print(Padding(Text(verdict.text, "bold"), (1, 0, 0, 0)))
            console.print(Text.assemble(("What to do: ", "dim"), verdict.advice))
        return captured.get()

    return write
