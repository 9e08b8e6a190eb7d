"""The client a program holds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from cableway.auth.carriage import TokenCarriage, in_header
from cableway.auth.providers.given import as_provider
from cableway.auth.renewal import TokenRenewal
from cableway.channel import Channel, instance_of
from cableway.engine.core import Engine
from cableway.engine.dialing import Dialing
from cableway.engine.figures import figures
from cableway.engine.gate import DialGate, default_gate
from cableway.engine.settings import Settings, checked_backoff, checked_monitor
from cableway.events import Event
from cableway.hub.options import DEFAULT_OPTIONS, SubscriptionOptions
from cableway.policies.backoff import ExponentialBackoff
from cableway.policies.monitors.persistent import PersistentMonitor
from cableway.runtime import resolve
from cableway.states import State
from cableway.subscription import Subscription
from cableway.transports.chain import chain_of
from cableway.types import to_limit, to_seconds
from cableway.wire.identifiers import (
    canonical_identifier,
    merge_params,
    raw_identifier,
    signed_channel,
    signed_stream_identifier,
    stream_identifier,
)

if TYPE_CHECKING:
    import ssl as ssl_module
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from types import TracebackType

    from cableway.auth.providers.given import TokenSource
    from cableway.engine.settings import PolicyFeed
    from cableway.errors import CableError
    from cableway.policies.backoff import Backoff
    from cableway.policies.energy import RadioProfile
    from cableway.policies.monitors.base import Monitor
    from cableway.positions.base import PositionStore
    from cableway.stats import CableStats
    from cableway.telemetry.feed import EventStream
    from cableway.transports.base import Transport
    from cableway.transports.chain import Fallback
    from cableway.types import HeaderSource, Identifier, JSONValue, MaybeAwaitable, ParamSource, Seconds

T = TypeVar("T")
E = TypeVar("E", bound=Event)


class Cable:
    """A line to an Action Cable or AnyCable server that comes back by itself, and the subscriptions on it.

    Building one does no I/O. Open it with ``async with``, or with :meth:`open` and :meth:`close`. It lives in one event
    loop and one process; for threads and scripts there is :class:`cableway.sync.Cable`.

    Example::

        async with Cable("wss://example.com/cable") as cable:
            async with cable.subscribe("ChatChannel", room=42) as chat:
                await chat.perform("speak", text="hi")
                async for message in chat:
                    print(message.data)

    Args:
        url: Where to: ``ws``, ``wss``, ``http`` or ``https``; a list to take in turn; or a plain or async function that
            gives one, asked before each dial.
        shuffle: Whether to shuffle a list of addresses first: many clients do not all begin with one then.
        monitor: Who decides when the line should be up: a :class:`~cableway.PersistentMonitor` by default, an
            :class:`~cableway.OnDemandMonitor` for devices that live on a battery, a :class:`~cableway.ManualMonitor`,
            or your own. One object serves one cable.
        backoff: How long to wait between dials.
        transports: ``"auto"``: WebSocket, else long polling, else event streams; or a list, or a ``Fallback(...)``.
        protocol: ``"auto"`` speaks AnyCable's extended protocol with servers that have it and the base protocol with
            all others, Rails among them; or name the only one to speak, such as ``"actioncable-v1-ext-msgpack"``.
        headers: Request headers, such as cookies; or a plain or async function that gives them, asked before each
            dial. If it fails, or takes longer than ``dial_timeout``, that dial has failed and the next one asks again;
            only if it raises :class:`~cableway.Unauthorized` the cable is given up.
        params: Query parameters that are added to the address, in the same ways.
        origin: The ``Origin`` header. By default that of the address, because Rails refuses a line without one.
        ssl: An own context, for a private CA or a client certificate. By default the system's certificates count.
        proxy: ``True`` takes the proxy from the environment, ``None`` none, a str this one.
        open_timeout: Longest wait of :meth:`open`, and of a command that wakes the line, in seconds or as a timedelta;
            ``None`` for ever.
        dial_timeout: Longest time for reaching the host, the handshake, and the welcome, each.
        write_timeout: Time after which a line that takes no more data is dropped.
        max_command_size: Largest command in bytes, ``None``: any. AnyCable closes a line on which more than 65536 come.
        dial_gate: A limit on dials, to be shared by several cables. By default all cables of a process share one that
            lets 20 dials to a host pass at once and then 10 a second; ``None``: no limit.
        gate: A plain or async function that is asked before each dial whether there may be one: "are we online?". While
            it says no the cable is dormant, and is asked every five seconds. One that fails or takes ten s said no.
        policy: A :class:`~cableway.RemotePolicy` to take backoff and limits from.
        token: What the server knows you by: a str, a function that gives one, or a source such as
            :class:`~cableway.EndpointToken`. It is renewed ahead of its end, and when the server refuses it.
        token_as: How it travels: ``in_header()`` (AnyCable's ``x-jid``), ``in_query()`` or ``in_subprotocol()``.
        renewal: When it is renewed, and what a line that is up does with a fresh one.
        positions: Where to keep how far each subscription has come, such as ``SQLitePositions(path)``: the next process
            goes on from there.
        radio: Reckon what the line costs such a radio, for ``stats().energy``: ``cableway.LTE`` and others.

    Raises:
        InvalidURL: An address cannot be dialled.
        InvalidHeader: A header or parameter is no string.
        UsageError: Another argument is not one of its kind; or, as MissingExtra, *protocol* needs a missing package.
    """

    def __init__(
        self,
        url: str | Sequence[str] | Callable[[], MaybeAwaitable[str]],
        *,
        shuffle: bool = True,
        monitor: Monitor | None = None,
        backoff: Backoff | None = None,
        transports: Literal["auto"] | Sequence[Transport] | Fallback = "auto",
        protocol: str = "auto",
        headers: HeaderSource | None = None,
        params: ParamSource | None = None,
        origin: str | None = None,
        ssl: ssl_module.SSLContext | None = None,
        proxy: str | bool | None = True,
        open_timeout: Seconds | None = 30.0,
        dial_timeout: Seconds = 10.0,
        write_timeout: Seconds = 10.0,
        max_command_size: int | None = 65536,
        dial_gate: DialGate | Literal["shared"] | None = "shared",
        gate: Callable[[], MaybeAwaitable[bool]] | None = None,
        policy: PolicyFeed | None = None,
        radio: RadioProfile | None = None,
        token: TokenSource | None = None,
        token_as: TokenCarriage | None = None,
        renewal: TokenRenewal | None = None,
        positions: PositionStore | None = None,
    ) -> None:
        timeout = to_seconds(dial_timeout, "dial_timeout")
        self._engine = Engine(
            Settings(
                dialing=Dialing(url, shuffle, headers, params, origin, ssl, proxy, timeout),
                fallback=chain_of(transports),
                backoff=backoff or ExponentialBackoff(),
                monitor=monitor or PersistentMonitor(),
                gate=gate,
                dial_gate=default_gate() if dial_gate == "shared" else dial_gate,
                policy=policy,
                radio=radio,
                token=None if token is None else as_provider(token),
                carriage=token_as or in_header(),
                renewal=renewal or TokenRenewal(),
                protocol=protocol,
                positions=positions,
                open_timeout=to_limit(open_timeout, "open_timeout"),
                write_timeout=to_seconds(write_timeout, "write_timeout"),
                welcome_timeout=timeout,
                max_command_size=max_command_size,
            )
        )

    # The line

    @property
    def state(self) -> State:
        """Where the cable stands."""
        return self._engine.line.state

    @property
    def error(self) -> CableError | None:
        """What ended the cable for good, or what last broke the line; ``None`` while all is well."""
        return None if self.state is State.CONNECTED else self._engine.line.error

    async def open(self) -> Self:
        """Bring the line up, through as many dials as it takes, and return the cable.

        With a monitor that waits for demand it returns at once, without a dial.

        On an open cable it returns at once; called while the next dial is waited for, it dials now. Raised or
        cancelled, it leaves no task and dials no more, unless the line was opened by another call before it.

        Raises:
            ConnectTimeout: No line came up within ``open_timeout``; ``__cause__`` is the last failure.
            Unauthorized: The server does not accept our credentials.
            CableError: Another failure that dialling again cannot mend.
            WrongLoop: The cable is in use in another event loop or process.
        """
        await self._engine.opening.open()
        return self

    async def close(self, flush: bool = True, timeout: Seconds = 5.0) -> None:  # noqa: FBT001, FBT002 - a fixed name
        """Finish well: let what was sent arrive, say goodbye, be gone.

        Iteration over subscriptions ends quietly once what is unread was read. Subscriptions that were not
        unsubscribed are wished for again when the cable is opened anew. May be called again, and by several tasks.

        Args:
            flush: Wait for the network to take all commands; on the base protocol also until 0.25 s after the last
                one, because Rails drops a command that it has not begun to run when the line closes.
            timeout: Longest time for that, in seconds or as a timedelta.

        Cancelled, the line is dropped at once.
        """
        await self._engine.close(flush=flush, timeout=to_seconds(timeout, "timeout"))

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def awake(self, reason: str = "awake()") -> AsyncIterator[Self]:
        """Have the line up inside of the block: waits for it first, and holds it until the end.

        Several blocks may overlap. With an :class:`~cableway.OnDemandMonitor` this is what wakes the line. Cancelled
        while it waits, nothing is held.

        Args:
            reason: What for, for the log and for :class:`~cableway.Demanded`.

        Raises:
            ConnectTimeout: No line came up within ``open_timeout``; ``__cause__`` is the last failure.
            NotConnected: The cable is not open.
            CableError: The cable ended with this final failure.
        """
        self._engine.opening.check()
        overseer = self._engine.overseer
        overseer.demand(reason, hold=True)
        try:
            await self._engine.opening.until_up()
            yield self
        finally:
            overseer.release()

    def wake(self, reason: str = "wake()") -> None:
        """Have the line up soon, for as long as the monitor lets it linger; do not wait for it.

        Raises:
            NotConnected: The cable is not open.
        """
        self._engine.opening.check()
        self._engine.overseer.demand(reason)

    def rest(self) -> None:
        """Let the line go as soon as nobody holds it, without lingering. A command just sent still has its time."""
        self._engine.opening.check()
        self._engine.overseer.rest()

    def pause(self) -> None:
        """Have no line until :meth:`resume`, whatever the monitor wants. Subscriptions stay wished for."""
        self._engine.enter()
        self._engine.overseer.pause(paused=True)

    def resume(self) -> None:
        """Let the monitor decide again."""
        self._engine.enter()
        self._engine.overseer.pause(paused=False)

    def configure(self, *, backoff: Backoff | None = None, monitor: Monitor | None = None) -> None:
        """Change how the line is kept, at once and while it runs.

        Args:
            backoff: Used from now on; a wait that is under way becomes shorter where the new one's is, but never
                shorter than what a server asked for.
            monitor: Takes over from the present one, with the line as it is and with those who hold it.

        Raises:
            UsageError: An argument is not one of its kind.
        """
        engine = self._engine
        if not engine.at_rest:
            engine.home.check()
        if backoff is not None:
            engine.overseer.replace_backoff(checked_backoff(backoff))
        if monitor is not None:
            engine.overseer.replace(checked_monitor(monitor))

    def events(self) -> EventStream[Event]:
        """Return an iterator over what happens to the cable from now on; it ends after :class:`~cableway.Closed`."""
        return self._engine.feed.stream()

    def on(self, event_type: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call *callback* with each event of *event_type*, or of a subclass; return a function that ends it.

        Callbacks may be plain or async functions. They run after the fact and may do anything, closing the cable
        included. One that fails stops no other; its failure is told as :class:`~cableway.CallbackFailed`.
        """
        return self._engine.feed.on(event_type, callback)

    def __repr__(self) -> str:
        return f"<Cable {self.state.value}, {len(self._engine.hub.wishes)} subscriptions>"

    def stats(self) -> CableStats:
        """Return its figures."""
        return figures(self._engine)

    # Subscriptions

    @overload
    def subscribe(
        self,
        channel: Channel[T] | type[Channel[T]],
        params: Mapping[str, JSONValue] | None = None,
        /,
        *,
        options: SubscriptionOptions = DEFAULT_OPTIONS,
        **more: JSONValue,
    ) -> Subscription[T]: ...
    @overload
    def subscribe(
        self,
        channel: str,
        params: Mapping[str, JSONValue] | None = None,
        /,
        *,
        options: SubscriptionOptions = DEFAULT_OPTIONS,
        **more: JSONValue,
    ) -> Subscription[Any]: ...
    def subscribe(
        self,
        channel: str | Channel[Any] | type[Channel[Any]],
        params: Mapping[str, JSONValue] | None = None,
        /,
        *,
        options: SubscriptionOptions = DEFAULT_OPTIONS,
        **more: JSONValue,
    ) -> Subscription[Any]:
        """Subscribe to *channel* and return a handle at once; await that for the confirmation.

        Handles on one channel with the same parameters share one subscription on the server; each gets every message.

        Args:
            channel: The channel's name on the server, or a :class:`~cableway.Channel` class or instance.
            params: Its parameters, with any key.
            options: What may be chosen, such as the size of the mailbox.
            more: Parameters as keywords.

        Raises:
            InvalidIdentifier: The name is empty, or a parameter cannot be written as JSON or is given twice.
        """
        given = merge_params(params, more)
        if isinstance(channel, str):
            return Subscription(self._engine, canonical_identifier(channel, given), options)
        instance = instance_of(channel, given)
        # In this order: without a name there are no parameters either, and that error says so.
        params = instance.params
        identifier = canonical_identifier(instance.name, params)
        # From the class: a plain function that is set there is no method.
        subscription: Subscription[Any] = Subscription(
            self._engine, identifier, options, instance, type(instance).decode
        )
        instance.bind(subscription)
        return subscription

    def subscribe_raw(self, identifier: str, *, options: SubscriptionOptions = DEFAULT_OPTIONS) -> Subscription[Any]:
        """Subscribe by the exact identifier string, for servers that want another than the canonical form.

        Raises:
            InvalidIdentifier: The string is empty or cannot be written as UTF-8.
        """
        return Subscription(self._engine, raw_identifier(identifier), options)

    def stream(self, name: str, *, options: SubscriptionOptions = DEFAULT_OPTIONS) -> Subscription[Any]:
        """Subscribe to the public stream *name* (AnyCable's ``$pubsub``, where the server allows public streams).

        Raises:
            InvalidIdentifier: The name is empty.
        """
        return Subscription(self._engine, stream_identifier(name), options)

    def signed_stream(
        self,
        name: str | Callable[[], MaybeAwaitable[str]],
        *,
        kind: Literal["pubsub", "turbo", "cable_ready"] = "pubsub",
        options: SubscriptionOptions = DEFAULT_OPTIONS,
    ) -> Subscription[Any]:
        """Subscribe to a stream by its signed name, as a back end signs it.

        Args:
            name: The signed name, or a plain or async function that gives it, asked before each subscribe. One that
                fails is told as :class:`~cableway.NamingFailed` and asked again.
            kind: Whose stream it is: AnyCable's ``$pubsub``, one of Turbo's, or one of CableReady's.
            options: What may be chosen.

        Raises:
            InvalidIdentifier: The name is empty, or the kind unknown.
        """
        _ = signed_channel(kind)
        if not callable(name):
            return Subscription(self._engine, signed_stream_identifier(name, kind), options)

        async def ask() -> Identifier:
            return signed_stream_identifier(await resolve(name()), kind)

        return Subscription(self._engine, ask, options)
