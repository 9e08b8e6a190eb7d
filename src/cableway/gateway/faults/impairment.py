"""What faults do to one line that is up. It sits beside the line, which asks it for each frame while it is there."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NoReturn, Protocol

from attrs import define, field

from cableway.gateway.faults.effects import Cut, Silence
from cableway.gateway.faults.rules import Budget

if TYPE_CHECKING:
    from cableway.gateway.faults.rules import Order

log: logging.Logger = logging.getLogger("cableway.gateway")


class Impairable(Protocol):
    """A line that faults can strike."""

    impairment: Impairment | None
    """Asked in place of :meth:`write` where there is one."""

    def wire_size(self, frame: bytes) -> int:
        """Tell how many bytes *frame* is on the way."""
        ...

    async def write(self, frame: bytes) -> None:
        """Write a whole frame, unimpaired."""

    async def write_part(self, frame: bytes, size: int) -> None:
        """Write as many bytes of it."""

    def abort(self) -> None:
        """Be gone at once."""


@define(eq=False)
class _Woe:
    """One fault of one line."""

    order: Order
    hold: object = None
    budget: Budget | None = None
    timer: asyncio.TimerHandle | None = None


@define(eq=False)
class Impairment:
    """All that one line suffers from."""

    _line: Impairable
    _silencer: _Woe | None = None
    _over: asyncio.Event = field(factory=asyncio.Event)
    _woes: dict[Order, _Woe] = field(factory=dict)

    @property
    def silent(self) -> bool:
        """Whether nothing is sent any more."""
        return self._silencer is not None

    def suffer(self, order: Order) -> None:
        """Have a fault strike this line, from now on."""
        woe = self._woes[order] = _Woe(order)
        woe.hold = order.hold(lambda: self._let_go(woe))
        match order.effect:
            case Silence(after):
                self._after(woe, after)
            case Cut(after, size):
                if size is not None:
                    woe.budget = Budget(size)
                if after is not None:
                    self._after(woe, after)

    async def send(self, frame: bytes) -> None:
        """Write one frame, what is left of it, or nothing.

        Raises:
            OSError: The line is gone, or was cut here.
        """
        if self.silent:
            return
        size, part, cutter = self._line.wire_size(frame), None, None
        for woe in self._woes.values():
            left = None if woe.budget is None else woe.budget.take(size)
            if left is not None and (part is None or left < part):
                part, cutter = left, woe
        if part is None or cutter is None:
            await self._line.write(frame)
            return
        await self._line.write_part(frame, part)
        self._cut(cutter)
        _raise_cut()

    async def stay_silent(self) -> None:
        """Wait until the line is gone, where nothing is said, not even goodbye."""
        await self._over.wait()

    def end(self) -> None:
        """Learn that the line is gone."""
        for woe in list(self._woes.values()):
            self._forget(woe)
        self._over.set()

    def _after(self, woe: _Woe, seconds: float) -> None:
        if seconds:
            woe.timer = asyncio.get_running_loop().call_later(seconds, self._due, woe)
        else:
            self._due(woe)

    def _due(self, woe: _Woe) -> None:
        woe.timer = None
        if isinstance(woe.order.effect, Cut):
            self._cut(woe)
        elif not self.silent:
            self._silencer = woe
            _note(woe.order)

    def _cut(self, woe: _Woe) -> None:
        self._forget(woe)
        _note(woe.order)
        self._line.abort()

    def _let_go(self, woe: _Woe) -> None:
        self._forget(woe)
        if woe is self._silencer:
            self._over.set()
            self._line.abort()

    def _forget(self, woe: _Woe) -> None:
        self._woes.pop(woe.order, None)
        woe.order.release(woe.hold)
        if woe.timer is not None:
            woe.timer.cancel()
        if not self._woes and not self.silent:
            self._line.impairment = None


def _note(order: Order) -> None:
    order.fire()
    log.info("a fault to order strikes a line: %s", order.name)


def _raise_cut() -> NoReturn:
    msg = "the line was cut to order"
    raise ConnectionResetError(msg)
