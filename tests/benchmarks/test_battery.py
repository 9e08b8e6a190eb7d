"""What the benchmark promises of the line on demand."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from battery import GOAL, SEED, as_chart, as_json, as_table
from tracker import clock
from tracker.day import Report, WorkingDay, compose
from tracker.server import Delivery
from tracker.ways import HOLD, ON_DEMAND, Outcome, Way, hand_over, spend, ways

from cableway.policies.energy import LTE, PROFILES, EnergyFigures

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "benchmarks" / "battery.py"
PAGE = ROOT / "docs" / "battery.md"
CHART = ROOT / "docs" / "assets" / "battery.svg"
BY_NAME = {way.name: way for way in ways()}


@pytest.mark.parametrize("seed", [SEED, 1, 2])
def test_on_demand_spares_the_battery_and_keeps_every_deadline(seed: int) -> None:
    """On a working day its radio is on for at most 15 % of always on, and each report is known within 30 s."""
    day = compose(seed)
    always, demand = (spend(BY_NAME[name], day, LTE) for name in ("always on", ON_DEMAND))

    assert always.energy.radio_on == pytest.approx(day.seconds, abs=1)
    assert demand.energy.radio_on <= GOAL * always.energy.radio_on
    assert demand.delivery.in_time == demand.delivery.reports == len(day.reports)
    assert (demand.delivery.late, demand.delivery.lost, demand.delivery.twice) == (0, 0, 0)
    # One line a batch, as many as an HTTP client would open: none was dialled twice, none was kept for the next.
    assert demand.lines == spend(BY_NAME["HTTP post a batch"], day, LTE).lines


def figures(page: str, first: str) -> tuple[str, float]:
    """Find the minutes and the share in the row of *page* that begins with *first*."""
    row = next(line for line in page.replace("*", "").splitlines() if line.strip().startswith(f"| {first}"))
    cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
    return cells[1], float(cells[2].removesuffix(" %"))


@pytest.mark.parametrize("name", BY_NAME)
def test_the_page_shows_what_the_benchmark_finds(name: str) -> None:
    """Each way does the same work, nobody saves by losing reports, and each costs what the page and the chart say."""
    day = compose(SEED)
    outcome = spend(BY_NAME[name], day, LTE)
    assert (outcome.delivery.in_time, outcome.delivery.twice) == (len(day.reports), 0)

    minutes, share = figures(PAGE.read_text(encoding="utf-8"), name)
    assert share == pytest.approx(outcome.energy.radio_on / day.seconds * 100, abs=0.2)
    assert f"{minutes}, {share} %" in CHART.read_text(encoding="utf-8")


@pytest.mark.parametrize("radio", PROFILES)
def test_the_page_shows_how_radios_differ(radio: str) -> None:
    """Also where another way is the better one."""
    page, day = PAGE.read_text(encoding="utf-8"), compose(SEED)
    row = next(line for line in page.splitlines() if line.startswith(f"| {radio} |"))
    always, slow, demand = (
        spend(BY_NAME[name], day, PROFILES[radio]).energy.radio_on
        for name in ("always on", "beat of 300 s, batches", ON_DEMAND)
    )
    shares = [float(cell.strip(" %")) for cell in row.split("|")[2:4]]
    assert shares == [pytest.approx(100 * slow / always, abs=0.2), pytest.approx(100 * demand / always, abs=0.2)]


@pytest.mark.parametrize("linger", [0, 1, 5, 10, 20])
def test_the_page_shows_what_a_linger_costs(linger: int) -> None:
    """So does the smaller table."""
    way = next(way for way in ways(linger=linger) if way.name == ON_DEMAND)
    day = compose(SEED)
    outcome = spend(way, day, LTE)
    assert outcome.delivery.in_time == len(day.reports)
    _, share = figures(PAGE.read_text(encoding="utf-8"), f"{linger} s")
    assert share == pytest.approx(outcome.energy.radio_on / day.seconds * 100, abs=0.2)


def test_a_day_in_one_way_is_the_same_each_time() -> None:
    """Same seed, same figures, to the last transfer."""
    day = compose(SEED)
    assert spend(BY_NAME[ON_DEMAND], day, LTE).energy == spend(BY_NAME[ON_DEMAND], day, LTE).energy


def test_a_batch_waits_for_its_oldest_report() -> None:
    """Reports are handed over together, each at most as long after it came up as a batch may wait."""
    moments = [0, 10, 20, 30, 40, 100, 100 + HOLD]
    day = WorkingDay(0, "", 300, (), tuple(Report(number, float(at), None) for number, at in enumerate(moments)))
    sent: list[tuple[float, list[float]]] = []

    async def work() -> None:
        async def send(reports: object) -> None:
            sent.append((asyncio.get_running_loop().time(), [report.at for report in reports]))  # type: ignore[attr-defined]

        await hand_over(day, send, HOLD)

    clock.run(work())
    assert sent == [(25, [0, 10, 20]), (55, [30, 40]), (125, [100]), (150, [125])]


OUTCOMES = [
    Outcome(
        Way(name, "", lambda day, site: None),  # type: ignore[arg-type,return-value]
        EnergyFigures(on, joules, 3, 9),
        Delivery(reports=10, in_time=9, late=1, lost=0, twice=0, slowest=31.5),
        lines=2,
    )
    for name, on, joules in (("always on", 32_400.0, 34_000.0), ("on demand", 3240.0, None))
]


def test_it_tells_all_figures() -> None:
    """The table for people, the figures for programs and the chart speak of the same things, the seed included."""
    day = compose(SEED)
    table = as_table(day, "LTE", OUTCOMES).splitlines()
    assert f"seed {SEED}" in table[0]
    assert table[-2] == "| always on | 32400 s | 100.0 % | 34.0 kJ | 3 | 2 | 9 | 1 | 0 | 31.5 s |"
    assert table[-1] == "| on demand | 3240 s | 10.0 % | not known | 3 | 2 | 9 | 1 | 0 | 31.5 s |"
    told = as_json(day, "LTE", OUTCOMES)
    assert (told["seed"], told["ways"][1]["share"], told["ways"][1]["late"]) == (SEED, 0.1, 1)
    chart = ET.fromstring(as_chart("LTE", day, OUTCOMES))  # noqa: S314 - of our own making
    words = [element.text for element in chart.iter() if element.text]
    assert {"540 min, 100.0 %", "54 min, 10.0 %", "15 % of always on"} <= set(words)


def test_the_program_writes_figures_and_chart(tmp_path: Path) -> None:
    """Run as a program it prints one JSON document with every way in it, and writes the chart where it is told to."""
    chart = tmp_path / "new" / "battery.svg"
    command = [
        sys.executable,
        "-W",
        "error",
        str(PROGRAM),
        "--seed",
        "5",
        "--radio",
        "Wi-Fi",
        "--json",
        "--svg",
        str(chart),
    ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["seed"], told["radio"]) == (5, "Wi-Fi")
    assert [way["way"] for way in told["ways"]] == list(BY_NAME)
    assert "Wi-Fi" in chart.read_text()
