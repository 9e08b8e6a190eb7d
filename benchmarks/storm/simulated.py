"""A storm in model time: a whole crowd loses its lines within a tenth of a second, and comes back.

    python -m benchmarks.storm.simulated [--quick] [--seed 1] [--json FILE] [--svg FILE]
    python -m benchmarks.storm.simulated --clients 100000 --capacity 2000 --cost 0.1

Our own clients are run by the very objects that decide in a cable; beside them other clients and textbook formulas, all
drawing from one seed. Without ``--clients``, ``--capacity``, ``--cost`` all columns of ``docs/storms.md`` are counted,
which takes about 20 minutes; with ``--quick`` a twentieth of the clients against a twentieth of the capacity.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import time
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from benchmarks.charts import Axis, line_chart
from benchmarks.storm.crowds import CablewayCrowd, Crowd, DecorrelatedCrowd, FormulaCrowd
from benchmarks.storm.formulas import DECORRELATED, FORMULAS
from benchmarks.storm.model import Result, Setting, Storm, a_place_each, no_hints, one_for_all
from cableway.errors import LineClosed, ServerDisconnect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.storm.model import Hints
    from cableway.errors import CableError

    CrowdMaker: TypeAlias = Callable[[Setting, Random], Crowd]

SEED = 1
QUICK = 20
"""How many times smaller a quick storm is."""
MILLION = Setting(clients=1_000_000, capacity=10_000.0, window=1200.0, attempts=120)
DRAWN_FOR = 150.0
"""Seconds that the chart shows."""


class Contender(NamedTuple):
    """One row of the table."""

    name: str
    crowd: CrowdMaker
    hints: Callable[[float], Hints] = lambda _capacity: no_hints
    """Makes, of the capacity, what a refused client is told."""
    ours: bool = False


class Column(NamedTuple):
    """One column of it."""

    name: str
    setting: Setting
    rows: frozenset[str] | None = None
    """The names of those that are run; ``None``: all."""


def ours() -> Iterator[Contender]:
    """Give our own clients: by how they lost their lines, and by what the gateway tells them."""
    for name, loss, hints in (
        ("network drop", _drop, None),
        ("restart notice", _notice, None),
        ("network drop, Retry-After", _drop, a_place_each),
        ("restart notice, Retry-After", _notice, a_place_each),
        ("restart notice with a time, Retry-After", _timed_notice, a_place_each),
        ("network drop, one Retry-After for all", _drop, one_for_all),
    ):
        made = partial(_cableway, loss)
        yield Contender(f"Cableway, {name}", made, hints or (lambda _capacity: no_hints), ours=True)


def _drop(_setting: Setting) -> CableError:
    return LineClosed(1006)


def _notice(_setting: Setting) -> CableError:
    return ServerDisconnect("server_restart")


def _timed_notice(setting: Setting) -> CableError:
    return ServerDisconnect("server_restart", retry_after=setting.clients / setting.capacity)


def _cableway(loss: Callable[[Setting], CableError], setting: Setting, random: Random) -> Crowd:
    return CablewayCrowd(loss(setting), setting.clients, random)


def _formula(name: str, setting: Setting, random: Random) -> Crowd:
    return FormulaCrowd(FORMULAS[name], setting.clients, random)


def _decorrelated(setting: Setting, random: Random) -> Crowd:
    return DecorrelatedCrowd(setting.clients, random)


def contenders() -> list[Contender]:
    """Give all rows: ours, then the others."""
    others = [Contender(name, partial(_formula, name)) for name in FORMULAS]
    others.insert(list(FORMULAS).index("AWS IoT, full jitter 1 to 120 s"), Contender(DECORRELATED, _decorrelated))
    return [*ours(), *others]


def columns(divisor: int = 1) -> list[Column]:
    """Give all columns; with a *divisor*, of so many times fewer clients and less capacity, and without the million."""
    small = Setting(clients=100_000 // divisor, capacity=2000.0 / divisor)
    found = [
        Column("refusal 0", small._replace(cost=0.0)),
        Column("refusal 0.1", small),
        Column("refusal 0.5", small._replace(cost=0.5)),
        Column("60 s outage", small._replace(outage=60.0)),
    ]
    if divisor > 1:
        return found
    lockstep = {"fixed 1 s, no jitter", "0.2 to 30 s, no jitter", "Phoenix JS"}
    spread = frozenset(row.name for row in contenders()) - lockstep
    general = {"±50 %", "full jitter", "equal jitter", "Cableway", "@anycable"}
    some = frozenset(name for name in spread if any(word in name for word in general))
    return [
        *found,
        Column("million, refusal 0.1", MILLION, spread),
        Column("million, refusal 0.5", MILLION._replace(cost=0.5), some),
    ]


def rage(contender: Contender, setting: Setting, seed: int) -> Result:
    """Run one cell."""
    random = Random(seed)
    return Storm(setting, contender.crowd(setting, random), random, contender.hints(setting.capacity)).run()


def main() -> None:
    """Count, and print as it goes."""
    options = _options()
    # Nothing here forms cycles, and a million clients are long to look through.
    gc.disable()
    cells: dict[tuple[str, str], Result] = {}
    chosen = _chosen(options)
    for column in chosen:
        print(f"\n{column.name}: {column.setting}, ideal {column.setting.ideal:.1f} s", file=sys.stderr)
        for contender in contenders():
            if column.rows is None or contender.name in column.rows:
                started = time.perf_counter()
                result = cells[contender.name, column.name] = rage(contender, column.setting, options.seed)
                _tell(contender, column.setting, result, time.perf_counter() - started)
    print(as_table(chosen, cells))
    print(f"\nmemory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(as_json(chosen, cells, options.seed), indent=1) + "\n")
    if options.svg:
        options.svg.write_text(as_chart(chosen, cells))


def _tell(contender: Contender, setting: Setting, result: Result, took: float) -> None:
    times = "" if result.back is None else f" ({result.back / setting.ideal:.2f} of the ideal)"
    print(
        f"  {contender.name:<50} {_seconds(result.back):>7}{times}, peak {result.peak}, "
        f"wasted {result.wasted:.2f}; took {took:.1f} s",
        file=sys.stderr,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, help="how many lose their lines")
    parser.add_argument("--capacity", type=float, help="how many the gateway takes in a second")
    parser.add_argument("--cost", type=float, help="of turning one away, as a part of taking one in (0 to below 1)")
    parser.add_argument("--outage", type=float, default=0.0, help="seconds for which there is no gateway")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--quick", action="store_true", help=f"a storm {QUICK} times smaller, in the same proportions")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--svg", type=Path, help="write the chart to this file")
    options = parser.parse_args()
    if options.cost is not None and not 0 <= options.cost < 1:
        parser.error(f"--cost={options.cost:g} is not a part of an accept: give 0 to below 1")
    return options


def _chosen(options: argparse.Namespace) -> list[Column]:
    given = {
        name: getattr(options, name) for name in ("clients", "capacity", "cost") if getattr(options, name) is not None
    }
    if not given:
        return columns(QUICK if options.quick else 1)
    setting = Setting(**given, outage=options.outage)
    if options.quick:
        setting = setting._replace(clients=setting.clients // QUICK, capacity=setting.capacity / QUICK)
    return [Column("yours", setting)]


# What is shown -------------------------------------------------------------------------------------------------------


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f}" if seconds < 1000 else f"{seconds:.0f}"


def as_table(chosen: Sequence[Column], cells: dict[tuple[str, str], Result]) -> str:
    """Write the figures as Markdown: times of all columns, then peak and waste of the second (or only) one."""
    main_one = chosen[min(1, len(chosen) - 1)].name
    heads = ["", *(column.name for column in chosen), "peak", "wasted"]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'--:|' * (len(heads) - 1)}"]
    for contender in contenders():
        texts = [
            _seconds(cells[contender.name, column.name].back) if (contender.name, column.name) in cells else "not run"
            for column in chosen
        ]
        counted = cells[contender.name, main_one]
        texts += [f"{counted.peak:,}".replace(",", " "), f"{counted.wasted:.2f}"]
        strong = "**" if contender.ours else ""
        lines.append(f"| {strong}{contender.name}{strong} | {' | '.join(texts)} |")
    ideal = [f"{column.setting.ideal:.1f}" for column in chosen]
    lines.append(f"| *ideal* | {' | '.join(ideal)} | | 0.00 |")
    return "\n".join(lines)


def as_json(chosen: Sequence[Column], cells: dict[tuple[str, str], Result], seed: int) -> dict[str, Any]:
    """Give the figures to programs."""
    return {
        "seed": seed,
        "python": sys.version.split()[0],
        "columns": [
            {
                "column": column.name,
                **column.setting._asdict(),
                "ideal": column.setting.ideal,
                "rows": {
                    name: {"back": result.back, "peak": result.peak, "wasted": round(result.wasted, 3)}
                    for (name, of), result in cells.items()
                    if of == column.name
                },
            }
            for column in chosen
        ],
    }


DRAWN = (
    "Cableway, restart notice, Retry-After",
    "Cableway, restart notice",
    "AWS full jitter, 0.2 to 30 s",
    "@anycable/core, maxInterval 30 s",
    "@rails/actioncable",
    "0.2 to 30 s, no jitter",
)


def as_chart(chosen: Sequence[Column], cells: dict[tuple[str, str], Result]) -> str:
    """Draw who is back when, in the second (or only) column."""
    column = chosen[min(1, len(chosen) - 1)]
    lines = {}
    for name in DRAWN:
        curve = cells[name, column.name].curve
        curve = [*curve, *[curve[-1]] * (int(DRAWN_FOR) + 1 - len(curve))]
        lines[name] = [(float(second), 100 * curve[second]) for second in range(int(DRAWN_FOR) + 1)]
    setting = column.setting
    return line_chart(
        f"{setting.clients:,} clients come back".replace(",", " "),
        f"The gateway takes in {setting.capacity:g} a second; turning one away costs it {setting.cost:g} of that.",
        lines,
        x=Axis("seconds after the loss"),
        y=Axis("% of the clients back"),
    )


if __name__ == "__main__":
    main()
