"""A line that is only listened to: what the server says of the session, one piece of news after the other."""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

from attrs import frozen

from cableway.engine.speech import Speech
from cableway.errors import CableError, LineClosed, ServerDisconnect, Unauthorized
from cableway.wire.client_session import ClientSession
from cableway.wire.frames import Disconnect, Ping, Pong, Welcome
from cableway.wire.subprotocols import BASE_JSON


@frozen
class Answered:
    """A request was answered with nothing to say, on a line that is made of requests."""


News: TypeAlias = Welcome | Ping | Pong | Answered

_AUTH: Final = frozenset({"unauthorized", "token_expired"})


class Listener:
    """Takes what one connection pushes. Messages are of no interest."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._session = _session(Speech.of(BASE_JSON))
        self._news: asyncio.Queue[News | CableError] = asyncio.Queue()
        self._over = False

    def speak(self, speech: Speech) -> None:
        """Begin a session on which *speech* is spoken."""
        self._session = _session(speech)

    async def next(self) -> News:
        """Wait for the next piece of news. Cancelling it loses nothing.

        Raises:
            CableError: The line has ended.
        """
        news = await self._news.get()
        if isinstance(news, CableError):
            raise news
        return news

    def frames(self, batch: list[bytes]) -> None:
        """Take whole messages."""
        if not batch:
            self._tell(Answered())
        for raw in batch:
            for frame in self._session.receive(raw, self._loop.time()):
                if isinstance(frame, Welcome | Ping | Pong):
                    self._tell(frame)
                elif isinstance(frame, Disconnect):
                    self._end(_as_error(frame))

    def lost(self, code: int | None, reason: str, error: BaseException | None) -> None:
        """Learn that the line is gone."""
        self._end(LineClosed(code, reason, error))

    def _tell(self, news: News) -> None:
        if not self._over:
            self._news.put_nowait(news)

    def _end(self, error: CableError) -> None:
        if not self._over:
            self._over = True
            self._news.put_nowait(error)


def _session(speech: Speech) -> ClientSession:
    return ClientSession(speech.codec, speech.dialect)


def _as_error(frame: Disconnect) -> ServerDisconnect:
    kind = Unauthorized if frame.reason in _AUTH else ServerDisconnect
    return kind(frame.reason, reconnect=frame.reconnect)
