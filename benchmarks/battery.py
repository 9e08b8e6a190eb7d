"""What each way to keep in touch costs a tracker's battery, over one working day on virtual time.

    python benchmarks/battery.py [--seed 7] [--radio LTE] [--linger 0] [--hold 25] [--json] [--svg FILE]

Nine hours, six trips of 20 minutes with a position every 10 s that is to be known within 30 s, and a sign of life every
15 minutes while parked. The ways with a line run the real client through a simulated radio; the model is told in
``docs/battery.md``. The recorded drive comes from the folder in ``CABLEWAY_TEST_DATA`` (by default ``../shared/data``
beside the repository); without it the demo's own drive is taken.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charts import Bar, bar_chart
from tracker.day import DEADLINE, HOURS, TRIP, TRIPS, compose
from tracker.ways import HOLD, ON_DEMAND, spend, ways

from cableway.policies.energy import PROFILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracker.day import WorkingDay
    from tracker.ways import Outcome

SEED = 7
GOAL = 0.15
"""Share of the radio-on time of a line that is always on, below which the one on demand has to stay."""


def main() -> None:
    """Run the day once in each way, and print what it came to."""
    options = _options()
    day = compose(options.seed)
    started = time.perf_counter()
    outcomes = [spend(way, day, PROFILES[options.radio]) for way in ways(linger=options.linger, hold=options.hold)]
    seconds = time.perf_counter() - started
    if options.json:
        print(json.dumps(as_json(day, options.radio, outcomes), indent=2))
    else:
        print(as_table(day, options.radio, outcomes))
        print(f"\n{len(outcomes)} days of {HOURS} hours in {seconds:.1f} s")
    if options.svg is not None:
        options.svg.parent.mkdir(parents=True, exist_ok=True)
        options.svg.write_text(as_chart(options.radio, day, outcomes), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED, help="of the day and of the server's beats")
    parser.add_argument("--radio", choices=sorted(PROFILES), default="LTE")
    parser.add_argument("--linger", type=float, default=0.0, help="seconds that the line on demand stays after a batch")
    parser.add_argument("--hold", type=float, default=HOLD, help="seconds for which a batch collects reports")
    parser.add_argument("--json", action="store_true", help="print figures for programs")
    parser.add_argument("--svg", type=Path, help="write the chart to this file")
    return parser.parse_args()


def share(outcome: Outcome, outcomes: Sequence[Outcome]) -> float:
    """Tell its radio-on time as a share of that of the first way, the line that is always on."""
    return outcome.energy.radio_on / outcomes[0].energy.radio_on


def percent(part: float) -> str:
    """Write a share for people."""
    return f"{100 * part:.1f} %"


def as_table(day: WorkingDay, radio: str, outcomes: Sequence[Outcome]) -> str:
    """Write a table for people, in Markdown."""
    lines = [
        f"seed {day.seed}, {radio}, {day.route}",
        f"{HOURS} hours, {TRIPS} trips of {TRIP / 60:g} minutes, {len(day.reports)} reports, {DEADLINE:g} s each",
        "",
        "| way | radio on | of always on | energy | wakes | lines | in time | late | lost | slowest |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for outcome in outcomes:
        energy, told = outcome.energy, outcome.delivery
        joules = "not known" if energy.joules is None else f"{energy.joules / 1000:.1f} kJ"
        cells = (
            outcome.way.name,
            f"{energy.radio_on:.0f} s",
            percent(share(outcome, outcomes)),
            joules,
            energy.wakes,
            outcome.lines,
            told.in_time,
            told.late,
            told.lost,
            f"{told.slowest:.1f} s",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def as_json(day: WorkingDay, radio: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Give the figures for programs."""
    return {
        "seed": day.seed,
        "radio": radio,
        "route": day.route,
        "seconds": day.seconds,
        "ways": [
            {
                "way": outcome.way.name,
                "radio_on": round(outcome.energy.radio_on, 3),
                "share": round(share(outcome, outcomes), 4),
                "joules": outcome.energy.joules,
                "wakes": outcome.energy.wakes,
                "transfers": outcome.energy.transfers,
                "lines": outcome.lines,
                "reports": outcome.delivery.reports,
                "in_time": outcome.delivery.in_time,
                "late": outcome.delivery.late,
                "lost": outcome.delivery.lost,
                "twice": outcome.delivery.twice,
                "slowest": round(outcome.delivery.slowest, 3),
            }
            for outcome in outcomes
        ],
    }


def as_chart(radio: str, day: WorkingDay, outcomes: Sequence[Outcome]) -> str:
    """Draw the radio-on times, with the goal as a mark."""
    bars = [
        Bar(
            outcome.way.name,
            outcome.energy.radio_on / 60,
            f"{outcome.energy.radio_on / 60:.0f} min, {percent(share(outcome, outcomes))}",
            strong=outcome.way.name == ON_DEMAND,
        )
        for outcome in outcomes
    ]
    title = f"How long the {radio} radio is on in a working day of {HOURS} hours"
    subtitle = f"{TRIPS} trips of {TRIP / 60:g} minutes, {len(day.reports)} reports within {DEADLINE:g} s; a model"
    mark = (GOAL * outcomes[0].energy.radio_on / 60, f"{100 * GOAL:g} % of always on")
    return bar_chart(title, subtitle, bars, mark=mark)


if __name__ == "__main__":
    main()
