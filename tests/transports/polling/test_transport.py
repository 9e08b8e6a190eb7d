"""The recipe: options, and the request that opens a line."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiohttp import web

from cableway import (
    ConnectError,
    DialRequest,
    HandshakeCut,
    HandshakeRefused,
    HostUnreachable,
    InvalidHeader,
    InvalidURL,
    LongPollingTransport,
    NotAWebSocket,
    NotOffered,
    ServerDisconnect,
    ServerSilent,
    TLSFailure,
    Unauthorized,
    UsageError,
)
from tests.scripted import background
from tests.transports.polling.house import House, Visit, cut, serving, status

if TYPE_CHECKING:
    from tests.transports.websocket.peers import Recorder

pytestmark = pytest.mark.looptime

EXTENDED = "actioncable-v1-ext-json"
MARK = "s3cr3t"


def asking(house: House, **options: Any) -> DialRequest:
    """Ask for a line to *house*."""
    return DialRequest(house.url, **{"subprotocols": (EXTENDED,), "timeout": 2.0, **options})


def says(code: int, text: str) -> Any:
    """Answer so."""

    async def answer(_: House, __: Visit) -> web.StreamResponse:
        return web.Response(status=code, text=text)

    return answer


async def opened(house: House, sink: Recorder, transport: LongPollingTransport | None = None, **options: Any) -> None:
    """Open a line, let it poll once, and close it."""
    visits = len(house.visits)
    connection = await (transport or LongPollingTransport()).open(asking(house, **options), sink)
    connection.resume()
    await house.until(lambda: len(house.visits) == visits + 2)
    await connection.close()


# The request ----------------------------------------------------------------------------------------------------------


async def test_the_request_carries_what_was_asked_for(sink: Recorder) -> None:
    """What lets somebody in once is not shown again; what every request needs is."""
    async with serving() as house:
        headers = {"X-ANYCABLE-RESTORE-SID": "s0", "x-jid": "token", "Cookie": "user=7"}
        await opened(house, sink, headers=headers, origin="https://example.com")
    first, second = (visit.request.headers for visit in house.visits)
    assert first["X-ANYCABLE-RESTORE-SID"] == "s0"
    assert first["Sec-WebSocket-Protocol"] == EXTENDED
    assert "X-Anycable-Poll-ID" not in first
    assert second["X-Anycable-Poll-ID"] == "pl_1"
    assert not {"X-ANYCABLE-RESTORE-SID", "Sec-WebSocket-Protocol"} & set(second)
    for each in (first, second):
        assert (each["x-jid"], each["origin"], each["user-agent"]) == ("token", "https://example.com", "cableway")
    assert (first["cookie"], second["cookie"]) == ("user=7", "user=7; node=seven")


async def test_the_next_line_brings_the_cookies_along(sink: Recorder) -> None:
    """A load balancer finds the server again that has the session."""
    transport = LongPollingTransport()
    async with serving() as house:
        await opened(house, sink, transport)
        await opened(house, type(sink)(), transport)
    assert house.visits[0].request.headers.get("cookie") is None
    assert house.visits[2].request.headers["cookie"] == "node=seven"


async def test_the_address_of_the_websocket_will_do(sink: Recorder) -> None:
    """With user and password, and the query."""
    async with serving() as house:
        url = f"ws://user:pass@127.0.0.1:{house.port}/cable?room=7"
        connection = await LongPollingTransport().open(DialRequest(url), sink)
        await connection.close()
    request = house.visits[0].request
    assert request.path_qs == "/lp?room=7"
    assert request.headers["authorization"] == "Basic dXNlcjpwYXNz"


async def test_another_path_can_be_given(sink: Recorder) -> None:
    """For servers that take polls elsewhere."""
    async with serving() as house:
        connection = await LongPollingTransport(path="/poll/here").open(asking(house), sink)
        await connection.close()
    assert house.visits[0].request.path == "/poll/here"


async def test_tls(sink: Recorder) -> None:
    """With an authority of one's own; one that is not known is refused."""
    ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
    mine, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.configure_trust(mine)
    ca.issue_cert("localhost").configure_cert(theirs)
    async with serving(tls=theirs) as house:
        url = f"https://localhost:{house.port}/lp"
        connection = await LongPollingTransport().open(DialRequest(url, ssl=mine), sink)
        await connection.close()
        with pytest.raises(TLSFailure, match="certificate"):
            await LongPollingTransport().open(DialRequest(url, ssl=ssl.create_default_context()), sink)


async def test_a_proxy_is_asked(sink: Recorder) -> None:
    """The one given; for an address of this machine none of the environment's."""
    async with serving() as house:
        proxy = f"http://127.0.0.1:{house.port}"
        connection = await LongPollingTransport().open(DialRequest("http://example.com/lp", proxy=proxy), sink)
        await connection.close()
    assert house.visits[0].request.headers["host"] == "example.com"


# What is spoken -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "named", "spoken"),
    [
        ((EXTENDED,), None, EXTENDED),
        ((EXTENDED, "anycable-token.x"), None, EXTENDED),
        (("actioncable-v1-json", "actioncable-unsupported"), None, "actioncable-v1-json"),
        ((), None, "actioncable-v1-json"),
        ((EXTENDED,), "actioncable-v1-json", "actioncable-v1-json"),
    ],
)
async def test_what_is_spoken(sink: Recorder, offer: tuple[str, ...], named: str | None, spoken: str) -> None:
    """What the server names; else what was asked for: AnyCable, which alone polls, obeys all commands anyway."""
    async with serving(House(headers={} if named is None else {"Sec-WebSocket-Protocol": named})) as house:
        connection = await LongPollingTransport().open(asking(house, subprotocols=offer), sink)
        assert connection.subprotocol == spoken
        await connection.close()


async def test_an_encoding_of_bytes_is_refused_before_the_dial(sink: Recorder) -> None:
    """Lines of text cannot carry it."""
    async with serving() as house:
        with pytest.raises(UsageError, match="carry text alone"):
            await LongPollingTransport().open(asking(house, subprotocols=("actioncable-v1-ext-msgpack",)), sink)
        assert not house.visits


# What goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (status(401), HandshakeRefused),
        (status(404), NotOffered),
        (status(302, Location="/login"), HandshakeRefused),
        (says(401, '{"type":"disconnect","reason":"unauthorized","reconnect":false}\n'), Unauthorized),
        (says(401, '{"type":"disconnect","reason":"remote","reconnect":true}\n'), ServerDisconnect),
        (says(200, "<html>login</html>"), NotAWebSocket),
        (says(200, "x" * 2_000_000), NotAWebSocket),
        (cut, HandshakeCut),
    ],
)
async def test_each_refusal_has_its_error(sink: Recorder, fault: Any, kind: type[Exception]) -> None:
    """And nothing stays behind."""
    async with serving() as house:
        house.faults.append(fault)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one, is what is tested
            await LongPollingTransport().open(asking(house), sink)
        assert type(caught.value) is kind
        assert not house.sessions


async def test_a_busy_server_s_time_is_kept(sink: Recorder) -> None:
    """For whoever waits for the next dial."""
    async with serving() as house:
        house.faults.append(status(503, Retry_After="7"))
        with pytest.raises(HandshakeRefused) as caught:
            await LongPollingTransport().open(asking(house), sink)
        assert caught.value.headers["retry-after"] == "7"


async def test_a_silent_server_is_given_up(sink: Recorder) -> None:
    """Also one that begins to answer, and then says no more."""
    async with serving() as house:
        house.faults += [_never, _dribble]
        for _ in range(2):
            started = asyncio.get_running_loop().time()
            with pytest.raises(ServerSilent):
                await LongPollingTransport().open(asking(house), sink)
            assert asyncio.get_running_loop().time() - started <= 4.1


async def test_nobody_there(sink: Recorder, unused_port: int) -> None:
    """The text names the port."""
    with pytest.raises(HostUnreachable, match=f":{unused_port} refused the connection"):
        await LongPollingTransport().open(DialRequest(f"http://127.0.0.1:{unused_port}/lp"), sink)


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (DialRequest("ftp://example.com/lp"), InvalidURL),
        (DialRequest("http://127.0.0.1:1/lp", headers={"a b": "c"}), InvalidHeader),
        (DialRequest("http://127.0.0.1:1/lp", headers={"a": "b\r\nc: d"}), InvalidHeader),
    ],
)
async def test_what_must_not_be_sent_is_refused(sink: Recorder, request_: DialRequest, kind: type[Exception]) -> None:
    """Before anything is dialled."""
    with pytest.raises(kind):
        await LongPollingTransport().open(request_, sink)


async def test_a_cancelled_dial_leaves_nothing(sink: Recorder) -> None:
    """Neither a task nor a connection."""
    async with serving() as house:
        house.faults.append(_never)
        opening = background(LongPollingTransport().open(asking(house, timeout=60.0), sink))
        await house.until(lambda: bool(house.visits))
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "cableway-polling"]


async def test_secrets_are_in_no_log_text_or_repr(sink: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """The libraries log headers and addresses at their most talkative."""
    caplog.set_level(logging.DEBUG)
    transport = LongPollingTransport()
    async with serving() as house:
        options: dict[str, Any] = {"headers": {"x-jid": MARK, "Cookie": f"a={MARK}"}}
        request = DialRequest(f"{house.url}?jid={MARK}", timeout=2.0, **options)
        connection = await transport.open(request, sink)
        connection.resume()
        await house.until(lambda: house.session.polls == 1)
        texts = [repr(connection), repr(transport)]
        await connection.close()
        house.faults += [status(418), cut]
        for _ in range(2):
            with pytest.raises(ConnectError) as caught:
                await transport.open(request, sink)
            texts += [str(caught.value), repr(caught.value)]
    assert MARK not in caplog.text + "".join(texts)
    assert "pl_1" not in caplog.text + "".join(texts)


# Options --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sending": "now"}, "sending='now' is none: give 'wait' or 'interrupt'"),
        ({"pace": "slow"}, "pace='slow' is none"),
        ({"path": "lp"}, "does not begin with a slash"),
        ({"hold": 60}, "hold=60 is out of range"),
        ({"hold": 0}, "hold=0 is out of range"),
        ({"keepalive": 0}, "keepalive=0 is out of range"),
        ({"max_request_size": 0}, "max_request_size=0 leaves no room"),
        ({"max_message_size": 0}, "max_message_size=0 leaves no room"),
        ({"write_limit": 0}, "write_limit=0 leaves no room"),
    ],
)
def test_options_are_checked(options: Any, text: str) -> None:
    """Each text names the option, and what may be given."""
    with pytest.raises(UsageError, match=text):
        LongPollingTransport(**options)


def test_a_command_fits_into_a_request() -> None:
    """With its line end."""
    assert LongPollingTransport(max_request_size=1000).max_command_size == 999


async def _never(_: House, __: Visit) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


async def _dribble(_: House, visit: Visit) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(visit.request)
    for _ in range(100):
        await response.write(b"x")
        await asyncio.sleep(1)
    return response
