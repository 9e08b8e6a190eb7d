"""Commands on their way out: encoded at once, sent in the order of the calls, once their subscription is live."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import define

from cableway.errors import CableError, InvalidPayload, MessageTooLarge, NotConnected
from cableway.states import State, SubscriptionState
from cableway.wire.codecs.json import JSONCodec, dump_text
from cableway.wire.commands import Perform
from cableway.wire.dialects.base import BaseDialect

if TYPE_CHECKING:
    from cableway.engine.carrier import Carrier
    from cableway.engine.core import Engine
    from cableway.hub.wish import Handle
    from cableway.types import JSONValue

NOT_OPEN = "open it first: async with cable, or await cable.open()"

_CODEC = JSONCodec()
_DIALECT = BaseDialect()


def encode_command(action: str | None, data: Mapping[str, JSONValue] | None, more: Mapping[str, JSONValue]) -> str:
    """Write the ``data`` of a message command as JSON text.

    Raises:
        InvalidPayload: The action is no name, or the data is no JSON object, or says something twice.
    """
    if action is not None and (not isinstance(action, str) or not action.strip()):
        msg = f"action={action!r} is not the name of an action: give a non-empty string"
        raise InvalidPayload(msg)
    if data is not None and not isinstance(data, Mapping):
        msg = f"the data of a command is a JSON object, not {type(data).__name__}: give a dict or keywords"
        raise InvalidPayload(msg)
    given = dict(data or {})
    twice = sorted(given.keys() & more.keys(), key=str)
    if twice:
        msg = f"{twice[0]!r} is given twice, in the mapping and as a keyword"
        raise InvalidPayload(msg)
    whole = {**given, **more}
    if action is not None and "action" in whole:
        msg = "data must not hold the key 'action': the action's name is the first argument"
        raise InvalidPayload(msg)
    for key in whole:
        if not isinstance(key, str):
            msg = f"the key {key!r} is not a string: JSON objects have only string keys"
            raise InvalidPayload(msg)
    return _text(whole if action is None else {**whole, "action": action})


def _text(whole: dict[str, JSONValue]) -> str:
    try:
        text = dump_text(whole)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"the data cannot be written as JSON ({error}): use strings, numbers, booleans, None, lists and dicts"
        raise InvalidPayload(msg) from error
    return text


@define(eq=False)
class _Call:
    number: int
    data: str
    turn: asyncio.Future[Carrier]


class Outgoing:
    """The commands of one handle that wait for its confirmation."""

    def __init__(self, engine: Engine, handle: Handle) -> None:
        self._engine = engine
        self._handle = handle
        self._waiting: deque[_Call] = deque()

    @property
    def live(self) -> bool:
        """Whether its commands can go."""
        return self._handle.state is SubscriptionState.SUBSCRIBED

    def check(self, data: str) -> None:
        """Make sure that the line can carry *data*; while there is none, that one that may come can.

        Raises:
            NotSupported: It only listens.
            MessageTooLarge: It is over the limit.
        """
        self._engine.dials.check_sends("perform")
        self._check_size(data)

    async def send(self, data: str) -> None:
        """Write a message command as soon as the subscription is live; see ``Subscription.perform``."""
        self.check(data)
        self._check_line()
        overseer = self._engine.overseer
        if not overseer.wakeable:
            await self._hand_over(data)
            return
        # Held until the network has it: a line that nobody needs any more would be let go under it.
        overseer.demand("a command", hold=True)
        try:
            await self._hand_over(data, wakes=True)
        finally:
            overseer.release()

    async def _hand_over(self, data: str, *, wakes: bool = False) -> None:
        if self.live and not self._waiting:
            carrier = self._write(data)
        elif not wakes:
            carrier = await self._wait(data)
        else:
            carrier = await self._wake(data)
        await carrier.drain(self._engine.settings.write_timeout)

    async def _wake(self, data: str) -> Carrier:
        engine = self._engine
        timeout = engine.settings.open_timeout
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                with engine.waiting.allow(limit):
                    return await self._wait(data)
        except TimeoutError as error:
            # What the server did not answer in time is a TimeoutError, too.
            if not limit.expired() or isinstance(error, CableError):
                raise
            what = "the subscription was not confirmed" if engine.line.state is State.CONNECTED else None
            raise engine.opening.too_late(timeout or 0.0, what) from engine.line.error

    def advance(self, over: CableError | None) -> None:
        """Something changed: have what can go now sent, or fail what cannot go any more; *over* ended the handle."""
        if not self._waiting:
            return
        if self.live:
            self._engine.ready.append(self)
        elif over is not None:
            self.fail(over)
        else:
            try:
                self._check_line()
            except CableError as error:
                self.fail(error)

    def fail(self, error: Exception) -> None:
        """Have every waiting call raise *error*."""
        for call in self._take():
            call.turn.set_exception(error)

    async def _wait(self, data: str) -> Carrier:
        call = _Call(next(self._engine.calls), data, self._engine.home.loop.create_future())
        self._waiting.append(call)
        try:
            return await call.turn
        finally:
            if call in self._waiting:
                self._waiting.remove(call)

    def _take(self) -> list[_Call]:
        # A cancelled call must not be sent.
        calls = [call for call in self._waiting if not call.turn.done()]
        self._waiting.clear()
        return calls

    def _check_line(self) -> None:
        state = self._engine.line.state
        if state is State.CLOSED:
            raise self._engine.closed_error
        if state in (State.CONNECTED, State.CONNECTING):
            return
        if state is State.IDLE or not self._engine.overseer.wakeable:
            raise NotConnected(state.value, f"nothing was sent; {self._why(state)}")

    def _why(self, state: State) -> str:
        if state is State.DORMANT:
            held_back = self._engine.overseer.held_back
            return held_back.strip(" ()") or "call cable.wake(), or use it inside of cable.awake()"
        last = self._engine.line.error
        return NOT_OPEN if last is None else f"it is down because: {last}"

    def _check_size(self, data: str) -> None:
        limit = self._engine.dials.command_limit
        # Escaping makes each character six bytes at worst: most commands need not be written out to be measured.
        identifier = self._handle.wish.identifier or ""
        if limit is None or (len(data) + len(identifier)) * 6 + 100 <= limit:
            return
        size = len(_CODEC.encode(_DIALECT.compose(Perform(identifier, data))))
        if size > limit:
            raise MessageTooLarge(size, limit)

    def _write(self, data: str) -> Carrier:
        carrier, wish = self._engine.up, self._handle.wish
        carrier.last_command = wish.last_command = self._engine.home.now()
        carrier.send(Perform(wish.identifier or "", data))
        return carrier


def send_waiting(ready: list[Outgoing]) -> None:
    """Send the calls that wait for handles that are live by now, in the order in which they were made."""
    live = [outgoing for outgoing in ready if outgoing.live]
    calls = [(call, outgoing) for outgoing in live for call in outgoing._take()]  # noqa: SLF001 - of this module
    for call, outgoing in sorted(calls, key=lambda pair: pair[0].number):
        try:
            # By now it is known which transport carries the line.
            outgoing.check(call.data)
        except CableError as error:
            call.turn.set_exception(error)
        else:
            call.turn.set_result(outgoing._write(call.data))  # noqa: SLF001 - of this module
