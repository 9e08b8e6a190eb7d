"""Crowds of clients that lost their lines together: each tells how long its clients wait.

A crowd keeps no clock. The storm asks it once for each client at the loss, and once for each attempt that fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cableway.errors import HandshakeRefused, HostUnreachable
from cableway.policies.backoff import ExponentialBackoff
from cableway.policies.classify import Verdict, classify
from cableway.policies.retry import RetryPlan, Spell

if TYPE_CHECKING:
    from random import Random

    from benchmarks.storm.formulas import Formula
    from cableway.errors import CableError
    from cableway.policies.classify import Diagnosis

URL = "wss://example.com/cable"
GOOD = Spell(3600.0, beaten=True, confirmed=True)
"""What the lines were before they were lost."""


class Crowd(Protocol):
    """Clients by their numbers, from 0."""

    def lost(self, client: int, now: float) -> float:
        """Return seconds from the loss of the line to the first attempt."""
        ...

    def refused(self, client: int, now: float, hint: int | None) -> float:
        """Return seconds until the next attempt, after the gateway has refused one, with or without a hint."""
        ...

    def unreachable(self, client: int, now: float) -> float:
        """Return seconds until the next attempt, after one that found nobody there."""
        ...


class FormulaCrowd:
    """Clients that follow a formula, and listen to nobody."""

    def __init__(self, formula: Formula, clients: int, random: Random) -> None:
        self._formula = formula
        self._random = random
        self._waits = [0] * clients

    def lost(self, client: int, now: float) -> float:  # noqa: ARG002 - as the others
        """Wait for the first time."""
        return self._formula(0, self._random)

    def refused(self, client: int, now: float, hint: int | None) -> float:  # noqa: ARG002 - as the others
        """Wait once more."""
        self._waits[client] += 1
        return self._formula(self._waits[client], self._random)

    def unreachable(self, client: int, now: float) -> float:
        """Wait once more."""
        return self.refused(client, now, None)


class DecorrelatedCrowd:
    """Clients that draw each wait from the last one: ``min(cap, U(base, 3 * last))``."""

    def __init__(self, clients: int, random: Random, *, base: float = 0.2, cap: float = 30.0) -> None:
        self._base, self._cap = base, cap
        self._random = random
        self._last = [base] * clients

    def lost(self, client: int, now: float) -> float:
        """Wait for the first time."""
        return self.unreachable(client, now)

    def refused(self, client: int, now: float, hint: int | None) -> float:  # noqa: ARG002 - as the others
        """Wait once more."""
        return self.unreachable(client, now)

    def unreachable(self, client: int, now: float) -> float:  # noqa: ARG002 - as the others
        """Wait once more."""
        wait = self._last[client] = min(self._cap, self._random.uniform(self._base, 3 * self._last[client]))
        return wait


class CablewayCrowd:
    """Our own clients: the plan of each decides, as it does in a cable, on what ``classify`` makes of the failure.

    Args:
        loss: How the lines were lost.
        clients: How many.
        random: What all draw from.
    """

    def __init__(self, loss: CableError, clients: int, random: Random) -> None:
        backoff = ExponentialBackoff()
        self._plans = [RetryPlan(backoff, random) for _ in range(clients)]
        self._loss = classify(loss)
        self._unreachable = classify(HostUnreachable(URL, "connection refused"))
        self._refusals: dict[int | None, Diagnosis] = {None: classify(HandshakeRefused(URL, 503, {}))}

    def lost(self, client: int, now: float) -> float:
        """Wait as after the loss of a line that had been good."""
        return self._wait(client, now, self._loss, GOOD)

    def refused(self, client: int, now: float, hint: int | None) -> float:
        """Wait as after HTTP 503."""
        found = self._refusals.get(hint)
        if found is None:
            found = self._refusals[hint] = classify(HandshakeRefused(URL, 503, {"Retry-After": str(hint)}))
        return self._wait(client, now, found, None)

    def unreachable(self, client: int, now: float) -> float:
        """Wait as after a connection that was refused."""
        return self._wait(client, now, self._unreachable, None)

    def _wait(self, client: int, now: float, found: Diagnosis, spell: Spell | None) -> float:
        at_once = found.verdict in _AT_ONCE
        return self._plans[client].failed(found.cause, now, hint=found.hint, spell=spell, at_once=at_once)


_AT_ONCE = (Verdict.NOW, Verdict.RENEW)
