"""Orders for faults, as tests and programs write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from cableway.errors import UsageError
from cableway.gateway.faults.effects import (
    AnswerLate,
    Asked,
    Cut,
    Delay,
    LosePoll,
    Moment,
    Refuse,
    Silence,
    Swallow,
)
from cableway.gateway.faults.fault import Fault
from cableway.gateway.faults.rules import Cadence, Order
from cableway.types import Seconds, to_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cableway.gateway.faults.effects import LineEffect, RequestEffect
    from cableway.gateway.faults.rules import OrderBook
    from cableway.gateway.options import GatewayOptions

Transport: TypeAlias = Literal["websocket", "polling", "events"]
On: TypeAlias = "Transport | Literal['all'] | Iterable[Transport]"
"""Whom a fault strikes: requests and lines of one transport, of several, or of all that the gateway serves."""

_ASKED: Final[Mapping[str, frozenset[Asked]]] = {
    "websocket": frozenset({Asked.UPGRADE}),
    "polling": frozenset({Asked.OPENING, Asked.POLL}),
    "events": frozenset({Asked.STREAM}),
}
_SWITCHES: Final = {"polling": "poll", "events": "sse"}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PORTAL: Final = "<!DOCTYPE html><title>Welcome</title><p>Accept the terms to go online.</p>"


class Faults:
    """What can be made to go wrong with a gateway's lines, as ``gateway.faults``.

    ::

        async with Gateway(public=True, poll=True) as gateway:
            with gateway.faults.refuse(503, retry_after=2, times=3) as refusal:
                ...
            assert refusal.fired == 3
            cut = gateway.faults.cut(after_bytes=10_000)
            ...
            await cut.wait_fired()
            cut.lift()

    Each method orders a fault and returns it. It is in force at once, until it is lifted, until the block of its
    ``with`` ends, until :meth:`heal`, or until it has struck ``times`` times; a restart of the gateway does not end it.
    ``every=3`` strikes each third of those that come, whichever client they are from. Several may be in force: the one
    that was ordered last is asked first, and a request that it strikes does not count for the others. Only delays add
    up, and a line may suffer from several.

    ``on`` says which transport is struck: ``"websocket"``, ``"polling"``, ``"events"``, several of them, or ``"all"``
    that the gateway serves. For long polling, that is each request there, whether it opens a session or is one of its
    polls; ``openings_only=True`` leaves the polls of sessions alone. Preflights of browsers are never struck.

    To be used in the thread of the gateway's loop. All methods raise :exc:`UsageError` for a transport that the gateway
    does not serve, and for numbers out of range.
    """

    def __init__(self, book: OrderBook, options: GatewayOptions) -> None:
        self._book = book
        self._options = options

    @property
    def active(self) -> tuple[Fault, ...]:
        """The faults that may strike, in the order in which they were ordered."""
        return tuple(Fault(order, self._book) for order in self._book.orders if order.active)

    @property
    def fired(self) -> dict[str, int]:
        """How often faults have happened since the gateway was made, by their names; none that has not."""
        return dict(self._book.total)

    def heal(self) -> None:
        """Lift all faults, as :meth:`Fault.lift` does."""
        for order in list(self._book.orders):
            self._book.lift(order)

    # On the way in ---------------------------------------------------------------------------------------------------

    def refuse(
        self,
        status: int = 503,
        *,
        on: On = "websocket",
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        retry_after: Seconds | None = None,
        openings_only: bool = False,
        every: int = 1,
        times: int | None = None,
    ) -> Fault:
        """Answer requests with this HTTP status, in place of the gateway.

        Nothing is added to what is given here, not even what a page of another site needs to see the answer (CORS).

        Args:
            status: 200 to 599.
            on: Whom; see the class.
            headers: Headers of the answer.
            body: Its body; plain text unless *headers* have another ``Content-Type``. By default a line that says so.
            retry_after: Seconds, for the header of that name.
            openings_only: Leave the polls of sessions alone.
            every: Strike each so-many-th request.
            times: Strike so often at most.
        """
        if not 200 <= status <= 599:
            msg = f"status={status} does not end a request: give 200 to 599"
            raise UsageError(msg)
        more = {} if retry_after is None else {"Retry-After": f"{_seconds(retry_after, 'retry_after'):g}"}
        effect = _refusal(status, {**(headers or {}), **more}, "refused to order" if body is None else body)
        return self._order("refuse", effect, self._scope(on, openings_only=openings_only), every, times)

    def captive_portal(
        self, *, location: str | None = None, on: On = "all", every: int = 1, times: int | None = None
    ) -> Fault:
        """Answer as the network of a hotel does before one has paid: 200 and a page, or a redirect to *location*."""
        headers = {"Content-Type": "text/html; charset=utf-8"}
        if location is None:
            effect = _refusal(200, headers, _PORTAL)
        else:
            effect = _refusal(302, {**headers, "Location": location}, "")
        return self._order("captive_portal", effect, self._scope(on), every, times)

    def withdraw(self, *transports: Transport) -> Fault:
        """Answer 404, as a server does that does not offer these transports; of sessions that are up, polls too."""
        return self._order("withdraw", _refusal(404, {}, "404: Not Found"), self._scope(transports), 1, None)

    def swallow(
        self, *, on: On = "websocket", openings_only: bool = False, every: int = 1, times: int | None = None
    ) -> Fault:
        """Take requests and never answer, until the client goes or the fault is lifted, which cuts it off."""
        scope = self._scope(on, openings_only=openings_only)
        return self._order("swallow", Swallow(), scope, every, times)

    def delay(
        self,
        seconds: Seconds,
        *,
        on: On = "all",
        openings_only: bool = False,
        every: int = 1,
        times: int | None = None,
    ) -> Fault:
        """Look at requests only after *seconds*, so that their answers come that much later.

        What is sent on a WebSocket or an event stream that is up is not delayed.
        """
        scope = self._scope(on, openings_only=openings_only)
        return self._order("delay", Delay(_seconds(seconds, "seconds")), scope, every, times)

    # On lines that are up --------------------------------------------------------------------------------------------

    def silence(self, after: Seconds = 0.0, *, on: On = "websocket", every: int = 1, times: int | None = None) -> Fault:
        """Send nothing any more, not even a welcome, a pong or a goodbye, on lines that stay open.

        What clients send is still carried out. Lines that are up fall silent *after* seconds from now, others from
        when they come up. Lifted, it cuts the lines that have fallen silent: what they have missed is gone. A line on
        which the gateway waits to say goodbye is cut after some seconds.
        """
        scope = self._scope(on, lines=True)
        return self._order("silence", Silence(_seconds(after, "after")), scope, every, times)

    def cut(
        self,
        *,
        after: Seconds | None = None,
        after_bytes: int | None = None,
        on: On = "websocket",
        every: int = 1,
        times: int | None = None,
    ) -> Fault:
        """Cut lines without a word, where they are; in the middle of a frame, where the bytes end there.

        Lines that are up count from now, others from when they come up.

        Args:
            after: Seconds. 0 cuts those that are up at once, and others as they come up.
            after_bytes: Bytes sent: frames with their headers, before any compression; on an event stream, text.
            on: ``"websocket"``, ``"events"``, or both; for polls see :meth:`drop_polls`.
            every: Strike each so-many-th line.
            times: Strike so many lines at most.
        """
        if after is None and after_bytes is None:
            msg = "cut() was given neither after= nor after_bytes=: give one of them, or both"
            raise UsageError(msg)
        if after_bytes is not None and after_bytes < 0:
            msg = f"after_bytes={after_bytes} is negative: give 0 or more"
            raise UsageError(msg)
        effect = Cut(None if after is None else _seconds(after, "after"), after_bytes)
        return self._order("cut", effect, self._scope(on, lines=True), every, times)

    # On polls --------------------------------------------------------------------------------------------------------

    def drop_polls(self, every: int = 3, *, moment: Moment = "taken", times: int | None = None) -> Fault:
        """Cut the line of each so-many-th poll of sessions that are up.

        Args:
            every: 3 for each third.
            moment: ``"arrived"``: before its commands are taken, so that nothing was done. ``"taken"``: once they are
                taken, and before anything is put into its answer, so that messages wait for the next poll.
                ``"answered"``: once its answer is on its way, so that the messages in it are lost.
            times: Strike so often at most.
        """
        if moment not in get_args(Moment):
            msg = f"moment={moment!r} is none: give one of {', '.join(map(repr, get_args(Moment)))}"
            raise UsageError(msg)
        return self._order("drop_polls", LosePoll(moment), self._polls(), every, times)

    def answer_late(self, every: int = 1, *, times: int | None = None) -> Fault:
        """Answer each so-many-th poll only once its client has given up: its commands are taken, its messages lost.

        Counted when the client has gone. Lifted, it cuts those that still wait.
        """
        return self._order("answer_late", AnswerLate(), self._polls(), every, times)

    # -----------------------------------------------------------------------------------------------------------------

    def _order(
        self,
        name: str,
        effect: RequestEffect | LineEffect,
        scope: frozenset[Asked],
        every: int,
        times: int | None,
    ) -> Fault:
        for what, number in (("every", every), ("times", times)):
            if number is not None and number < 1:
                msg = f"{what}={number} strikes nobody: give 1 or more"
                raise UsageError(msg)
        order = Order(name, effect, scope, Cadence(every, times))
        self._book.add(order)
        return Fault(order, self._book)

    def _polls(self) -> frozenset[Asked]:
        return self._scope("polling") - {Asked.OPENING}

    def _scope(self, on: On, *, openings_only: bool = False, lines: bool = False) -> frozenset[Asked]:
        scope = frozenset[Asked]()
        for transport in self._transports(on, lines=lines):
            scope |= _ASKED[transport]
        return scope - {Asked.POLL} if openings_only else scope

    def _transports(self, on: On, *, lines: bool) -> list[str]:
        served = [name for name in _ASKED if name not in _SWITCHES or getattr(self._options, _SWITCHES[name])]
        if on == "all":
            return [name for name in served if not (lines and name == "polling")]
        named = [on] if isinstance(on, str) else list(on)
        if not named:
            msg = f"no transport is named: give some of {', '.join(map(repr, _ASKED))}"
            raise UsageError(msg)
        for name in named:
            if name not in _ASKED:
                msg = f"{name!r} is no transport: give some of {', '.join(map(repr, _ASKED))}, or 'all'"
                raise UsageError(msg)
            if name not in served:
                switch = _SWITCHES[name]
                msg = f"this gateway does not serve {name!r}, so no fault can strike it: set {switch}=True (--{switch})"
                raise UsageError(msg)
            if lines and name == "polling":
                msg = "long polling has no line that stays up: see drop_polls(), answer_late(), swallow()"
                raise UsageError(msg)
        return [str(name) for name in named]


def _seconds(value: Seconds, name: str) -> float:
    try:
        return to_seconds(value, name)
    except (TypeError, ValueError, OverflowError):
        msg = f"{name}={value!r} is not a duration: give seconds, 0 or more"
        raise UsageError(msg) from None


def _refusal(status: int, headers: Mapping[str, str], body: str | bytes) -> Refuse:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or any(char in value for char in "\r\n\0"):
            msg = f"the header {name!r} cannot be sent: its name or its value holds a character that none may"
            raise UsageError(msg)
    if isinstance(body, str):
        body = body.encode()
        if not any(name.lower() == "content-type" for name in headers):
            headers = {**headers, "Content-Type": "text/plain; charset=utf-8"}
    return Refuse(status, tuple(headers.items()), body)
