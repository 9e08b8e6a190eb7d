"""Who is present in a subscription, as a program sees it."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING

from cableway.engine.sending import NOT_OPEN
from cableway.engine.whispering import check_extended
from cableway.errors import CableError, InvalidPayload, NotConnected, NotSupported, PresenceFailed, PresenceTimeout
from cableway.hub.presence import WORDLESS
from cableway.states import State
from cableway.types import to_limit
from cableway.wire.payloads import check_json
from cableway.wire.positions import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cableway.hub.presence import PresenceBook
    from cableway.subscription import Subscription
    from cableway.types import JSONValue, Seconds

BASE = (
    "AnyCable lets presence lapse silently after presence_ttl (15 s) there, and Rails has none: leave protocol='auto', "
    "with an AnyCable server"
)


class Presence:
    """Who is present in one subscription, and whether we are. Reached by ``subscription.presence``.

    Presence belongs to the subscription on the server: several handles on one identifier share it, and the last join
    wins. It needs AnyCable's extended protocol. Who comes and goes is told by ``subscription.on(PresenceJoined, ...)``,
    ``PresenceLeft`` and ``PresenceSynced``.
    """

    def __init__(self, subscription: Subscription[Any]) -> None:
        self._subscription = subscription
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def members(self) -> Mapping[str, Member]:
        """The last known set, by id; true while :attr:`synced`. A copy, which does not change."""
        return MappingProxyType(dict(self._book.members))

    @property
    def synced(self) -> bool:
        """Whether :attr:`members` is what the server has.

        From the first :meth:`get` or :meth:`wait_for` on, it becomes so again by itself after each loss of the line.
        """
        return self._book.synced

    async def join(self, id: str, info: JSONValue = None) -> None:  # noqa: A002 - the protocol's word
        """Be present as *id*, with *info* for others to see.

        It is remembered, and said again on each new line; while the line is down, or not wanted by an on-demand
        monitor, this returns at once, and such a monitor is told that the line is wanted. Another id takes the place of
        the one before it. Joining again with another *info* brings it up to date, which others see on their next
        question only. Servers acknowledge no join. Cancelled, it is remembered all the same.

        Raises:
            InvalidPayload: *id* is no string, or *info* is not JSON that every server can read.
            NotSupported: The line's protocol keeps no presence.
            SubscriptionClosed: The subscription ended.
            CableError: The cable ended with this final failure.
        """
        member = _member(id, info)
        self._enter()
        engine = self._subscription._engine  # noqa: SLF001 - a part of it
        engine.hub.attendance.join(self._subscription._handle, member, engine.home.now())  # noqa: SLF001 - as above
        if engine.overseer.wakeable:
            engine.overseer.demand("a join")
        await self._settled()

    async def leave(self) -> None:
        """Be present no more. Without a join before it, or on a line without presence, it does nothing."""
        engine = self._subscription._engine  # noqa: SLF001 - a part of it
        engine.enter()
        engine.hub.attendance.leave(self._subscription._handle, engine.home.now())  # noqa: SLF001 - as above
        await self._settled()

    async def get(self, timeout: Seconds = 15.0) -> Mapping[str, Member]:
        """Ask the server who is there, and return it by id. Keeps the set true from then on.

        Waits for the line and the confirmation, too. Cancelling it has no effect but that.

        Raises:
            PresenceTimeout: The server did not answer, though asked twice, or not within *timeout* seconds.
            PresenceFailed: The server said that it cannot tell.
            NotSupported: The line's protocol keeps no presence.
            NotConnected: The cable is not open.
            SubscriptionClosed: The subscription ended.
            CableError: The cable ended with this final failure.
        """
        return MappingProxyType(dict((await self._ask(timeout, watch=True)).members))

    async def total(self, timeout: Seconds = 15.0) -> int:
        """Ask the server how many are there; otherwise as :meth:`get`, but it does not keep the set true."""
        return (await self._ask(timeout, watch=False)).total

    async def wait_for(self, who: str | Callable[[Member], bool], timeout: Seconds | None = None) -> Member:
        """Wait until somebody is present: by id, or for whom *who* holds. Keeps the set true from then on.

        Cancelling it has no effect but that.

        Raises:
            TimeoutError: Nobody like that was known to be there within *timeout* seconds; ``None`` waits for ever.
            CableError: As for :meth:`get`; a server that is silent is asked again instead.
        """
        match = who if callable(who) else lambda member: member.id == who
        limit = to_limit(timeout, "timeout")
        clock = asyncio.timeout(limit)
        try:
            async with clock:
                return await self._find(match)
        except TimeoutError as error:
            if isinstance(error, CableError) or not clock.expired():
                raise
            msg = f"nobody like that was present within {limit:g} s"
            raise TimeoutError(msg) from None

    def wake(self) -> None:
        """Something changed: have those who wait look again. Called by the subscription."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    # Inside

    @property
    def _book(self) -> PresenceBook:
        engine = self._subscription._engine  # noqa: SLF001 - a part of it
        return engine.hub.attendance.book(self._subscription._handle.wish, engine.home.now())  # noqa: SLF001 - as above

    def _enter(self) -> None:
        subscription = self._subscription
        subscription._engine.enter()  # noqa: SLF001 - a part of it
        self._check()

    def _check(self) -> None:
        subscription = self._subscription
        over = subscription._over()  # noqa: SLF001 - a part of it
        if over is not None:
            raise over
        engine = subscription._engine  # noqa: SLF001 - as above
        check_extended(engine, "presence", BASE)
        if engine.line.state is State.CONNECTED and engine.hub.attendance.lacks:
            what = "presence"
            raise NotSupported(what, engine.hub.historian.protocol, WORDLESS)

    async def _settled(self) -> None:
        self._subscription._engine.settle()  # noqa: SLF001 - a part of it
        await asyncio.sleep(0)

    async def _ask(self, timeout: Seconds, *, watch: bool) -> PresenceBook:
        limit = to_limit(timeout, "timeout") or 0.0
        clock = asyncio.timeout(limit)
        try:
            async with clock:
                return await self._answer(watch=watch)
        except TimeoutError as error:
            if isinstance(error, CableError) or not clock.expired():
                raise
            raise PresenceTimeout(self._subscription.identifier, limit) from None

    async def _answer(self, *, watch: bool) -> PresenceBook:
        engine, handle = self._subscription._engine, self._subscription._handle  # noqa: SLF001 - a part of it
        self._ready()
        number = self._book.ask(engine.home.now())
        self._book.watched = self._book.watched or watch
        engine.hub.attendance.hand_on(handle.wish)
        if engine.overseer.wakeable:
            engine.overseer.demand("a question for presence")
        engine.settle()
        while True:
            book = self._book
            if book.answered >= number:
                return book
            if book.failed >= number:
                identifier = self._subscription.identifier
                raise PresenceTimeout(identifier, 10.0) if book.silent else PresenceFailed(identifier)
            await self._change()
            self._ready()

    async def _find(self, match: Callable[[Member], bool]) -> Member:
        engine, handle = self._subscription._engine, self._subscription._handle  # noqa: SLF001 - a part of it
        self._ready()
        self._book.watch(engine.home.now())
        engine.hub.attendance.hand_on(handle.wish)
        if engine.overseer.wakeable:
            engine.overseer.demand("a wait for presence")
        engine.settle()
        while True:
            book = self._book
            found = next((member for member in book.members.values() if match(member)), None) if book.synced else None
            if found is not None:
                return found
            await self._change()
            self._ready()

    def _ready(self) -> None:
        self._enter()
        if self._subscription._engine.line.state is State.IDLE:  # noqa: SLF001 - a part of it
            raise NotConnected(State.IDLE.value, NOT_OPEN)

    async def _change(self) -> None:
        await self._subscription._change(self._waiters)  # noqa: SLF001 - a part of it


def _member(who: object, info: JSONValue) -> Member:
    if not isinstance(who, str):
        way_out = f": give str({who!r})" if isinstance(who, int) else ": give a string"
        msg = f"id={who!r} is not a string, and AnyCable stops reading a line that brings it one{way_out}"
        raise InvalidPayload(msg)
    check_json(who, "id")
    check_json(info, "info")
    return Member(who, info)
