"""Commands on their way out: encoded at once, sent in the order of the calls, once their subscription is live."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cableway.errors import InvalidPayload, MessageTooLarge, NotConnected
from cableway.states import State, SubscriptionState
from cableway.wire.codecs.json import JSONCodec, dump_text
from cableway.wire.commands import Perform
from cableway.wire.dialects.base import BaseDialect

if TYPE_CHECKING:
    import asyncio

    from cableway.engine.core import Engine
    from cableway.hub.wish import Handle
    from cableway.types import JSONValue

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


class Outgoing:
    """The commands of one handle that wait for its confirmation."""

    def __init__(self, engine: Engine, handle: Handle) -> None:
        self._engine = engine
        self._handle = handle
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    async def send(self, data: str) -> None:
        """Write a message command as soon as the subscription is live; see ``Subscription.perform``."""
        self._check_size(data)
        self._check_line()
        if self._handle.state is SubscriptionState.SUBSCRIBED and not self._waiting:
            self._write(data)
        else:
            turn = self._engine.home.loop.create_future()
            entry = (data, turn)
            self._waiting.append(entry)
            try:
                await turn
            finally:
                if entry in self._waiting:
                    self._waiting.remove(entry)
        await self._engine.drain()

    def advance(self) -> None:
        """Something changed: send what can go now, or fail what cannot go any more."""
        if self._handle.state is SubscriptionState.SUBSCRIBED:
            while self._waiting:
                data, turn = self._waiting.popleft()
                # A cancelled call must not be sent.
                if not turn.done():
                    self._write(data)
                    turn.set_result(None)
        elif self._handle.state is not SubscriptionState.PENDING:
            self.fail(self._handle.error or self._engine.closed_error())
        else:
            self._fail_if_down()

    def fail(self, error: Exception) -> None:
        """Have every waiting call raise *error*."""
        while self._waiting:
            _, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(error)

    def _fail_if_down(self) -> None:
        if self._waiting:
            try:
                self._check_line()
            except NotConnected as error:
                self.fail(error)

    def _check_line(self) -> None:
        state = self._engine.line.state
        if state not in (State.CONNECTED, State.CONNECTING):
            last = self._engine.line.error
            hint = f"nothing was sent; it is down because: {last}" if last is not None else "nothing was sent"
            raise NotConnected(state.value, hint)

    def _check_size(self, data: str) -> None:
        limit = self._engine.settings.max_command_size
        # Escaping makes each character six bytes at worst: most commands need not be written out to be measured.
        identifier = self._handle.wish.identifier or ""
        if limit is None or (len(data) + len(identifier)) * 6 + 100 <= limit:
            return
        size = len(_CODEC.encode(_DIALECT.compose(Perform(identifier, data))))
        if size > limit:
            raise MessageTooLarge(size, limit)

    def _write(self, data: str) -> None:
        self._engine.write(self._handle.wish, data)
