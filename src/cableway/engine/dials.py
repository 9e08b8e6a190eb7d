"""Carries one dial out at a time: past the gate, to an address, until the line is open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import evolve

from cableway.engine.carrier import Carrier
from cableway.engine.dialing import Dialer, check_protocol, dial_failure
from cableway.engine.negotiation import Negotiation
from cableway.engine.speech import Speech
from cableway.errors import CableError, ConnectError, HandshakeRefused, NotOffered, UnsupportedProtocol, UsageError
from cableway.events import Connecting
from cableway.host.network import way_out
from cableway.policies.classify import Cause, classify
from cableway.policies.ladder import Ladder
from cableway.redact import redact_url
from cableway.states import State
from cableway.transports.chain import able, check_sends, command_limit, sends
from cableway.wire.subprotocols import BASE_JSON, subprotocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from random import Random

    from cableway.engine.beside import Sieve
    from cableway.engine.carrier import Owner
    from cableway.engine.core import Engine
    from cableway.hub.hub import Hub
    from cableway.transports.base import Transport

GOODBYE_WAIT = 2.0
"""Seconds that a dial waits for the line before it to be closed: a cable has one at a time."""

_NOT_AT_FAULT = frozenset({Cause.RESTART, Cause.OVERLOAD, Cause.POLICY})


class Dials:
    """Dials for one cable."""

    def __init__(self, engine: Engine, random: Random) -> None:
        self.dialer: Dialer = Dialer(engine.settings.dialing, random)
        self.count: int = 0
        """Dials so far."""
        fallback = engine.settings.fallback
        self.transports: Sequence[Transport] = able(fallback.transports, subprotocol(engine.settings.protocol))
        """The best one first."""
        names = [transport.name for transport in self.transports]
        deaf = frozenset(rung for rung, transport in enumerate(self.transports) if not sends(transport))
        self.ladder: Ladder = Ladder(names, fallback.times, random, deaf)
        """Which of them is dialled."""
        self._negotiation = Negotiation(engine.settings.protocol)
        self._engine = engine
        self._task: asyncio.Task[None] | None = None

    def start(self, attempt: int) -> Carrier:
        """Begin a dial, and return the line that is to come of it."""
        self.count += 1
        engine = self._engine
        now = engine.home.now()
        address = self.dialer.turn(now)
        self.ladder.meet(_server(address))
        carrier = self.carrier(engine, engine.hub, self.ladder.begin(_network(), now))
        engine.feed.emit(Connecting(attempt, redact_url(address), self.transports[carrier.rung].name))
        self._task = engine.spawn(self._dial(carrier), "cableway-dial")
        return carrier

    def carrier(self, owner: Owner, hub: Hub | Sieve, rung: int | None = None) -> Carrier:
        """Make a line, not opened yet, that reports to *owner*, on the transport *rung*, or that of the line."""
        engine = self._engine
        return Carrier(
            owner,
            hub,
            Speech.of(BASE_JSON),
            engine.home.now,
            rung=self.ladder.at if rung is None else rung,
            moved=engine.overseer.moved,
            said=engine.vigilance.said,
        )

    @property
    def transport(self) -> Transport:
        """What carries the line, or is to carry the next one."""
        return self.transports[self.ladder.at]

    def check_sends(self, what: str) -> None:
        """Make sure that *what* can be sent: on the line, or while there is none, on one that may come.

        Raises:
            NotSupported: It cannot.
        """
        up = self._engine.line.state is State.CONNECTED
        if up or not any(sends(transport) for transport in self.transports):
            check_sends(self.transport, what)

    @property
    def command_limit(self) -> int | None:
        """Bytes of the largest command on the line, or while there is none, on one that may come; ``None``: any."""
        up = self._engine.line.state is State.CONNECTED
        wish = self._engine.settings.max_command_size
        limits = [command_limit(one, wish) for one in ((self.transport,) if up else self.transports)]
        known = [limit for limit in limits if limit is not None]
        return max(known) if len(known) == len(limits) else None

    async def open_beside(self, carrier: Carrier) -> None:
        """Open a line beside the one that is up. Cancelled, it leaves nothing open.

        Raises:
            CableError: It could not be opened.
        """
        self.count += 1
        address = await self.dialer.locate()
        await self._pass(address)
        try:
            # A session that is asked back would let us in past the fresh token, which is to be looked at.
            await self._open(carrier, lambda: True, beside=True)
        except CableError:
            raise
        except Exception as error:
            raise dial_failure(address, error) from error

    def drop(self) -> None:
        """Give up the dial that is under way."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task(self._engine.home.loop):
            task.cancel()

    def welcomed(self, now: float, *, extended: bool) -> None:
        """The server has welcomed us on the line that counts, which speaks the *extended* protocol or not."""
        self._negotiation.welcomed(extended=extended)
        self.ladder.came_up(now)

    def served(self) -> None:
        """The line is good, or did what it was needed for: its address is in good health, and its transport gets by."""
        self.ladder.proved()
        if self.dialer.endpoints is not None:
            self.dialer.endpoints.did_well()

    def closed(self, now: float, *, good: bool) -> None:
        """The line that is up is closed by the user."""
        self.ladder.lost(None, now, good=good)

    def let_go(self, now: float, *, well: bool) -> None:
        """The line is closed, for nobody needs it; *well*: it did what it was needed for."""
        self.ladder.lost(None, now, good=well)
        if well:
            self.served()

    def judge(self, error: CableError, now: float, *, was_up: bool, was_good: bool) -> None:
        """Take what went wrong into account for the choice of the next transport, and address."""
        if was_up:
            self.ladder.lost(error, now, good=was_good)
        elif not self._has_another_offer(error):
            self.ladder.failed(error, now)
        endpoints = self.dialer.endpoints
        if endpoints is None:
            return
        if was_good:
            endpoints.did_well()
        if not was_up:
            endpoints.failed(now)
        elif classify(error).cause in _NOT_AT_FAULT:
            endpoints.leave(now)
        elif not was_good:
            endpoints.dropped(now)

    def _has_another_offer(self, error: CableError) -> bool:
        """Tell whether the refusal may be one of the protocol: another one is offered next, by the same transport."""
        refusal = error if isinstance(error, HandshakeRefused) else error.__cause__
        if not isinstance(refusal, HandshakeRefused) or isinstance(refusal, NotOffered):
            return False
        return self._negotiation.refused(refusal.status)

    async def _dial(self, carrier: Carrier) -> None:
        engine = self._engine
        try:
            await engine.farewells.over(GOODBYE_WAIT)
            address = await self.dialer.locate()
            self.ladder.meet(_server(address))
            # A function of the user's may have paused or closed the cable: this dial is none any more.
            if carrier is engine.carrier:
                await self._pass(address)
                await self._open(carrier, lambda: carrier is engine.carrier)
        except CableError as error:
            engine.broke(carrier, error)
        except asyncio.CancelledError as error:
            # If we had cancelled it, this would not be the line that counts: a function of the user's, or a transport,
            # cancelled itself, and the next dial is due all the same.
            engine.broke(carrier, dial_failure(self.dialer.address, error))
            raise
        except Exception as error:  # noqa: BLE001 - a transport of the user's own may raise anything; the cable lives on
            engine.broke(carrier, dial_failure(self.dialer.address, error))

    async def _pass(self, address: str) -> None:
        gate = self._engine.settings.dial_gate
        host = urlsplit(address).hostname or ""
        if gate is None:
            return
        if gate.would_wait(host):
            with self._engine.waiting.stopped():
                await gate.wait(host)
        else:
            await gate.wait(host)

    async def _open(self, carrier: Carrier, counts: Callable[[], bool], *, beside: bool = False) -> None:
        engine, negotiation = self._engine, self._negotiation
        request = await self.dialer.request(negotiation.offer, engine.overseer.params)
        request = await engine.credentials.carry(request)
        if not beside:
            request = engine.sessions.carry(request, extended=negotiation.extended)
        if not counts():
            return
        within = self._within(carrier.rung, beside=beside)
        engine.overseer.moved()
        try:
            connection = await self.transports[carrier.rung].open(evolve(request, timeout=within), carrier)
        except UnsupportedProtocol as error:
            if not negotiation.insisted(error.selected):
                raise
            what = "the server speaks the base protocol, whatever is offered: it gets that with the next dial"
            raise ConnectError(request.url, what) from error
        except UsageError as error:
            if carrier.rung == 0:
                raise
            # What a lesser transport cannot do with what the user gave is no reason to give the cable up.
            raise ConnectError(request.url, f"{self.transports[carrier.rung].name} cannot be used: {error}") from error
        engine.overseer.moved()
        if not counts():
            connection.abort()
            return
        agreed = check_protocol(connection, request.url, negotiation)
        engine.credentials.answered(connection.response_headers)
        carrier.attach(connection, Speech.of(agreed), request.url, min(within, engine.settings.welcome_timeout))
        engine.rearm()

    def _within(self, rung: int, *, beside: bool) -> float:
        whole = self._engine.settings.dialing.timeout
        if beside:
            return whole if rung == self.ladder.at else self.ladder.probe_limit(whole)
        return self.ladder.limit(whole, self._engine.home.now())


def _server(address: str) -> Hashable:
    """Return what makes the server at *address* another one; its query does not."""
    return urlsplit(address)[:3]


def _network() -> Hashable:
    """Return what the network that this machine is on is known by; ``None`` where that cannot be told now."""
    try:
        return way_out()
    except OSError:
        return None
