"""How other clients, and textbooks, space their dials: a formula each, with the figures they come with.

Each takes the number of waits before this one since the loss, and a generator to draw from, and gives seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Formula: TypeAlias = Callable[[int, Random], float]

BASE, CAP = 0.2, 30.0
"""Seconds: those of the night of the real storm, which the general formulas are compared at."""

PHOENIX = (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0)


def _doubled(waits: int, base: float = BASE, cap: float = CAP) -> float:
    return min(base * 2.0 ** min(waits, 64), cap)


def fixed(_waits: int, _random: Random) -> float:
    """Wait a second, however often."""
    return 1.0


def no_jitter(waits: int, _random: Random) -> float:
    """Double the wait up to the cap, the same for everybody."""
    return _doubled(waits)


def capped_before(waits: int, random: Random) -> float:
    """Double, cap, then spread by half: what ended the storm."""
    return _doubled(waits) * random.uniform(0.5, 1.5)


def capped_after(waits: int, random: Random) -> float:
    """Double, spread by half, then cap: in the end everybody waits exactly the cap."""
    return min(BASE * 2.0 ** min(waits, 64) * random.uniform(0.5, 1.5), CAP)


def full_jitter(waits: int, random: Random) -> float:
    """Anywhere up to the doubled wait (AWS Architecture Blog, "Exponential Backoff And Jitter")."""
    return _doubled(waits) * random.random()


def equal_jitter(waits: int, random: Random) -> float:
    """Anywhere in the upper half of the doubled wait (the same)."""
    return _doubled(waits) * random.uniform(0.5, 1.0)


def aws_iot(waits: int, random: Random) -> float:
    """Full jitter from 1 to 120 s, as the AWS IoT device clients have it."""
    return _doubled(waits, 1.0, 120.0) * random.random()


def grpc(waits: int, random: Random) -> float:
    """The connection backoff of gRPC: 1 s, times 1.6 up to 120 s, spread by a fifth."""
    return min(1.6 ** min(waits, 64), 120.0) * random.uniform(0.8, 1.2)


def google_iot(waits: int, random: Random) -> float:
    """Google Cloud IoT's advice: 1 s doubled and up to a second more, at most 64 s."""
    return min(2.0 ** min(waits, 64) + random.random(), 64.0)


def rails(waits: int, random: Random) -> float:
    """@rails/actioncable: six seconds, 15 % more each time, spread upwards by as much; at first as its poll falls."""
    return 6.0 * 1.15 ** min(waits, 10) * (1 + 0.15 * random.random()) if waits else _rails_first(random)


def _rails_first(random: Random) -> float:
    # It polls every 6 to 12 s; the loss falls anywhere in such a span, and more likely into a long one. The poll acts
    # on a line that is silent for six seconds, the last ping being up to three old, and lost for six.
    silent = 3.0 * random.random()
    now = math.sqrt(36.0 + 108.0 * random.random()) * random.random()
    polls = 0
    while now < 6.0:
        polls += now + silent > 6.0
        now += 6.0 * 1.15**polls * (1 + random.random() * (0.15 if polls else 1.0))
    return now


def anycable(waits: int, random: Random) -> float:
    """@anycable/core as it comes: three seconds doubled, spread twice, without a cap."""
    return 3.0 * 2.0 ** min(waits, 64) * random.uniform(1, 2) * random.uniform(0.5, 1.5)


def anycable_capped(waits: int, random: Random) -> float:
    """@anycable/core with ``maxInterval`` at 30 s."""
    return min(anycable(waits, random), 30.0)


def centrifuge(waits: int, random: Random) -> float:
    """centrifuge-python: full jitter from 0.1 to 20 s, and the shortest wait on top."""
    return min(0.1 + _doubled(waits, 0.1, 20.0) * random.random(), 20.0)


def socketio(waits: int, random: Random) -> float:
    """python-socketio: one second doubled up to five, half a second more or less."""
    return _doubled(waits, 1.0, 5.0) + random.uniform(-0.5, 0.5)


def websockets(waits: int, random: Random) -> float:
    """The iterator of the websockets library: up to 5 s at first, then 3.1 s times 1.618 up to 90 s, not spread."""
    return random.random() * 5.0 if not waits else min(3.1 * 1.618 ** min(waits - 1, 64), 90.0)


def ably(waits: int, random: Random) -> float:
    """Ably's specification: at once, then 15 s growing to 30 s, spread by a fifth."""
    return 15.0 * min((waits + 2) / 3, 2.0) * random.uniform(0.8, 1.0) if waits else 0.0


def phoenix(waits: int, _random: Random) -> float:
    """Phoenix JS: a table from 10 ms to 5 s, the same for everybody."""
    return PHOENIX[waits] if waits < len(PHOENIX) else 5.0


def nats(waits: int, random: Random) -> float:
    """NATS with one server: at once, then every two seconds and up to a tenth more."""
    return 2.0 + 0.1 * random.random() if waits else 0.0


FORMULAS: dict[str, Formula] = {
    "fixed 1 s, no jitter": fixed,
    "0.2 to 30 s, no jitter": no_jitter,
    "0.2 to 30 s ±50 %, cap before jitter": capped_before,
    "0.2 to 30 s ±50 %, cap after jitter": capped_after,
    "AWS full jitter, 0.2 to 30 s": full_jitter,
    "AWS equal jitter, 0.2 to 30 s": equal_jitter,
    "AWS IoT, full jitter 1 to 120 s": aws_iot,
    "gRPC": grpc,
    "Google Cloud IoT": google_iot,
    "@rails/actioncable": rails,
    "@anycable/core": anycable,
    "@anycable/core, maxInterval 30 s": anycable_capped,
    "centrifuge-python": centrifuge,
    "python-socketio": socketio,
    "websockets' iterator": websockets,
    "Ably": ably,
    "Phoenix JS": phoenix,
    "NATS": nats,
}
DECORRELATED = "AWS decorrelated jitter, 0.2 to 30 s"
"""The one that needs its last wait, not their number."""
