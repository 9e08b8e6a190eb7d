"""Several addresses of one service: which to dial next.

Each has a health of its own. One that failed is avoided for a while that doubles with each further failure; when all
are avoided, the one whose time is up first is taken: a bad address is better than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

FIRST_PENALTY = 5.0
LONGEST_PENALTY = 300.0
LEAVE = 6.0
"""Seconds for which an address that sent us away is avoided, at least: longer than a first wait after a restart."""
DOUBLINGS = 10
"""Enough to reach the longest penalty. An outage of a night has a thousand failures, and no number is so large."""
DROPS = 1
"""Lines that an address may lose young before that counts as a failure of its own."""


@define
class Endpoint:
    """One address and how it has done."""

    url: str
    failures: int = 0
    """Failures in a row."""
    drops: int = 0
    """Lines in a row that came up and were lost before they had proved themselves."""
    avoided_until: float = float("-inf")


class Endpoints:
    """Picks an address for each dial.

    Args:
        urls: The addresses.
        random: Source of the order.
        shuffle: Whether each client has an order of its own, so that a crowd spreads over the servers; without it the
            first address is the favourite and the others stand by.
    """

    def __init__(self, urls: Sequence[str], random: Random, *, shuffle: bool = True) -> None:
        self._endpoints = [Endpoint(url) for url in urls]
        self._random = random
        if shuffle:
            random.shuffle(self._endpoints)
        self._current = self._endpoints[0]

    @property
    def current(self) -> str:
        """The address of the last dial, or of the first one to come."""
        return self._current.url

    @property
    def health(self) -> dict[str, int]:
        """Failures in a row, by address."""
        return {endpoint.url: endpoint.failures for endpoint in self._endpoints}

    def pick(self, now: float) -> str:
        """Return the address to dial now: the first that is not avoided, else the one whose time is up first."""
        fit = [endpoint for endpoint in self._endpoints if endpoint.avoided_until <= now]
        self._current = fit[0] if fit else min(self._endpoints, key=lambda endpoint: endpoint.avoided_until)
        return self._current.url

    def failed(self, now: float) -> None:
        """The current address failed: avoid it for a while."""
        endpoint = self._current
        penalty = min(FIRST_PENALTY * 2.0 ** min(endpoint.failures, DOUBLINGS), LONGEST_PENALTY)
        endpoint.failures += 1
        endpoint.avoided_until = now + penalty * self._random.uniform(0.5, 1.5)

    def dropped(self, now: float) -> None:
        """A line to the current address was lost young. Once is nobody's fault; again and again it is the address's."""
        self._current.drops += 1
        if self._current.drops > DROPS:
            self.failed(now)

    def leave(self, now: float) -> None:
        """The current address asked us to go elsewhere, without being at fault: take another one next."""
        self._current.avoided_until = now + LEAVE * self._random.uniform(1.0, 1.5)

    def did_well(self) -> None:
        """The current address is in good health."""
        self._current.failures = self._current.drops = 0
        self._current.avoided_until = float("-inf")
