"""One fault, as who ordered it holds it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from cableway.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from cableway.gateway.faults.rules import Order, OrderBook


class Fault:
    """One fault of :attr:`Gateway.faults <cableway.gateway.Gateway.faults>`, in force from the moment it was ordered.

    As a context manager, by ``with`` or ``async with``, it is lifted when the block ends::

        with gateway.faults.refuse(503) as refusal:
            ...
        assert refusal.fired == 2
    """

    def __init__(self, order: Order, book: OrderBook) -> None:
        self._order = order
        self._book = book

    def __repr__(self) -> str:
        order = self._order
        return f"<{type(self).__name__} {order.name}: {order.effect}, fired={order.fired}, active={order.active}>"

    @property
    def name(self) -> str:
        """Its kind: the name of the method that ordered it."""
        return self._order.name

    @property
    def fired(self) -> int:
        """How often it has happened to a request or a line. Counted when it happens, not when it is decided."""
        return self._order.fired

    @property
    def active(self) -> bool:
        """Whether it may strike: not after :meth:`lift`, nor once it has struck ``times`` times."""
        return self._order.active

    def lift(self) -> None:
        """End it: nobody is struck any more. May be called again.

        Who depends on it at this moment is cut off: requests that were swallowed, polls whose answer waits for the
        client to go, lines that fell silent. Their clients come back, as after any break. Requests that are delayed go
        on at once, and lines that were to be cut later are left alone.
        """
        self._book.lift(self._order)

    async def wait_fired(self, times: int = 1) -> None:
        """Wait until it has happened *times* times; return at once if it has. Cancelled, it changes nothing.

        Raises:
            UsageError: It will not happen so often: it was ordered for fewer times, or was lifted before.
        """
        order = self._order
        limit = order.cadence.times
        if limit is not None and limit < times:
            msg = f"the fault {order.name!r} was ordered for times={limit}: it will never have fired {times} times"
            raise UsageError(msg)
        while order.fired < times:
            if order.lifted:
                msg = f"the fault {order.name!r} was lifted after it had fired {order.fired} times, not {times}"
                raise UsageError(msg)
            changed = asyncio.Event()
            with order.watched(changed.set):
                await changed.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lift()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lift()
