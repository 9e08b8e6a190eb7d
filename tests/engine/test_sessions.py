"""The session of the line before: when it is asked back, and when it is better forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cableway.engine.sessions import HEADER, Sessions
from cableway.errors import ConnectError, HandshakeRefused, LineClosed, LineStale, ServerDisconnect, Unauthorized
from cableway.transports.base import DialRequest
from cableway.wire.frames import Welcome
from tests.extended import EXTENDED, extended
from tests.scripted import background, settle

if TYPE_CHECKING:
    from cableway.errors import CableError
    from tests.scripted import Line

REQUEST = DialRequest("wss://cable.example/cable?room=7", (EXTENDED,), {"X-Own": "1"}, timeout=3)


def held(sid: str | None = "s1", *, extended: bool = True) -> Sessions:
    """Keep a session that the server gave."""
    sessions = Sessions()
    sessions.welcomed(Welcome(sid), extended=extended)
    return sessions


def asked(sessions: Sessions, *, extended: bool = True) -> str | None:
    """Tell which session the next dial asks back."""
    return sessions.carry(REQUEST, extended=extended).headers.get(HEADER)


def test_a_session_is_asked_back_in_a_header() -> None:
    """Addresses are logged by servers and proxies; whatever else the dial needs stays as it was."""
    request = held("s1").carry(REQUEST, extended=True)
    assert request.headers == {"X-Own": "1", HEADER: "s1"}
    assert (request.url, request.subprotocols, request.timeout) == (REQUEST.url, REQUEST.subprotocols, 3)
    assert REQUEST.headers == {"X-Own": "1"}


def test_it_is_shown_nowhere() -> None:
    """Neither here nor in the request: whoever has it is let in."""
    sessions = held("hush")
    assert "hush" not in repr(sessions)
    assert "hush" not in repr(sessions.carry(REQUEST, extended=True))


def test_the_newest_one_counts() -> None:
    """Restored or not, the server has given a new id; one welcomed without an id has none to ask back."""
    sessions = held("s1")
    sessions.welcomed(Welcome("s2", restored=True), extended=True)
    assert asked(sessions) == "s2"
    sessions.welcomed(Welcome(None), extended=True)
    assert asked(sessions) is None


def test_the_base_protocol_has_no_sessions_to_ask_back() -> None:
    """AnyCable names them there, too; neither is it offered one."""
    assert asked(held("s1", extended=False)) is None
    assert asked(held("s1"), extended=False) is None
    assert asked(Sessions()) is None


def test_a_line_on_the_base_protocol_ends_what_was_held() -> None:
    """The server there gave us another session since."""
    sessions = held("s1")
    sessions.welcomed(Welcome("s2"), extended=False)
    assert asked(sessions) is None


@pytest.mark.parametrize(
    "error",
    [
        LineClosed(1006),
        LineStale(6.0),
        ConnectError("ws://a", "nobody is there"),
        HandshakeRefused("ws://a", 503, {}),
        ServerDisconnect("server_restart"),
        ServerDisconnect("no_pong"),
        ServerDisconnect("too_slow"),
        ServerDisconnect("session_expired"),
    ],
    ids=lambda error: f"{type(error).__name__} {getattr(error, 'reason', '')}",
)
def test_what_says_nothing_against_it_leaves_it(error: CableError) -> None:
    """Broken networks, and servers that go or were overtaken: another one may share their sessions."""
    sessions = held("s1")
    sessions.failed(error)
    assert asked(sessions) == "s1"


@pytest.mark.parametrize(
    "error",
    [
        Unauthorized("unauthorized"),
        Unauthorized("token_expired"),
        ServerDisconnect("remote", reconnect=True),
        ServerDisconnect("idle_timeout", reconnect=False),
        ServerDisconnect(None),
    ],
    ids=lambda error: str(error.reason),
)
def test_who_is_sent_away_does_not_come_back_by_a_side_door(error: CableError) -> None:
    """The session would let us in past what we were sent away for."""
    sessions = held("s1")
    sessions.failed(error)
    assert asked(sessions) is None


def test_forgotten_is_forgotten() -> None:
    """Until the server gives another."""
    sessions = held("s1")
    sessions.forget()
    assert asked(sessions) is None
    sessions.welcomed(Welcome("s2"), extended=True)
    assert asked(sessions) == "s2"


@pytest.mark.looptime
async def test_a_cable_asks_its_session_back_until_it_is_closed() -> None:
    """Each dial after a loss does, by the newest id; the first one of a cable that was closed begins anew."""
    async with extended() as made:
        assert HEADER not in made.server.request.headers
        await replaced(made, "s1")
        assert HEADER not in made.server.request.headers
        await replaced(made, "s2")
        assert made.server.request.headers[HEADER] == "s1"
        await replaced(made, "s3")
        assert made.server.request.headers[HEADER] == "s2"
        await made.cable.close()
        opening = background(made.cable.open())
        server = await made.welcome()
        assert HEADER not in server.request.headers
        await opening


@pytest.mark.looptime
async def test_a_cable_that_is_sent_away_comes_back_as_somebody_new() -> None:
    """A remote disconnect may be meant for just this session; a restart of the server is not."""
    async with extended() as made:
        await replaced(made, "s1")
        made.server.send({"type": "disconnect", "reason": "server_restart", "reconnect": True})
        await replaced(made, "s2")
        assert made.server.request.headers[HEADER] == "s1"
        made.server.send({"type": "disconnect", "reason": "remote", "reconnect": True})
        await replaced(made, "s3")
        assert HEADER not in made.server.request.headers


async def replaced(made: Line, sid: str) -> None:
    """Cut the line, and welcome the next one to session *sid*."""
    made.server.cut()
    made.server = await made.transport.accept(EXTENDED)
    made.server.send({"type": "welcome", "sid": sid})
    await settle()
