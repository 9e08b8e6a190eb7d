"""Which requests and lines are struck, and when: counting, without a clock and without a socket."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import Factory, define, frozen

from cableway.gateway.faults.effects import Cut, Delay, Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cableway.gateway.faults.effects import Asked, LineEffect, RequestEffect


@define
class Cadence:
    """Which of those that come are struck: each n-th of them, and so many at most."""

    every: int = 1
    times: int | None = None
    seen: int = 0
    struck: int = 0

    @property
    def over(self) -> bool:
        """Whether none will be struck any more."""
        return self.times is not None and self.struck >= self.times

    def strikes(self) -> bool:
        """Count the next one, and tell whether it is struck."""
        if self.over:
            return False
        self.seen += 1
        strikes = self.seen % self.every == 0
        self.struck += strikes
        return strikes


@define
class Budget:
    """Bytes that a line may still carry."""

    left: int

    def take(self, size: int) -> int | None:
        """Return how many of a frame's bytes still go before the line is cut; ``None``: all, and others after them."""
        if size < self.left:
            self.left -= size
            return None
        part, self.left = self.left, 0
        return part


@define(eq=False)
class Order:
    """One fault that was ordered: whom it strikes, how often it has, and who depends on it at this moment."""

    name: str
    effect: RequestEffect | LineEffect
    scope: frozenset[Asked]
    cadence: Cadence = Factory(Cadence)
    fired: int = 0
    lifted: bool = False
    total: Counter[str] = Factory(Counter)
    """How often faults have happened, this one's kind among them."""
    _holds: dict[object, Callable[[], None]] = Factory(dict)
    _watchers: dict[object, Callable[[], None]] = Factory(dict)

    @property
    def active(self) -> bool:
        """Whether it may strike."""
        return not (self.lifted or self.cadence.over)

    def strikes(self, asked: Asked) -> bool:
        """Count who comes, if the fault is about such, and tell whether they are struck."""
        return not self.lifted and asked in self.scope and self.cadence.strikes()

    def fire(self) -> None:
        """Note that it has happened."""
        self.fired += 1
        self.total[self.name] += 1
        self._tell()

    @contextmanager
    def held(self, let_go: Callable[[], None]) -> Iterator[None]:
        """Have *let_go* called if it is lifted, or the gateway stops, within the block."""
        hold = self.hold(let_go)
        try:
            yield
        finally:
            self.release(hold)

    def hold(self, let_go: Callable[[], None]) -> object:
        """Have *let_go* called if it is lifted, or the gateway stops, until :meth:`release`."""
        hold = object()
        self._holds[hold] = let_go
        return hold

    def release(self, hold: object) -> None:
        """Depend on it no more."""
        self._holds.pop(hold, None)

    def let_go(self) -> None:
        """Let all go who depend on it."""
        for hold, let_go in list(self._holds.items()):
            self.release(hold)
            let_go()

    def lift(self) -> None:
        """Strike nobody any more, and let all go."""
        self.lifted = True
        self.let_go()
        self._tell()

    @contextmanager
    def watched(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have *tell* called whenever it happens, or is lifted, within the block."""
        watcher = object()
        self._watchers[watcher] = tell
        try:
            yield
        finally:
            del self._watchers[watcher]

    def _tell(self) -> None:
        for tell in list(self._watchers.values()):
            tell()


@frozen
class Verdict:
    """What becomes of one request."""

    delays: tuple[tuple[Order, float], ...] = ()
    """Those that hold it up first, with the seconds of each."""
    order: Order | None = None
    """What happens to it then; ``None``: it is served."""


@define
class OrderBook:
    """All faults that are in force. The one that was ordered last is asked first."""

    orders: list[Order] = Factory(list)
    """In the order in which they were ordered."""
    listeners: list[Callable[[Order], None]] = Factory(list)
    """Told of each new one."""
    total: Counter[str] = Factory(Counter)
    """How often faults have happened, by their names."""

    def add(self, order: Order) -> None:
        """Take an order."""
        order.total = self.total
        self.orders.append(order)
        for listener in list(self.listeners):
            listener(order)

    def lift(self, order: Order) -> None:
        """Take it back. May be called again."""
        if order in self.orders:
            self.orders.remove(order)
            order.lift()

    def judge(self, asked: Asked) -> Verdict:
        """Decide about a request. One that is struck is not counted by the faults that were ordered before."""
        delays: list[tuple[Order, float]] = []
        for order in reversed(self.orders):
            if isinstance(order.effect, Silence | Cut) or not order.strikes(asked):
                continue
            if not isinstance(order.effect, Delay):
                return Verdict(tuple(delays), order)
            delays.append((order, order.effect.seconds))
        return Verdict(tuple(delays))

    def strikes_line(self, asked: Asked) -> list[Order]:
        """Decide about a line that has come up: return all that it will suffer."""
        return [order for order in self.orders if isinstance(order.effect, Silence | Cut) and order.strikes(asked)]
