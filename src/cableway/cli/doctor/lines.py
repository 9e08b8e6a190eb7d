"""Each transport, step by step: open, welcome, beat. They are the client's own, and so is what is offered."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from cableway.cli.doctor.findings import Part, Step
from cableway.cli.doctor.listener import Listener
from cableway.cli.doctor.polls import PACE, Polls
from cableway.cli.doctor.symptoms import Symptom
from cableway.cli.doctor.trial import Shown, Trial, server_name
from cableway.engine.dialing import check_protocol
from cableway.engine.negotiation import Negotiation
from cableway.engine.speech import Speech
from cableway.errors import HandshakeRefused, NotOffered, UnsupportedProtocol
from cableway.redact import printable
from cableway.wire.commands import Beat
from cableway.wire.frames import Ping, Welcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.cli.doctor.findings import Record
    from cableway.cli.doctor.means import Means
    from cableway.transports.base import Connection, Transport

BEATS: Final = 2
"""From one to the next is the interval."""

GOODBYE: Final = 1.0

OPENED_IN: Final = 4.0
"""Times the limit of a step: reaching the host and the upgrade have one each, and there may be two dials."""

_COOKIE: Final = re.compile(r"(?:^|,\s*)([^=;,\s]+)=")


def transport_of(part: Part) -> Transport:
    """Make the transport that *part* is about."""
    from cableway import EventStreamTransport, LongPollingTransport, WebSocketTransport

    if part is Part.WEBSOCKET:
        return WebSocketTransport()
    # They take their time to load, which is none of the network's.
    with suppress(ImportError):
        import_module("httpx2")
        import_module("httpcore2")
    return LongPollingTransport(pace=PACE) if part is Part.POLLING else EventStreamTransport()


@frozen
class Line:
    """An open line."""

    connection: Connection
    speech: Speech
    listener: Listener

    def beat(self) -> None:
        """Answer a beat of the server's, as clients do on the extended protocol."""
        if self.speech.dialect.extended and getattr(self.connection, "sends", True):
            self.connection.send(self.speech.codec.encode(self.speech.dialect.compose(Beat())))


@define
class LineTrial:
    """The steps of one transport."""

    part: Part
    means: Means
    trial: Trial
    transport: Transport
    _line: Line | None = field(default=None, init=False)

    @classmethod
    def of(cls, part: Part, means: Means, record: Record) -> LineTrial:
        """Make the one for *part*, which puts what it finds into *record*."""
        return cls(part, means, Trial(record, part, means.url, means.timeout), transport_of(part))

    async def run(self) -> None:
        """Try the steps up to the first that fails. Cancelled, it leaves no line open."""
        step = Step.UPGRADE if self.part is Part.WEBSOCKET else Step.OPEN
        limit = OPENED_IN * self.means.timeout if self.part is Part.WEBSOCKET else self.means.timeout
        try:
            if await self.trial.step(step, self._open(), limit=limit, late="no answer came"):
                await self._listen()
        finally:
            if self._line is not None:
                await self._line.connection.close(timeout=GOODBYE)

    async def _listen(self) -> None:
        line = self._line
        if line is None or not await self.trial.step(Step.WELCOME, _welcome(line), late="no welcome came"):
            return
        if self.part is Part.POLLING:
            await Polls(self.trial, line.connection, line.speech, line.listener).run()
        else:
            await self.trial.step(Step.PING, _ping(line, self.trial.timeout), limit=self.trial.timeout + GOODBYE)

    async def _open(self) -> Shown:
        """Open a line, as a cable does: with the extended protocol first, and the base one if that is refused."""
        negotiation = Negotiation()
        while True:
            listener = Listener()
            request = await self.means.request(negotiation.offer)
            try:
                connection = await self.transport.open(request, listener)
                agreed = check_protocol(connection, request.url, negotiation)
            except HandshakeRefused as error:
                if isinstance(error, NotOffered) or not negotiation.refused(error.status):
                    raise
            except UnsupportedProtocol as error:
                if not negotiation.insisted(error.selected):
                    raise
            else:
                self._line = Line(connection, Speech.of(agreed), listener)
                return _opened(self._line)


def _opened(line: Line) -> Shown:
    headers = line.connection.response_headers
    name, cookies = server_name(headers), cookies_of(headers)
    told = [line.speech.name, f"by {name}" if name else "", f"cookies kept: {', '.join(cookies)}" if cookies else ""]
    facts = {"protocol": line.speech.name, "server": name or None, "cookies": cookies}
    return Shown(", ".join(filter(None, told)), facts)


def cookies_of(headers: Mapping[str, str]) -> list[str]:
    """Return the names of the cookies that the server sets. What is in them is nobody's business."""
    return [printable(name, 40) for name in _COOKIE.findall(headers.get("set-cookie", ""))]


async def _welcome(line: Line) -> Shown:
    line.listener.speak(line.speech)
    line.connection.resume()
    while not isinstance(news := await line.listener.next(), Welcome):
        pass
    restorable = news.sid is not None
    return Shown("with a session that can be asked back" if restorable else "", {"restorable": restorable})


async def _ping(line: Line, timeout: float) -> Shown:
    loop, beats = asyncio.get_running_loop(), list[float]()
    try:
        async with asyncio.timeout(timeout):
            while len(beats) < BEATS:
                if isinstance(await line.listener.next(), Ping):
                    beats.append(loop.time())
                    line.beat()
    except TimeoutError:
        if not beats:
            return Shown(f"no beat came within {timeout:g} s", {"interval": None}, Symptom.NO_BEAT)
    if len(beats) < BEATS:
        return Shown(f"one beat came, and no second one within {timeout:g} s", {"interval": None})
    interval = beats[1] - beats[0]
    return Shown(f"a beat every {interval:.1f} s", {"interval": round(interval, 3)})
