"""Thousands of seeded schedules of a client, a network that cuts anywhere, and a server that forgets.

``CABLEWAY_SOAK_SCALE=1`` lives through ten thousand of them; by default it is a tenth. ``CABLEWAY_SOAK_SEED`` begins
elsewhere.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.simulation.recovery.schedule import Plan, draw, live

if TYPE_CHECKING:
    from collections.abc import Callable

SCALE = float(os.environ.get("CABLEWAY_SOAK_SCALE", "0.1"))
FIRST = 100_000 * (int(os.environ.get("CABLEWAY_SOAK_SEED", "1")) - 1)
SCHEDULES = int(10_000 * SCALE)
SHARES = 10

FOUND = {
    "a stream's first two messages changed places": (9, 250),
    "a server was started anew while no position was known": (90, 190),
    "a stream of which nothing was heard went unasked for want of the server's time": (94, 722, 1671),
    "one of several restored subscriptions was asked for once more": (183, 982),
    "a stream began anew at an offset that was known already, soon after a recovery": (290, 1981),
    "live messages came again as what was published since": (53, 1816, 2003),
    "what was held when the line broke was taken for a new beginning": (1056,),
    "a stream's first message came while another one was healed": (2077,),
    "live messages came while the past was listed": (162, 1006, 2374),
    "the line was not read when it was to be probed": (307,),
    "the past was listed before the server's time was known": (2660, 2678, 3283, 3858, 4917),
    "a stream began anew right after its place was refused": (2976, 8420),
    "what was held for an answer about another stream stayed held": (4328, 4624, 4819, 4890),
    "a question was given up, and it was the line that was dead": (2707,),
    "a stream was first heard of on a line that went before the server beat": (3095, 5685),
    "a stream began anew while the line stood still": (6616,),
    "nobody knew how old the place was that was asked for": (5055, 9738),
    "a burst came between two questions of a listing": (3868, 5764, 9428),
}
"""Seeds that once showed a fault, by what it was about."""


FOUND_AT_SEAMS = {
    "the new line brought what the old one had brought just before": (59, 263),
    "a line had died unheard before the next one took over": (146,),
    "the new line was ahead, and the old one was asked for what was under way": (680, 979),
}
"""The same, of schedules with several transports."""


def with_ways(seed: int) -> Plan:
    """Draw what *seed* stands for, on a network that blocks all transports but one now and then."""
    return attrs.evolve(draw(seed), calm=False, ways=2 + seed % 2)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", range(SHARES))
def test_what_is_seen_is_what_was_published(share: int) -> None:
    """In each schedule each handle sees everything in order, once, or is told of the difference."""
    counts = live_through(range(FIRST + share, FIRST + SCHEDULES, SHARES), draw)
    assert counts["seen"] > 10 * counts["schedules"]


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_lines_that_take_over_from_one_another() -> None:
    """The same, while transports are blocked and cleared: the line falls, and climbs back beside the one that is up."""
    counts = live_through(range(FIRST, FIRST + SCHEDULES // 4), with_ways)
    assert counts["handed over"] > counts["schedules"] / 2
    assert counts["seen"] > 10 * counts["schedules"]


def live_through(seeds: range, plan_of: Callable[[int], Plan]) -> Counter[str]:
    """Live through all of *seeds*, and count what happened."""
    began = time.perf_counter()
    counts: Counter[str] = Counter()
    failures: list[str] = []
    for seed in seeds:
        try:
            lived = live(seed, plan_of(seed))
        except AssertionError as error:
            failures.append(f"{seed}: {str(error).splitlines()[0]}")
            continue
        counts.update(lived.counts)
        counts.update({"schedules": 1, lived.plan.dialect: 1})
        for verdict in lived.verdicts:
            counts.update({"seen": verdict.seen, "missing": verdict.missing, "announced": verdict.announced})
    assert not failures, f"{len(failures)} of {len(seeds)} seeds, such as\n" + "\n".join(failures[:10])
    took = time.perf_counter() - began
    # For whoever runs it by hand, with -s.
    sys.stderr.write(f"\n{dict(counts)}, {1000 * took / max(1, len(seeds)):.0f} ms each\n")
    return counts


@pytest.mark.parametrize("seed", [seed for seeds in FOUND.values() for seed in seeds])
def test_what_was_found_once_is_not_found_again(seed: int) -> None:
    """Bugs keep their seeds."""
    live(seed)


@pytest.mark.parametrize("seed", [seed for seeds in FOUND_AT_SEAMS.values() for seed in seeds])
def test_what_was_found_at_seams_once_is_not_found_again(seed: int) -> None:
    """Bugs keep their seeds."""
    live(seed, with_ways(seed))


def test_a_seed_is_the_same_life_every_time() -> None:
    """What a failure shows can be lived through again."""
    one, two = live(7), live(7)

    assert one.story == two.story
    assert one.verdicts == two.verdicts


def test_all_kinds_of_schedules_are_drawn() -> None:
    """A thousand seeds hold each dialect, calm and stormy ones, and servers with little memory."""
    plans = [draw(seed) for seed in range(1000)]

    assert {plan.dialect for plan in plans} == {"extended", "forgetful", "base", "rails"}
    assert sum(plan.lossless for plan in plans) > 100
    assert sum(plan.calm for plan in plans) > 20
    assert {plan.server.history_ttl for plan in plans} >= {1, 5, 300}
