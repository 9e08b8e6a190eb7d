"""Carries faults out: stands before the handlers of requests, and beside the lines that they open."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from aiohttp import hdrs, web

from cableway.gateway.cors import POLL_ID
from cableway.gateway.faults.effects import AnswerLate, Asked, Cut, LosePoll, Refuse, Silence, Swallow
from cableway.gateway.faults.impairment import Impairment
from cableway.gateway.visitor import abort, watching

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from cableway.gateway.faults.impairment import Impairable
    from cableway.gateway.faults.rules import Order, OrderBook
    from cableway.gateway.house import House

    Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STRUCK: Final = web.RequestKey("cableway_fault", object)

log: logging.Logger = logging.getLogger("cableway.gateway")


class Doors:
    """The ways into one gateway, from one start of it to the next.

    While no fault is in force, a request costs one look at an empty list, and a frame a look at an attribute.
    """

    def __init__(self, book: OrderBook, house: House) -> None:
        self._book = book
        self._lines: dict[Impairable, Asked] = {}
        self._closed = False
        house.closers.append(self.close)
        book.listeners.append(self._strike_lines)

    def guard(self, handler: Handler, asked: Callable[[web.Request], Asked | None]) -> Handler:
        """Return a handler that serves what no fault strikes. *asked* tells what a request is; ``None``: no matter."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self._book.orders:
                return await handler(request)
            return await self._judge(request, handler, asked(request))

        return guarded

    @contextmanager
    def line(self, line: Impairable, asked: Asked) -> Iterator[None]:
        """Have a line that is up for as long as the block lasts."""
        self._lines[line] = asked
        for order in self._book.strikes_line(asked):
            _impair(line, order)
        try:
            yield
        finally:
            del self._lines[line]
            if line.impairment is not None:
                line.impairment.end()

    def close(self) -> None:
        """Strike nobody any more, and cut off who is held: the gateway stops."""
        if self._closed:
            return
        self._closed = True
        self._book.listeners.remove(self._strike_lines)
        for order in list(self._book.orders):
            order.let_go()

    async def _judge(self, request: web.Request, handler: Handler, asked: Asked | None) -> web.StreamResponse:
        if asked is None:
            return await handler(request)
        verdict = self._book.judge(asked)
        for delay, seconds in verdict.delays:
            if not (delay.lifted or self._closed):
                _note(delay)
                await _hold(request, delay, seconds)
        order = verdict.order
        if order is None or order.lifted or self._closed:
            return await handler(request)
        return await _carry_out(order, request, handler)

    def _strike_lines(self, order: Order) -> None:
        if isinstance(order.effect, Silence | Cut):
            for line, asked in list(self._lines.items()):
                if order.strikes(asked):
                    _impair(line, order)


async def _carry_out(order: Order, request: web.Request, handler: Handler) -> web.StreamResponse:
    match order.effect:
        case Refuse(status, headers, body):
            _note(order)
            return web.Response(status=status, headers=headers, body=body)
        case Swallow():
            _note(order)
            await _hold(request, order, None)
        case LosePoll("arrived"):
            _note(order)
        case _:
            request[_STRUCK] = order
            return await handler(request)
    abort(request)
    # For aiohttp, which wants an answer: it is not sent.
    return web.Response(status=503)


async def _hold(request: web.Request, order: Order, seconds: float | None) -> None:
    """Wait until the client has gone, the fault has, or the time is over."""
    over = asyncio.Event()
    with watching(request, over.set), order.held(over.set), suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()


def _impair(line: Impairable, order: Order) -> None:
    if line.impairment is None:
        line.impairment = Impairment(line)
    line.impairment.suffer(order)


def _note(order: Order) -> None:
    order.fire()
    log.info("a fault to order strikes a request: %s", order.name)


# What requests are ---------------------------------------------------------------------------------------------------


def upgrade(_request: web.Request) -> Asked:
    """Tell what a request at the WebSocket's address is."""
    return Asked.UPGRADE


def poll(request: web.Request) -> Asked | None:
    """Tell what a request for long polling is."""
    if request.method != hdrs.METH_POST:
        return None
    return Asked.POLL if POLL_ID in request.headers else Asked.OPENING


def stream(request: web.Request) -> Asked | None:
    """Tell what a request for events is."""
    return Asked.STREAM if request.method in (hdrs.METH_GET, hdrs.METH_POST) else None


# What becomes of polls -----------------------------------------------------------------------------------------------


def cut_once_taken(request: web.Request) -> None:
    """Cut off a poll whose commands have been taken, if that is ordered: then its client has hung up."""
    order = request.get(_STRUCK)
    if order is not None and order.effect == LosePoll("taken"):
        _note(order)
        abort(request)


async def lose_answer(request: web.Request, gone: Callable[[], Awaitable[None]]) -> bool:
    """Keep a poll's answer from its client, if that is ordered; tell whether it was kept.

    Args:
        request: The poll.
        gone: Waits until the client has hung up.
    """
    order = request.get(_STRUCK)
    if order is None:
        return False
    match order.effect:
        case AnswerLate():
            with order.held(partial(abort, request)):
                await gone()
            _note(order)
        case LosePoll("answered"):
            _note(order)
            abort(request)
        case _:
            return False
    return True
