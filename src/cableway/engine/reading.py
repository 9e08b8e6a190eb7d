"""Hands the messages of one handle to whoever reads them, one at a time and without losing one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cableway.engine.figures import lag_of
from cableway.wire.positions import Position

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.engine.core import Engine
    from cableway.hub.wish import Handle
    from cableway.types import JSONValue
    from cableway.wire.message import Message

T = TypeVar("T")

TURN = 0.001
"""Seconds after which a consumer that finds message after message gives the loop a turn."""


class Reading(Generic[T]):
    """What is read of one handle."""

    def __init__(self, engine: Engine, handle: Handle, decode: Callable[[JSONValue], T] | None) -> None:
        self.lag: float | None = None
        """Seconds that the message read last was on its way."""
        self.waiters: set[asyncio.Future[None]] = set()
        """Those who found nothing to read."""
        self._engine = engine
        self._handle = handle
        self._mailbox = handle.mailbox
        self._decode = decode
        self._turn_began = 0.0
        self._plain = decode is None and handle.options.published_at is None and handle.options.commit == "receipt"
        handle.mailbox.on_ready = self._ready

    @property
    def costly(self) -> bool:
        """Whether a message may fail to be read."""
        return self._decode is not None

    @property
    def held(self) -> bool:
        """Whether there is more, which is not to be read yet."""
        return self._mailbox.barred

    def next(self) -> Message[T] | None:
        """Return the next message, ``None`` if none is there."""
        try:
            message = self._mailbox.pop()
        except IndexError:
            return None
        return message if self._plain else self._finished(message)

    async def breathe(self) -> None:
        """Give the loop a turn, if it is time for one."""
        if self._mailbox.holds_slice:
            return
        now = self._engine.home.now()
        if now - self._turn_began > TURN:
            await asyncio.sleep(0)
            self._turn_began = self._engine.home.now()

    def rested(self) -> None:
        """The reader has waited."""
        self._turn_began = self._engine.home.now()

    def _finished(self, message: Message[Any]) -> Message[T]:
        options = self._handle.options
        if options.published_at is not None:
            self.lag = lag_of(message, options.published_at)
        if self._decode is not None:
            message = message.with_data(self._decode(message.data))
        if options.commit == "ack":
            message.on_ack = partial(self._acknowledge, message)
            if message.stream is not None and message.epoch is not None and message.offset is not None:
                self._handle.acks.delivered(message.stream, Position(message.epoch, message.offset))
        return message

    def _acknowledge(self, message: Message[Any]) -> None:
        if message.stream is not None and message.epoch is not None and message.offset is not None:
            position = Position(message.epoch, message.offset)
            self._engine.hub.places.acknowledge(self._handle, message.stream, position)

    def _ready(self) -> None:
        # Each message may wake a reader; those that find nothing wait again.
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
