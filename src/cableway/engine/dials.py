"""Carries one dial out at a time: past the gate, to an address, until the line is open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cableway.engine.carrier import Carrier
from cableway.engine.dialing import Dialer, check_protocol, dial_failure
from cableway.engine.negotiation import Negotiation
from cableway.engine.speech import Speech
from cableway.errors import CableError, ConnectError, HandshakeRefused, UnsupportedProtocol
from cableway.events import Connecting
from cableway.policies.classify import Cause, classify
from cableway.redact import redact_url
from cableway.wire.subprotocols import BASE_JSON

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from cableway.engine.beside import Sieve
    from cableway.engine.carrier import Owner
    from cableway.engine.core import Engine
    from cableway.hub.hub import Hub

GOODBYE_WAIT = 2.0
"""Seconds that a dial waits for the line before it to be closed: a cable has one at a time."""

_NOT_AT_FAULT = frozenset({Cause.RESTART, Cause.OVERLOAD, Cause.POLICY})


class Dials:
    """Dials for one cable."""

    def __init__(self, engine: Engine, random: Random) -> None:
        self.dialer: Dialer = Dialer(engine.settings.dialing, random)
        self.count: int = 0
        """Dials so far."""
        self.negotiation: Negotiation = Negotiation(engine.settings.protocol)
        self._engine = engine
        self._task: asyncio.Task[None] | None = None

    def start(self, attempt: int) -> Carrier:
        """Begin a dial, and return the line that is to come of it."""
        self.count += 1
        engine = self._engine
        address = self.dialer.turn(engine.home.now())
        engine.feed.emit(Connecting(attempt, redact_url(address)))
        carrier = self.carrier(engine, engine.hub)
        self._task = engine.spawn(self._dial(carrier), "cableway-dial")
        return carrier

    def carrier(self, owner: Owner, hub: Hub | Sieve) -> Carrier:
        """Make a line, not opened yet, that reports to *owner*."""
        engine = self._engine
        return Carrier(
            owner, hub, Speech.of(BASE_JSON), engine.home.now, moved=engine.overseer.moved, said=engine.vigilance.said
        )

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
            await self._open(carrier, lambda: True, restore=False)
        except CableError:
            raise
        except Exception as error:
            raise dial_failure(address, error) from error

    def drop(self) -> None:
        """Give up the dial that is under way."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task(self._engine.home.loop):
            task.cancel()

    def served(self) -> None:
        """The line is good, or did what it was needed for: its address is in good health."""
        if self.dialer.endpoints is not None:
            self.dialer.endpoints.did_well()

    def judge(self, error: CableError, now: float, *, was_up: bool, was_good: bool) -> None:
        """Take what went wrong into account for the choice of the next address."""
        if isinstance(error, HandshakeRefused) or isinstance(error.__cause__, HandshakeRefused):
            refusal = error if isinstance(error, HandshakeRefused) else error.__cause__
            self.negotiation.refused(getattr(refusal, "status", 0))
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

    async def _dial(self, carrier: Carrier) -> None:
        engine = self._engine
        try:
            await engine.farewells.over(GOODBYE_WAIT)
            address = await self.dialer.locate()
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

    async def _open(self, carrier: Carrier, counts: Callable[[], bool], *, restore: bool = True) -> None:
        engine, negotiation = self._engine, self.negotiation
        request = await self.dialer.request(negotiation.offer, engine.overseer.params)
        request = await engine.credentials.carry(request)
        if restore:
            request = engine.sessions.carry(request, extended=negotiation.extended)
        if not counts():
            return
        engine.overseer.moved()
        try:
            connection = await engine.settings.transports[0].open(request, carrier)
        except UnsupportedProtocol as error:
            if not negotiation.insisted(error.selected):
                raise
            what = "the server speaks the base protocol, whatever is offered: it gets that with the next dial"
            raise ConnectError(request.url, what) from error
        engine.overseer.moved()
        if not counts():
            connection.abort()
            return
        agreed = check_protocol(connection, request.url, negotiation)
        engine.credentials.answered(connection.response_headers)
        carrier.attach(connection, Speech.of(agreed), request.url, engine.settings.welcome_timeout)
        engine.rearm()
