"""The gateway as an object: start it, publish through it, stop it, kill it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from random import Random
from typing import TYPE_CHECKING, Any, Self, Unpack

from aiohttp import web

from cableway.errors import UsageError
from cableway.gateway import http_log
from cableway.gateway.app import GatewayApp, disconnect_all
from cableway.gateway.channel import Channel
from cableway.gateway.connection import Connection, TokensOnly, identifiers_text
from cableway.gateway.faults import Faults
from cableway.gateway.faults.rules import OrderBook
from cableway.gateway.house import House
from cableway.gateway.identity import is_weak
from cableway.gateway.options import GatewayKeywords, GatewayOptions, options_from_mapping
from cableway.gateway.policy import policy_document
from cableway.gateway.pubsub import stream_channels
from cableway.gateway.stats import Counters, GatewayStats
from cableway.gateway.streams import Streams, broadcast_value
from cableway.gateway.tokens import TokenDesk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from cableway.gateway.policy import PolicyDocument
    from cableway.types import JSONValue
    from cableway.wire.expulsions import Expulsion

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked for, and shown as what it is

log: logging.Logger = logging.getLogger("cableway.gateway")


class Gateway:
    """A server that behaves as AnyCable does, in this process, with channels written in Python.

    ::

        class EchoChannel(Channel):
            @action
            async def echo(self, data):
                self.transmit(data)

        async with Gateway([EchoChannel]) as gateway:
            print(gateway.url)                              # ws://127.0.0.1:54321/cable
            await gateway.broadcast("news", {"hot": True})

    It listens on this machine only, on a free port, unless told otherwise. With ``public=True`` clients may subscribe
    to any stream by its name, and anybody may publish: no code needed. Leaving the block sends every client
    ``disconnect server_restart`` and leaves no task behind. Stopped or killed, it can be started again, on
    the same port.

    With ``accept_rate=400`` at most so many new sessions begin a second. Further clients wait for their turn, at most
    ``accept_wait`` seconds; beyond, they get HTTP 503 with a ``Retry-After`` that spreads a crowd at just that pace.
    A stop then tells the clients over how many milliseconds to spread their return (``retry_after_ms``).

    With ``jwt_secret`` (or ``secret``) clients may bring a token: a JWT with HS256, HS384 or HS512, whose claim ``ext``
    is the text by which the session is known, as :func:`cableway.server.mint_token` makes them. It is looked for in the
    header ``x-jid``, the subprotocol ``anycable-token.…`` and the query parameter ``jid``, in this order (``jwt_param``
    is the name), and checked once, when the client connects. Who has a good one is in; who has none is left to
    *connection*, or turned away with ``enforce_jwt``; one that has ended gets ``disconnect token_expired``, a wrong one
    ``disconnect unauthorized``, and one without ``ext`` a bare close with 1011. :attr:`tokens` gives some to try it.

    The last messages of each stream are kept (``history_limit``, ``history_ttl``), and so are the sessions of clients
    that are gone (``sessions_ttl``), so that who comes back on the extended protocol has missed nothing;
    ``broker="none"`` keeps neither. Each start begins a new era. ``flavour`` chooses among the habits of servers.

    Args:
        channels: Classes that clients may subscribe to, by their ``name``.
        connection: Who is let in; by default everybody, or with ``norpc`` nobody but by a token.
        random: Spreads first pings; give a seeded one for the same run each time.
        policy: What :meth:`set_policy` takes.
        options: All options at once; in place of the keywords.
        keywords: See :class:`GatewayOptions`, which has the same names.

    Raises:
        UsageError: An option does not fit, two channels have one name, or no client would take the policy.
    """

    def __init__(
        self,
        channels: Iterable[type[Channel]] = (),
        *,
        connection: type[Connection] | None = None,
        random: Random | None = None,
        policy: Mapping[str, JSONValue] | None = None,
        options: GatewayOptions | None = None,
        **keywords: Unpack[GatewayKeywords],
    ) -> None:
        if options is not None and keywords:
            msg = f"options= and {', '.join(keywords)} were given: name the options in one place"
            raise UsageError(msg)
        self.options: GatewayOptions = options or options_from_mapping(keywords)
        if connection is not None and self.options.open_to_all:
            msg = "public and noauth let every client in, so connection= would never be asked: drop one of them"
            raise UsageError(msg)
        self._channels = _by_name(channels, self.options)
        self._connection = connection or (TokensOnly if self.options.norpc else Connection)
        self._random = random or Random()
        self.tokens: TokenDesk = TokenDesk(self.options)
        """Gives tokens at ``token_path``, for demos and tests; and fails to order."""
        self._orders = OrderBook()
        self.faults: Faults = Faults(self._orders, self.options)
        """What goes wrong to order, for tests: refusals, silence, lines that are cut, polls that are lost."""
        self._counters = Counters()
        self._published: PolicyDocument | None = None
        self._policy: PolicyDocument | None = None
        self._house = self._new_house()
        self.set_policy(policy)
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._port: int | None = None

    # Where it is -----------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where WebSocket clients connect; for a gateway on all addresses, as seen from this machine."""
        return f"ws{self._tail(self.options.path)}"

    @property
    def http_url(self) -> str:
        """The address to which ``/health`` and the like are appended."""
        return f"http{self._tail('')}"

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            UsageError: It was not started yet, and any free port was asked for.
        """
        port = self._port or self.options.port
        if not port:
            msg = "the gateway has no port before it is started: use 'async with' or await start()"
            raise UsageError(msg)
        return port

    def _tail(self, path: str) -> str:
        host = _EVERYWHERE.get(self.options.host, self.options.host)
        shown = f"[{host}]" if ":" in host else host
        return f"{'s' if self.options.ssl_cert else ''}://{shown}:{self.port}{path}"

    def stats(self) -> GatewayStats:
        """Take one look at the counters."""
        return self._counters.snapshot(
            connections=len(self._house.sessions),
            subscriptions=sum(session.subscriptions for session in self._house.sessions),
            streams=len(self._house.streams),
            waiting=self._house.entrance.waiting,
        )

    # What it does ----------------------------------------------------------------------------------------------------

    async def broadcast(
        self,
        stream: str,
        data: JSONValue,
        *,
        exclude_socket: str | None = None,
        broadcast_type: str | None = None,
        transient: bool = False,
    ) -> None:
        """Publish *data*, any JSON value, to all listeners of *stream*, exactly as it is.

        One stream keeps the order of its messages.

        Args:
            stream: The stream's name.
            data: The message.
            exclude_socket: The id of one session that does not get it.
            broadcast_type: The type of its frames, where they are to be no plain messages.
            transient: Do not keep it for those who come back.

        Raises:
            TypeError: *data* cannot be written as JSON.
            ValueError: It holds ``NaN``, an infinity or itself.
        """
        broadcast = broadcast_value(data, exclude=exclude_socket, kind=broadcast_type, transient=transient)
        await self._house.publish(stream, broadcast)

    async def disconnect(self, identifier: str | Mapping[str, JSONValue], *, reconnect: bool = False) -> int:
        """End all sessions with exactly these identifiers, and return how many they were.

        Args:
            identifier: The connection's identifiers, or their text as AnyCable's publishers write it.
            reconnect: Whether the clients are told to come back; like AnyCable, not unless asked for.
        """
        text = identifier if isinstance(identifier, str) else identifiers_text(identifier)
        return disconnect_all(self._house, text, reconnect=reconnect)

    def set_policy(self, policy: Mapping[str, JSONValue] | None) -> None:
        """Serve *policy* at ``policy_path`` from now on, for clients that take theirs from a server; ``None`` stops it.

        ::

            gateway.set_policy({"version": 1, "serial": 2, "backoff": {"minimum": 1, "maximum": 60}})

        It is served with an ETag; with ``policy_secret`` it is signed, in the header ``X-Cableway-Signature``. Where
        documents are numbered by ``serial``, clients take none with a lower number than they had, so none is set.

        Raises:
            UsageError: No client would take it; the one before stays in force.
        """
        if policy is None:
            self._policy = None
        else:
            secret = self.options.policy_secret
            self._policy = self._published = policy_document(policy, secret=secret, last=self._published)
        self._house.policy = self._policy

    # Start and stop --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen. Returns when clients can connect.

        Raises:
            UsageError: It runs already, the port is taken, or the certificate cannot be read.
        """
        if self._server is not None:
            msg = f"the gateway runs already, at {self.url}"
            raise UsageError(msg)
        await self._clear_away()
        context = _tls(self.options)
        self._house = self._new_house()
        app = GatewayApp(self._house, self._random, self.tokens, self._orders).build()
        runner = web.AppRunner(app, handle_signals=False, access_log=None, logger=http_log.log, shutdown_timeout=1.0)
        await runner.setup()
        self._runner = runner
        try:
            self._server = await self._listen(runner, context)
        except OSError as error:
            await self._clear_away()
            where = f"{self.options.host}:{self._port or self.options.port}"
            msg = f"cannot listen on {where}: {error.strerror or error}; choose another port, or 0 for a free one"
            raise UsageError(msg) from error
        self._port = self._server.sockets[0].getsockname()[1]
        self._house.open()
        log.info("listening at %s", self.url)
        if is_weak(self.options):
            log.warning("the secret of tokens has less than 32 bytes: it can be found out from a single token")

    async def stop(self, *, graceful: bool = True) -> None:
        """Stop listening, end all sessions, and leave no task behind. May be called again.

        Args:
            graceful: Tell the clients ``disconnect server_restart`` and let the channels finish, at most
                ``shutdown_timeout`` seconds. Otherwise lines are cut and channels stopped where they are.
        """
        farewell = self._close_server()
        sessions = list(self._house.sessions)
        for session in sessions:
            if graceful:
                session.expel(farewell)
            else:
                session.drop()
        await self._house.wait_until_empty(self.options.shutdown_timeout)
        for session in list(self._house.sessions):
            session.drop()
        await self._clear_away()

    def kill(self) -> None:
        """Drop all sockets at once, without a word, as if the process had been killed; channels run no further.

        The port is free at once, for another gateway or for :meth:`start`. Await :meth:`stop` in the end, as ever.
        """
        self._close_server()
        for session in list(self._house.sessions):
            session.drop()
        if self._runner is not None and self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _listen(self, runner: web.AppRunner, context: ssl.SSLContext | None) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        server = runner.server
        assert server is not None  # noqa: S101 - setup() has made it
        return await loop.create_server(
            server, self.options.host or None, self._port or self.options.port, ssl=context, backlog=1024
        )

    def _close_server(self) -> Expulsion:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.tokens.let_go()
        return self._house.close()

    async def _clear_away(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await self._house.wait_until_empty(self.options.shutdown_timeout)
            await runner.cleanup()

    def _new_house(self) -> House:
        house = House(
            self.options,
            connection=self._connection,
            channels=self._channels,
            streams=Streams(),
            counters=self._counters,
        )
        house.policy = self._policy
        return house


def _by_name(channels: Iterable[Any], options: GatewayOptions) -> dict[str, type[Channel]]:
    named: dict[str, type[Channel]] = {channel.name: channel for channel in stream_channels(options)}
    for channel in channels:
        if not (isinstance(channel, type) and issubclass(channel, Channel)):
            msg = f"{channel!r} is no channel: give subclasses of cableway.gateway.Channel"
            raise UsageError(msg)
        if channel.name in named:
            msg = f"two channels are called {channel.name!r}: set name= on one of the classes"
            raise UsageError(msg)
        named[channel.name] = channel
    return named


def _tls(options: GatewayOptions) -> ssl.SSLContext | None:
    if options.ssl_cert is None or options.ssl_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.ssl_cert, options.ssl_key)
    except (OSError, ssl.SSLError) as error:
        msg = f"cannot read the certificate {options.ssl_cert!r} with the key {options.ssl_key!r}: {error}"
        raise UsageError(msg) from error
    return context
