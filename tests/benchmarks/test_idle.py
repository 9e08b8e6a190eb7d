"""What the figures promise of an idle line, and that the page shows them."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from idle import HOLD, HOUR, TABLES, Figures, as_json, as_table, spend, ways

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "benchmarks" / "idle.py"
PAGE = ROOT / "docs" / "transports.md"
SHOWN = [
    (way.name, hold)
    for hold, kinds in TABLES.items()
    for way in ways(hold)
    if any(way.name.startswith(kind) for kind in kinds)
]


@cache
def figures(name: str, hold: float) -> Figures:
    """Keep a line for an hour."""
    return spend(next(way for way in ways(hold) if way.name == name), hold=hold)


def on_the_page(name: str, hold: float) -> list[int]:
    """Find the figures in the row of the page that tells of *name*, in the table for *hold*."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {name} |")]
    row = rows[list(TABLES).index(hold)]
    return [int(cell.strip(" s")) for cell in row.strip("|").split("|")[1:]]


@pytest.mark.parametrize(("name", "hold"), [one for one in SHOWN if "polling" in one[0]])
def test_no_more_is_asked_than_the_interval_of_the_server_asks_for(name: str, hold: float) -> None:
    """In an idle hour there are no more polls than can be held one after the other, whatever the pace."""
    assert 0 < figures(name, hold).requests <= HOUR / hold + 1


def test_polls_keep_a_radio_awake_no_longer_than_pings_do() -> None:
    """On LTE an idle hour of polls is no dearer than one of a WebSocket that is pinged every three seconds."""
    pings = figures("WebSocket, a ping every 3 s", HOLD).radio_on["LTE"]
    assert all(figures(name, hold).radio_on["LTE"] < pings for name, hold in SHOWN if "polling" in name)


@pytest.mark.parametrize(("name", "hold"), SHOWN)
def test_the_page_shows_what_an_hour_costs(name: str, hold: float) -> None:
    """Requests to the last one; bytes and seconds but for the names of versions and the phase of the first beat."""
    told, found = on_the_page(name, hold), figures(name, hold)
    assert told[0] == found.requests
    assert told[1:] == pytest.approx([found.up, found.down, *found.radio_on.values()], rel=0.05)


def test_it_tells_all_figures() -> None:
    """The table for people and the figures for programs speak of the same things."""
    one = Figures("a way", 240, 1000, 2000, {"LTE": 12.34, "3G": 20.0, "Wi-Fi": 1.0})
    assert as_table([one]).splitlines()[-1] == "| a way | 240 | 1000 | 2000 | 12 s | 20 s | 1 s |"
    told = as_json([one], 1.0, HOLD)
    assert (told["hours"], told["hold"], told["ways"][0]["radio_on"]["LTE"]) == (1.0, HOLD, 12.34)


def test_the_program_tells_each_way() -> None:
    """Run as a program it prints one JSON document with every way in it."""
    command = [sys.executable, "-W", "error", str(PROGRAM), "--hours", "0.02", "--hold", "20", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["hours"], told["hold"]) == (0.02, 20.0)
    assert [way["way"] for way in told["ways"]] == [way.name for way in ways()]
