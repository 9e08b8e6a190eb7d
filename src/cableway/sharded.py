"""One client for several servers: each topic has its own, and a server can be drained while messages flow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from cableway.channel import instance_of
from cableway.errors import UsageError
from cableway.events import Closed, Event, ShardEvent
from cableway.hub.options import DEFAULT_OPTIONS, SubscriptionOptions
from cableway.sharding.fleet import Fleet, no_line
from cableway.sharding.legs import Legs
from cableway.sharding.moves import Moves, Pace
from cableway.sharding.naming import Topics, checked_topic
from cableway.sharding.options import CableOptions
from cableway.sharding.subscription import ShardedSubscription
from cableway.telemetry.feed import EventFeed
from cableway.types import to_limit, to_seconds
from cableway.wire.identifiers import (
    PUBSUB_CHANNEL,
    canonical_identifier,
    merge_params,
    raw_identifier,
    signed_channel,
    signed_stream_identifier,
    stream_identifier,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from cableway.cable import Cable
    from cableway.channel import Channel
    from cableway.policies.topics import TopicRouter
    from cableway.sharding.shard import Address, Shard
    from cableway.states import State
    from cableway.subscription import Subscription
    from cableway.telemetry.feed import EventStream
    from cableway.types import JSONValue, MaybeAwaitable, Seconds

T = TypeVar("T")
E = TypeVar("E", bound=Event)


class ShardedCable:
    """Lines to several servers, and subscriptions that are spread over them by topic.

    Each shard has a :class:`~cableway.Cable` of its own. Its line is opened for its first subscription: a shard that
    carries nothing costs nothing. A subscription that moves to another shard keeps its handle and loses no message.

    Example::

        async with ShardedCable({"a": "wss://a.example.com/cable", "b": "wss://b.example.com/cable"}) as cable:
            async with cable.subscribe("MatchChannel", id=7) as match:
                async for message in match:
                    print(message.data)

    Args:
        shards: The address of each shard by its name: what ``Cable`` takes as ``url``. All clients must use the same
            names, since the names decide about the topics.
        router: Who carries what, for pins and shares of other sizes; it must know the same shards. By default all have
            the same share.
        topic: Gives the topic of a subscription from the channel's name and parameters; ``None``, or an empty string,
            stands for the identifier, which is the topic by default. For streams the channel is ``$pubsub``.
        overlap: How long both shards deliver to a subscription that moves, in seconds or as a timedelta: longer than
            a message may be slower by one shard than by the other.
        move_timeout: Longest wait for a new shard's confirmation before a move is tried again later.
        open_timeout: Longest wait of :meth:`open`, and of a command that wakes a dormant line; ``None`` for ever. A
            line that is opened later, for a subscription, is dialled for ever.
        options: Keywords of ``Cable``, the same for all shards. Of ``monitor`` each cable needs its own: give a
            function without parameters that makes one, such as ``monitor=lambda: PersistentMonitor()``.

    Raises:
        UsageError: No shard is given, the router knows others, or an option does not fit.
        InvalidURL: An address cannot be dialled.
    """

    def __init__(
        self,
        shards: Mapping[str, Address],
        *,
        router: TopicRouter | None = None,
        topic: Callable[[str, Mapping[str, JSONValue]], str | None] | None = None,
        overlap: Seconds = 1.0,
        move_timeout: Seconds = 10.0,
        open_timeout: Seconds | None = 30.0,
        **options: Any,
    ) -> None:
        self._topics = Topics(topic)
        self._open_timeout = to_limit(open_timeout, "open_timeout")
        self._feed = EventFeed("the sharded cable")
        self._fleet = Fleet(shards, router, CableOptions(options, self._open_timeout), self._feed, self._ended)
        pace = Pace(to_seconds(move_timeout, "move_timeout"), to_seconds(overlap, "overlap"))
        self._moves = Moves(self._fleet.place, pace)
        self._everybody: dict[Legs[Any], ShardedSubscription[Any]] = {}

    # The lines

    @property
    def router(self) -> TopicRouter:
        """Who carries what. After changing it, call :meth:`rebalance`."""
        return self._fleet.router

    @property
    def states(self) -> dict[str, State]:
        """Where the cable of each shard stands."""
        return {name: shard.cable.state for name, shard in self._fleet.shards.items()}

    @property
    def cables(self) -> dict[str, Cable]:
        """The cable of each shard, to look at it or to configure it. Subscribe by the sharded cable only."""
        return {name: shard.cable for name, shard in self._fleet.shards.items()}

    async def open(self) -> Self:
        """Bring up the lines of the shards that have subscriptions, and return the sharded cable.

        Without a subscription it returns at once, and has dialled nobody. Called again, it dials shards anew that have
        ended for good. Raised or cancelled, it leaves no line, unless it was open before.

        Raises:
            ConnectTimeout: A line did not come up within ``open_timeout``.
            CableError: A shard ended with this final failure.
        """
        was_open = self._fleet.is_open
        wanted = self._fleet.launch()
        clock = asyncio.timeout(self._open_timeout)
        self._moves.begin(self._everybody)
        try:
            async with clock:
                await asyncio.gather(*(shard.cable.open() for shard in wanted))
        except BaseException as error:
            late = no_line(wanted, self._open_timeout) if clock.expired() else None
            if not was_open:
                await self.close(flush=False)
            if late is not None and isinstance(error, TimeoutError):
                raise late from late.last
            raise
        return self

    async def close(self, flush: bool = True, timeout: Seconds = 5.0) -> None:  # noqa: FBT001, FBT002 - as Cable.close
        """Finish well on all shards, side by side; see ``Cable.close``.

        Subscriptions that were not unsubscribed are wished for again when it is opened anew.
        """
        limit = to_seconds(timeout, "timeout")
        was_open = self._fleet.is_open
        try:
            await self._moves.stop_all()
        finally:
            await self._fleet.close(flush=flush, timeout=limit)
        for subscription in self._everybody.values():
            subscription.end()
        if was_open:
            self._feed.emit(Closed(None), last=True)
        await self._feed.settle(limit)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # What happens to it

    def events(self) -> EventStream[Event]:
        """Return an iterator over what happens to all shards from now on, merged; it ends when this is closed.

        What happens to the cable of a shard comes as a :class:`ShardEvent`, which names the shard; moves come as
        :class:`SubscriptionMoved` and :class:`MoveFailed`.
        """
        return self._feed.stream()

    def on(self, event_type: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call *callback* with each event of *event_type* of any shard; return a function that ends it.

        It is given the event itself, as by ``Cable.on``; ask for :class:`ShardEvent` to learn the shard with it.
        """
        if isinstance(event_type, type) and issubclass(event_type, ShardEvent):
            return self._feed.on(event_type, callback)
        # Registered for a moment to have both checked, with the same words as everywhere.
        self._feed.on(event_type, callback)()

        def unwrap(event: Event) -> object:
            inner: Any = event.event if isinstance(event, ShardEvent) else event
            return callback(inner) if isinstance(inner, event_type) else None

        unwrap.__qualname__ = getattr(callback, "__qualname__", type(callback).__name__)
        return self._feed.on(Event, unwrap)

    # Subscriptions

    @overload
    def subscribe(
        self,
        channel: Channel[T] | type[Channel[T]],
        params: Mapping[str, JSONValue] | None = None,
        /,
        *,
        topic: str | None = None,
        options: SubscriptionOptions = DEFAULT_OPTIONS,
        **more: JSONValue,
    ) -> ShardedSubscription[T]: ...
    @overload
    def subscribe(
        self,
        channel: str,
        params: Mapping[str, JSONValue] | None = None,
        /,
        *,
        topic: str | None = None,
        options: SubscriptionOptions = DEFAULT_OPTIONS,
        **more: JSONValue,
    ) -> ShardedSubscription[Any]: ...
    def subscribe(
        self,
        channel: str | Channel[Any] | type[Channel[Any]],
        params: Mapping[str, JSONValue] | None = None,
        /,
        *,
        topic: str | None = None,
        options: SubscriptionOptions = DEFAULT_OPTIONS,
        **more: JSONValue,
    ) -> ShardedSubscription[Any]:
        """Subscribe to *channel* on the shard of its topic, and return a handle at once.

        Args:
            channel: The channel's name on the server, or a :class:`~cableway.Channel` class or instance.
            params: Its parameters, with any key.
            topic: What decides about the shard, for this one; by default what the function given as ``topic`` says, or
                the identifier. A parameter that is called ``topic`` or ``options`` goes into *params*.
            options: What may be chosen, such as the size of the mailbox; it holds for each shard's part by itself.
            more: Its parameters, as keywords.

        Raises:
            InvalidIdentifier: The name is empty, or a parameter cannot be written as JSON or is given twice.
            UsageError: The topic is no string, or no shard is left that could carry it.
        """
        given = merge_params(params, more)
        if isinstance(channel, str):
            identifier = canonical_identifier(channel, given)
            return self._subscribe_raw(identifier, self._topics.of(topic, channel, given, identifier), options)
        instance = instance_of(channel, given)
        params = instance.params
        identifier = canonical_identifier(instance.name, params)
        chosen = self._topics.of(topic, instance.name, params, identifier)

        def make(cable: Cable) -> Subscription[Any]:
            return cable.subscribe(instance, options=options)

        return self._add(chosen, make, options)

    def subscribe_raw(
        self, identifier: str, *, topic: str | None = None, options: SubscriptionOptions = DEFAULT_OPTIONS
    ) -> ShardedSubscription[Any]:
        """Subscribe by the exact identifier string, which is the topic, too, unless another one is given."""
        raw = raw_identifier(identifier)
        return self._subscribe_raw(raw, checked_topic(topic) or raw, options)

    def stream(
        self, name: str, *, topic: str | None = None, options: SubscriptionOptions = DEFAULT_OPTIONS
    ) -> ShardedSubscription[Any]:
        """Subscribe to the public stream *name*; see ``Cable.stream``. Its topic is its name, unless told otherwise."""
        identifier = stream_identifier(name)
        chosen = self._topics.of(topic, PUBSUB_CHANNEL, {"stream_name": name}, name)
        return self._subscribe_raw(identifier, chosen, options)

    def signed_stream(
        self,
        name: str | Callable[[], MaybeAwaitable[str]],
        *,
        topic: str | None = None,
        kind: Literal["pubsub", "turbo", "cable_ready"] = "pubsub",
        options: SubscriptionOptions = DEFAULT_OPTIONS,
    ) -> ShardedSubscription[Any]:
        """Subscribe to a stream by its signed name; see ``Cable.signed_stream``.

        Raises:
            InvalidIdentifier: The name is empty, or the kind unknown.
            UsageError: A function gives the name, and no *topic* is given: it could be any.
        """
        channel, parameter = signed_channel(kind)
        if isinstance(name, str):
            identifier = signed_stream_identifier(name, kind)
            chosen = self._topics.of(topic, channel, {parameter: name}, identifier)
            return self._subscribe_raw(identifier, chosen, options)
        given = checked_topic(topic)
        if not given:
            msg = "a function that gives the signed name leaves the topic open: give topic= as well"
            raise UsageError(msg)
        return self._add(given, lambda cable: cable.signed_stream(name, kind=kind, options=options), options)

    # Moving

    async def drain(self, shard: str, *, timeout: Seconds | None = 30.0) -> None:
        """Take *shard* out of service: move what is on it to the others, then close its line and forget it.

        Each subscription is first confirmed by its new shard, then both deliver for ``overlap`` seconds, then the old
        shard is left. One whose new shard does not answer stays where it is, while there is a line, and tries again:
        :class:`MoveFailed` tells why. Cancelled, or after a TimeoutError, the moves go on in the background.

        Args:
            shard: Its name.
            timeout: Longest wait, in seconds or as a timedelta; ``None`` for ever.

        Raises:
            TimeoutError: Some subscriptions are still on it.
            UsageError: There is no such shard, or it is the last one that shares the topics. Nothing has changed.
        """
        limit = to_limit(timeout, "timeout")
        leaving = self._fleet.withdraw(shard)
        await self._move(leaving.legs.values(), limit)
        leaving.tidy()
        if leaving.closing is not None:
            await asyncio.wait([leaving.closing])

    async def add(
        self, shard: str, url: Address, *, replicas: int | None = None, timeout: Seconds | None = 30.0
    ) -> None:
        """Put one more shard into service, and move the topics to it that are its own from now on.

        A shard that is being drained is taken back by its name and address.

        Args:
            shard: Its name.
            url: Its address, as for the constructor.
            replicas: Its points on the ring; 0: it carries only what is pinned to it. See ``TopicRouter.add``.
            timeout: Longest wait for the moves, as for :meth:`drain`.

        Raises:
            TimeoutError: Some subscriptions have not moved yet; they go on trying.
            UsageError: There is such a shard already.
            InvalidURL: The address cannot be dialled.
            ValueError: The name is empty, or *replicas* is no number of points.
        """
        limit = to_limit(timeout, "timeout")
        joining = self._fleet.join(shard, url, replicas)
        await self._move(self._moves.bound_for(joining, self._everybody), limit)

    async def rebalance(self, *, timeout: Seconds | None = 30.0) -> None:
        """Move each subscription to where the router says: for after pins were changed.

        Raises:
            TimeoutError: Some subscriptions have not moved yet; they go on trying.
        """
        await self._move(self._everybody, to_limit(timeout, "timeout"))

    # Inside

    async def _move(self, whose: Iterable[Legs[Any]], limit: float | None) -> None:
        waited_for = list(whose)
        self._moves.begin(self._everybody)
        late = await self._moves.wait(waited_for, limit)
        if late:
            msg = (
                f"not everything has moved within {limit:g} s: subscriptions left over: {late}. They go on trying; "
                f"MoveFailed events tell why"
            )
            raise TimeoutError(msg)

    def _ended(self, shard: Shard) -> None:
        for legs in shard.legs.values():
            if legs.over and legs in self._everybody:
                self._everybody[legs].end()

    def _subscribe_raw(self, identifier: str, topic: str, options: SubscriptionOptions) -> ShardedSubscription[Any]:
        return self._add(topic, lambda cable: cable.subscribe_raw(identifier, options=options), options)

    def _add(
        self, topic: str, make: Callable[[Cable], Subscription[Any]], options: SubscriptionOptions
    ) -> ShardedSubscription[Any]:
        legs = Legs(topic, self._fleet.place(topic), make, options)
        self._everybody[legs] = subscription = ShardedSubscription(legs, self._feed, self._forget)
        return subscription

    def _forget(self, legs: Legs[Any]) -> None:
        self._everybody.pop(legs, None)
        self._moves.stop(legs)
