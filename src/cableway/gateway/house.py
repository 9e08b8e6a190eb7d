"""What all sessions of a gateway share."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import string
import time
from typing import TYPE_CHECKING, Protocol

from cableway.gateway.admission import Admission, spread
from cableway.gateway.attendance import Attendance
from cableway.gateway.broker import MemoryBroker
from cableway.gateway.cache import SessionCache
from cableway.gateway.entrance import Entrance
from cableway.gateway.identity import TokenRule, token_rule
from cableway.gateway.streams import broadcast_value
from cableway.wire.dialects.extended_server import presence_change
from cableway.wire.expulsions import Expulsion, server_restart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.gateway.channel import Channel
    from cableway.gateway.connection import Connection
    from cableway.gateway.options import GatewayOptions
    from cableway.gateway.policy import PolicyDocument
    from cableway.gateway.stats import Counters
    from cableway.gateway.streams import Broadcast, Streams
    from cableway.wire.positions import Member

EPOCH_ALPHABET = string.ascii_letters + string.digits
EPOCH_LENGTH = 4
"""As long as AnyCable's."""


class Guest(Protocol):
    """A session, as its house sees it."""

    identifiers: str

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are confirmed."""
        ...

    def expel(self, expulsion: Expulsion) -> None:
        """End it, with a word."""

    def drop(self) -> None:
        """End it, without one."""


class House:
    """What all sessions of a gateway share, from one start of it to the next."""

    def __init__(
        self,
        options: GatewayOptions,
        *,
        connection: type[Connection],
        channels: Mapping[str, type[Channel]],
        streams: Streams,
        counters: Counters,
    ) -> None:
        self.options = options
        self.connection = connection
        self.channels = channels
        self.streams = streams
        self.counters = counters
        self.sessions: dict[Guest, None] = {}
        self.entrance: Entrance = Entrance(Admission(options.accept_rate, options.accept_wait), counters)
        self.token_rule: TokenRule = token_rule(options)
        self.policy: PolicyDocument | None = None
        self.farewell: Expulsion | None = None
        """What is said to who enters now, once the gateway stops."""
        self.closers: list[Callable[[], None]] = []
        """What is called first of all when it does."""
        self.broker: MemoryBroker | None = None
        """Keeps what was published; ``None``: nobody does."""
        if options.has_broker:
            epoch = "".join(secrets.choice(EPOCH_ALPHABET) for _ in range(EPOCH_LENGTH))
            self.broker = MemoryBroker(epoch, limit=options.history_limit, life=options.history_ttl)
        self.cache: SessionCache = SessionCache(options.sessions_ttl if self.broker is not None else 0)
        self.attendance: Attendance = Attendance(options.presence_ttl)
        self._empty = asyncio.Event()
        self._empty.set()
        self._alarm: asyncio.TimerHandle | None = None

    def enter(self, session: Guest) -> None:
        """Take *session* in."""
        self.sessions[session] = None
        self._empty.clear()
        if self.farewell is not None:
            session.expel(self.farewell)

    def leave(self, session: Guest) -> None:
        """Let *session* go."""
        self.sessions.pop(session, None)
        if not self.sessions:
            self._empty.set()

    def open(self) -> None:
        """Begin to look, each second, for what has grown too old."""
        self._alarm = asyncio.get_running_loop().call_later(1.0, self._each_second)

    def close(self) -> Expulsion:
        """Let nobody in any more; return how to say goodbye: with the time that all should take to come back."""
        crowd = len(self.sessions) + self.entrance.waiting
        self.farewell = self.farewell or server_restart(spread(crowd, self.options.accept_rate))
        for closer in self.closers:
            closer()
        self.entrance.close()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        return self.farewell

    async def publish(self, stream: str, broadcast: Broadcast) -> None:
        """Give *broadcast* to all who listen to *stream*, and keep it for those who will ask."""
        self.counters["broadcasts"] += 1
        self.deliver(stream, broadcast)
        # Let the writers write: who publishes in a loop must not make good readers look slow.
        await asyncio.sleep(0)

    def deliver(self, stream: str, broadcast: Broadcast) -> None:
        """Do the same without a turn of the loop."""
        if self.broker is not None and not broadcast.transient:
            broadcast.place(stream, self.broker.add(stream, broadcast.text, time.time()))
        self.streams.publish(stream, broadcast)

    def tell_presence(self, stream: str, kind: str, member: Member) -> None:
        """Tell all who listen to *stream* that somebody came or went."""
        self.deliver(stream, broadcast_value(presence_change(kind, member), kind="presence", transient=True))

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait until all sessions are gone, or *timeout* seconds are over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), timeout)

    def _each_second(self) -> None:
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(1.0, self._each_second)
        if self.broker is not None:
            self.broker.expire(time.time())
        self.cache.expire(loop.time())
        for stream, member in self.attendance.expire(loop.time()):
            self.tell_presence(stream, "leave", member)
