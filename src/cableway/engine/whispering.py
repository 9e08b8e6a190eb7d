"""Whispers on their way out: checked at once, at most so many a second, and never kept for a line to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from cableway.errors import InvalidPayload, MessageTooLarge, NotConnected, NotSupported, SubscriptionClosed
from cableway.hub.throttle import Throttle
from cableway.states import State, SubscriptionState
from cableway.wire.codecs.json import dump_text
from cableway.wire.commands import Whisper
from cableway.wire.payloads import check_json

if TYPE_CHECKING:
    import asyncio

    from cableway.engine.core import Engine
    from cableway.errors import CableError
    from cableway.hub.wish import Handle
    from cableway.types import JSONValue

FRAME = 100
"""Bytes of a command beside its identifier and its data, at most."""


@define(eq=False)
class _Call:
    data: JSONValue
    turn: asyncio.Future[bool]
    """``True``: it is its turn; ``False``: a newer one took its place."""


class Whispering:
    """The whispers of one handle."""

    def __init__(self, engine: Engine, handle: Handle) -> None:
        self._engine = engine
        self._handle = handle
        self._throttle: Throttle[_Call] = Throttle(handle.options.whisper_every)
        self._held: _Call | None = None

    @property
    def replaced(self) -> int:
        """Whispers that a newer one took the place of."""
        return self._throttle.replaced

    def check(self, data: JSONValue) -> JSONValue:
        """Check that *data* can be whispered now; return a copy of it."""
        copy = self._checked(data)
        _ = self._engine.enter()
        self._check_line()
        return copy

    async def send(self, data: JSONValue) -> None:
        """Whisper *data*; see ``Subscription.whisper``."""
        call = _Call(self.check(data), self._engine.home.loop.create_future())
        passes, old = self._throttle.offer(call, self._engine.home.now())
        if old is not None and not old.turn.done():
            old.turn.set_result(False)
        if passes is None and not await self._turn(call):
            return
        self._check_line()
        carrier = self._engine.up
        carrier.send(Whisper(self._handle.wish.identifier or "", call.data))
        await carrier.drain(self._engine.settings.write_timeout)

    def advance(self, over: CableError | None) -> None:
        """The line or the handle changed: what is held and cannot go any more has failed."""
        call = self._held
        if call is None or call.turn.done():
            return
        if over is not None or self._handle.state is not SubscriptionState.SUBSCRIBED:
            call.turn.set_exception(over or self._down())

    async def _turn(self, call: _Call) -> bool:
        self._held = call
        due = self._throttle.deadline or 0.0
        timer = self._engine.home.loop.call_at(due, self._let_go, due)
        try:
            return await call.turn
        finally:
            timer.cancel()
            self._throttle.withdraw(call)
            if self._held is call:
                self._held = None

    def _let_go(self, due: float) -> None:
        # Taken here, not by who waits: by the time that one runs, a newer one might stand in its place.
        call = self._throttle.due(max(due, self._engine.home.now()))
        if call is not None and not call.turn.done():
            call.turn.set_result(True)

    def _checked(self, data: JSONValue) -> JSONValue:
        if data is None:
            msg = "a whisper of None arrives as the text 'null' with AnyCable: whisper a value, such as a dict"
            raise InvalidPayload(msg)
        check_json(data, "the whisper")
        text = dump_text(data)
        limit = self._engine.dials.command_limit
        size = len(text.encode()) + len(dump_text(self._handle.wish.identifier or "").encode()) + FRAME
        if limit is not None and size > limit:
            raise MessageTooLarge(size, limit)
        # A copy: who changes theirs while this waits changes nothing that was checked.
        return _copy(data)

    def _check_line(self) -> None:
        handle = self._handle
        if handle not in handle.wish.handles and handle.state is SubscriptionState.CLOSED:
            raise SubscriptionClosed(handle.wish.label)
        if self._engine.line.state is not State.CONNECTED:
            raise self._down()
        check_extended(self._engine, "a whisper")
        if handle.state is not SubscriptionState.SUBSCRIBED:
            raise self._down()

    def _down(self) -> NotConnected:
        state = self._engine.line.state
        if state is State.CONNECTED:
            return NotConnected(state.value, "but the subscription is not confirmed; a whisper is not kept for later")
        return NotConnected(state.value, "a whisper is not kept for a line to come")


def check_extended(engine: Engine, what: str, hint: str = "") -> None:
    """Raise ``NotSupported`` if a line is up that does not speak the extended protocol, or that cannot send at all."""
    engine.dials.check_sends(what)
    historian = engine.hub.historian
    if engine.line.state is State.CONNECTED and not historian.extended:
        raise NotSupported(what, historian.protocol, hint)


def _copy(value: JSONValue) -> JSONValue:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list | tuple) else value
