"""A storm: everybody loses the line at once, and dials a gateway that can take in only so many a second.

Time goes by in slots of 50 ms. The gateway has a budget of units a second, of which it saves up one second's worth.
Taking a client in costs 1 unit, turning one away costs a part of that. Where turning away eats up the budget of a slot,
nobody gets in.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cableway.gateway.admission import Admission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from benchmarks.storm.crowds import Crowd

SLOT = 0.05
PER_SECOND = round(1 / SLOT)
LOSS = 0.1
"""Seconds within which all lines are lost."""
BURST = 1.0
"""Seconds of budget that the gateway saves up."""
SHARE = 0.99
"""Of the clients that have to be back."""


class Setting(NamedTuple):
    """What the storm hits."""

    clients: int = 100_000
    capacity: float = 2000.0
    """Clients that the gateway can take in a second."""
    cost: float = 0.1
    """Of turning one away, as a part of taking one in."""
    outage: float = 0.0
    """Seconds for which there is no gateway at all; an attempt costs it nothing then."""
    window: float = 3600.0
    """Seconds after which nobody waits for the end any longer."""
    attempts: int = 150
    """Attempts a client, on average, after which neither."""

    @property
    def ideal(self) -> float:
        """Seconds until all but a hundredth are back, if none ever came in vain."""
        return self.outage + SHARE * self.clients / self.capacity


class Result(NamedTuple):
    """How it went."""

    back: float | None
    """Seconds until all but a hundredth were back; ``None`` if they never were."""
    peak: int
    """Attempts in the busiest second."""
    wasted: float
    """Attempts in vain, a client."""
    curve: list[float]
    """The share that was back, second by second."""


class Gateway:
    """Takes in what its budget allows, slot by slot."""

    def __init__(self, setting: Setting) -> None:
        self._capacity, self._cost = setting.capacity, setting.cost
        self._budget = setting.capacity * BURST

    def admit(self, attempts: int) -> int:
        """Return how many of the *attempts* in one slot get in."""
        left = self._budget - attempts * self._cost
        admitted = max(0, min(attempts, math.floor(left / (1 - self._cost) + 1e-9)))
        spent = admitted + (attempts - admitted) * self._cost
        self._budget = max(0.0, self._budget - spent)
        return admitted

    def earn(self) -> None:
        """Let a slot's time go by."""
        self._budget = min(self._capacity * BURST, self._budget + self._capacity * SLOT)


Hints: TypeAlias = "Callable[[float, int], int | None]"
"""Takes the time and the number of clients outside, and gives a refused one its ``Retry-After``."""


def no_hints(now: float, outside: int) -> None:
    """Refuse without a word."""


def one_for_all(capacity: float) -> Hints:
    """Tell everybody how long the whole crowd takes to come in."""
    return lambda _now, outside: max(1, math.ceil(outside / capacity))


def a_place_each(capacity: float) -> Hints:
    """Promise everybody the next free place, as our gateway does: this is its own code."""
    admission = Admission(capacity, 0.0)
    return lambda now, _outside: admission.come_back_in(now)


class Storm:
    """One crowd against one gateway."""

    def __init__(self, setting: Setting, crowd: Crowd, random: Random, hints: Hints = no_hints) -> None:
        self._hints = hints
        self._setting = setting
        self._crowd = crowd
        self._random = random
        self._gateway = Gateway(setting)
        # A calendar of slots: at a million clients a heap of their times would cost more than the storm.
        self._calendar: defaultdict[int, list[int]] = defaultdict(list)
        self._inside = 0

    def run(self) -> Result:
        """Let it rage until all but a hundredth are back, or until nobody believes in it any longer."""
        setting = self._setting
        enough = math.ceil(SHARE * setting.clients)
        most = setting.attempts * setting.clients
        counts: list[int] = []
        curve = [0.0]
        total = 0
        self._lose()
        for slot in range(round(setting.window / SLOT)):
            counts.append(self._pass(slot))
            total += counts[-1]
            if len(counts) % PER_SECOND == 0:
                curve.append(self._inside / setting.clients)
            if self._inside >= enough or total > most:
                break
        back = len(counts) * SLOT if self._inside >= enough else None
        return Result(back, max(_seconds(counts)), (total - self._inside) / setting.clients, curve)

    def _lose(self) -> None:
        for client in range(self._setting.clients):
            now = self._random.random() * LOSS
            self._calendar[int((now + self._crowd.lost(client, now)) / SLOT)].append(client)

    def _pass(self, slot: int) -> int:
        """Go through one slot, and return how many attempted."""
        dialling = self._calendar.pop(slot, [])
        now = (slot + 0.5) * SLOT
        if now < self._setting.outage:
            for client in dialling:
                self._enter_again(client, now, self._crowd.unreachable(client, now))
            return len(dialling)
        admitted = self._gateway.admit(len(dialling)) if dialling else 0
        self._gateway.earn()
        self._inside += admitted
        if 0 < admitted < len(dialling):
            # In which order they come within a slot is chance.
            self._random.shuffle(dialling)
        refused, outside = self._crowd.refused, self._setting.clients - self._inside
        for client in dialling[admitted:]:
            self._enter_again(client, now, refused(client, now, self._hints(now, outside)))
        return len(dialling)

    def _enter_again(self, client: int, now: float, wait: float) -> None:
        self._calendar[max(int(now / SLOT) + 1, int((now + wait) / SLOT))].append(client)


def _seconds(counts: list[int]) -> Iterator[int]:
    """Give the number of attempts in each span of a second."""
    total = 0
    for index, count in enumerate(counts):
        total += count - (counts[index - PER_SECOND] if index >= PER_SECOND else 0)
        yield total
