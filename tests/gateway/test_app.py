"""The HTTP face: upgrades, publications, health."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Any

import httpx2
import pytest
from aiohttp import WSMsgType
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cableway.gateway import Channel, Connection, Gateway, GatewayOptions, action
from cableway.gateway.app import WebSocketLine, choose_subprotocol, publication_key
from cableway.server import broadcast_key
from tests.conformance.raw_client import RawClient, stream, until

SECRET = "k3y-demo"


class FakeSocket:
    """A WebSocket whose client never answers."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, WSMsgType]] = []

    async def send_frame(self, frame: bytes, opcode: WSMsgType) -> None:
        """Keep it."""
        self.frames.append((frame, opcode))


class FakeTransport:
    """Keeps how it was ended."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def abort(self) -> None:
        """Be gone."""
        self.calls.append("abort")

    def close(self) -> None:
        """Be gone once all is written."""
        self.calls.append("close")


@pytest.mark.looptime
async def test_a_goodbye_without_answer_drops_what_is_not_written() -> None:
    """Closing alone would wait for ever for a client that reads nothing."""
    socket, transport = FakeSocket(), FakeTransport()
    line = WebSocketLine(socket, transport)  # type: ignore[arg-type]
    started = asyncio.get_running_loop().time()
    await line.close(1001, "Server restart")
    assert socket.frames == [(b"\x03\xe9Server restart", WSMsgType.CLOSE)]
    assert transport.calls[0] == "abort"
    assert asyncio.get_running_loop().time() - started == pytest.approx(1)


async def test_a_line_without_transport_is_gone_already() -> None:
    """The client left before the session began."""
    WebSocketLine(FakeSocket(), None).abort()  # type: ignore[arg-type]


@pytest.mark.looptime
async def test_a_goodbye_over_a_line_that_is_gone_ends_quietly() -> None:
    """There is nothing left to close."""
    await WebSocketLine(FakeSocket(), None).close(1000, "")  # type: ignore[arg-type]


async def ask(gateway: Gateway, method: str, path: str, **more: Any) -> httpx2.Response:
    """Ask by HTTP."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        return await http.request(method, gateway.http_url + path, **more)


async def raw_answer(gateway: Gateway, *lines: str) -> str:
    """Send a request head as it stands, and return the first line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = (await reader.readline()).decode().strip()
    writer.close()
    await writer.wait_closed()
    return answer


UPGRADE = (
    "GET /cable HTTP/1.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        ([], None),
        (["actioncable-v1-json"], "actioncable-v1-json"),
        (["actioncable-unsupported, actioncable-v1-json"], "actioncable-v1-json"),
        (["actioncable-v1-ext-json", "actioncable-v1-json"], "actioncable-v1-json"),
        (["actioncable-v1-ext-json"], "actioncable-v1-ext-json"),
        (["actioncable-v1-jsonx"], None),
    ],
)
def test_the_subprotocol_is_chosen_by_our_list(offers: list[str], chosen: str | None) -> None:
    """Several headers and one list mean the same."""
    assert choose_subprotocol(offers) == chosen


async def test_offers_that_nobody_knows_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """One of them may be a token."""
    caplog.set_level("DEBUG")
    async with Gateway() as gateway, RawClient(gateway.url, subprotocols=["anycable-token.hush"]) as client:
        await client.welcomed()
    server_side = [record.getMessage() for record in caplog.records if not record.name.startswith("websockets")]
    assert not any("hush" in text for text in server_side)


async def test_answers_tell_nothing_of_what_runs_here() -> None:
    """No Server header, neither on pages nor on upgrades."""
    async with Gateway() as gateway:
        for path in ("/health", "/cable", "/nowhere", "/_broadcast"):
            assert "server" not in (await ask(gateway, "GET", path)).headers
        async with RawClient(gateway.url) as client:
            assert client.socket.response is not None
            assert "server" not in client.socket.response.headers


async def test_pings_of_the_websocket_itself_are_answered() -> None:
    """Clients may ask by them whether the line lives; no session is bothered."""
    async with Gateway() as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        async with asyncio.timeout(5):
            await (await client.socket.ping(b"there?"))
        assert gateway.stats().frames_received == 0


async def test_health_is_told() -> None:
    """At the usual path, or another."""
    async with Gateway(health_path="/up") as gateway:
        assert (await ask(gateway, "GET", "/up")).status_code == 200
        assert (await ask(gateway, "GET", "/health")).status_code == 404


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (["Host: 127.0.0.1"], "101"),
        (["Host: 127.0.0.1", "Content-Length: 0"], "101"),
        (["Host: 127.0.0.1", "Content-Length: 5"], "400"),
        (["Host: 127.0.0.1", "Transfer-Encoding: chunked"], "400"),
        (["Host: 127.0.0.1", "Host: other"], "400"),
        ([], "400"),
    ],
)
async def test_upgrades_that_a_proxy_might_read_differently_are_refused(more: list[str], status: str) -> None:
    """A body or a second host on an upgrade is no accident."""
    async with Gateway() as gateway:
        assert (await raw_answer(gateway, *UPGRADE, *more)).split()[1] == status


@pytest.mark.parametrize(
    ("options", "origin", "status"),
    [
        ({}, None, 101),
        ({}, "http://localhost:3000", 101),
        ({}, "https://evil.example", 403),
        ({"public": True}, "https://evil.example", 101),
        ({"allowed_origins": "*"}, "https://evil.example", 101),
        ({"allowed_origins": "good.example"}, "https://good.example", 101),
        ({"allowed_origins": "good.example"}, "http://localhost:3000", 403),
        ({"allowed_origins": "good.example"}, None, 403),
    ],
)
async def test_origins_are_checked_before_the_upgrade(options: dict[str, Any], origin: str | None, status: int) -> None:
    """Refused with 403, and counted."""
    async with Gateway(**options) as gateway:
        headers = {"Origin": origin} if origin else None
        if status == 101:
            async with RawClient(gateway.url, headers=headers) as client:
                await client.welcomed()
            return
        with pytest.raises(InvalidStatus) as refused:
            async with RawClient(gateway.url, headers=headers):
                pass
        assert refused.value.response.status_code == status
        assert gateway.stats().refused_upgrades == 1


async def test_too_many_clients_are_asked_to_come_back() -> None:
    """503 for the one too many; when one leaves, there is room."""
    async with Gateway(max_conn=1) as gateway:
        async with RawClient(gateway.url) as client:
            await client.welcomed()
            with pytest.raises(InvalidStatus) as refused:
                async with RawClient(gateway.url):
                    pass
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"] == "1"
        await until(lambda: gateway.stats().connections == 0)
        async with RawClient(gateway.url) as client:
            await client.welcomed()


async def refusals(gateway: Gateway, clients: int) -> list[int]:
    """Ask for so many upgrades that are refused for load; return the seconds that each was told."""
    told = []
    for _ in range(clients):
        with pytest.raises(InvalidStatus) as refused:
            async with RawClient(gateway.url):
                pass
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Connection"] == "close"
        told.append(int(refused.value.response.headers["Retry-After"]))
    return told


@pytest.mark.looptime
async def test_a_crowd_before_a_full_house_is_asked_back_one_after_another() -> None:
    """The more were refused, the later the next may come, at the pace at which new sessions are let in."""
    async with Gateway(max_conn=1, accept_rate=2) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        assert await refusals(gateway, 6) == [1, 1, 2, 2, 3, 3]
        look = gateway.stats()
        assert (look.sessions, look.refused_for_load, look.refused_upgrades) == (1, 6, 6)


@pytest.mark.looptime
async def test_beyond_the_rate_clients_wait_in_the_order_in_which_they_came() -> None:
    """Half a second each at two a second; who finds the queue full is refused at once, to come behind all of them."""
    loop = asyncio.get_running_loop()
    welcomed: list[tuple[int, float]] = []

    async def come(name: int) -> None:
        async with RawClient(gateway.url) as client:
            await client.welcomed()
            welcomed.append((name, loop.time() - started))

    async with Gateway(accept_rate=2, accept_wait=1.5) as gateway:
        started = loop.time()
        coming = []
        for name in range(4):
            coming.append(asyncio.create_task(come(name)))
            await until(lambda name=name: gateway.stats().waiting + gateway.stats().sessions == name + 1)
        assert gateway.stats().waiting == 3
        assert await refusals(gateway, 3) == [2, 2, 3]
        await asyncio.gather(*coming)
        look = gateway.stats()
    assert welcomed == [(name, pytest.approx(name / 2, abs=0.05)) for name in range(4)]
    assert (look.sessions, look.waiting, look.refused_for_load, look.skipped_dead) == (4, 0, 3, 0)


class GuardedConnection(Connection):
    """Counts whom it was asked about."""

    asked = 0

    async def connect(self) -> None:
        """Count."""
        type(self).asked += 1


async def upgrade(gateway: Gateway) -> asyncio.StreamWriter:
    """Ask for an upgrade by hand, and wait for no answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write("\r\n".join([*UPGRADE, "Host: 127.0.0.1", "", ""]).encode())
    return writer


@pytest.mark.looptime
@pytest.mark.parametrize("goodbye", ["close", "abort"])
async def test_a_client_that_left_the_queue_costs_neither_work_nor_a_turn(goodbye: str) -> None:
    """Nobody asks who it was, and the next is let in at the time that would have been its."""
    GuardedConnection.asked = 0
    loop = asyncio.get_running_loop()
    async with Gateway(connection=GuardedConnection, accept_rate=1, accept_wait=9) as gateway:
        async with RawClient(gateway.url) as first:
            await first.welcomed()
            started = loop.time()
            leaving = [await upgrade(gateway) for _ in range(3)]
            await until(lambda: gateway.stats().waiting == 3)
            next_client = asyncio.create_task(RawClient(gateway.url).__aenter__())
            await until(lambda: gateway.stats().waiting == 4)
            for writer in leaving:
                writer.transport.abort() if goodbye == "abort" else writer.close()
            await until(lambda: gateway.stats().waiting == 1)
            await (await next_client).welcomed()
            assert loop.time() - started == pytest.approx(1, abs=0.1)
            await next_client.result().close()
        look = gateway.stats()
    assert (look.skipped_dead, look.sessions, look.refused_upgrades, GuardedConnection.asked) == (3, 2, 0, 2)


@pytest.mark.parametrize("rate", [0, 1000])
async def test_a_client_that_left_right_behind_its_request_is_skipped(rate: int) -> None:
    """With or without a limit: the goodbye is in the socket when the request is read."""
    GuardedConnection.asked = 0
    async with Gateway(connection=GuardedConnection, accept_rate=rate) as gateway:
        (await upgrade(gateway)).close()
        await until(lambda: gateway.stats().skipped_dead == 1)
        assert (gateway.stats().sessions, GuardedConnection.asked) == (0, 0)


@pytest.mark.looptime
async def test_a_house_that_filled_up_meanwhile_refuses_who_waited() -> None:
    """A turn is no right to a place."""
    async with Gateway(max_conn=2, accept_rate=1, accept_wait=9) as gateway, RawClient(gateway.url) as first:
        await first.welcomed()
        dials = [asyncio.create_task(RawClient(gateway.url).__aenter__()) for _ in range(2)]
        second, third = await asyncio.gather(*dials, return_exceptions=True)
        assert isinstance(second, RawClient)
        assert isinstance(third, InvalidStatus)
        assert third.response.headers["Retry-After"] == "1"
        await second.close()


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("query", "first", "then"), [("", (1.5, 4.5), 3), ("?pi=10", (5, 15), 10), ("?pi=x", (1.5, 4.5), 3)]
)
async def test_the_first_ping_is_spread_and_the_rest_are_exact(
    query: str, first: tuple[float, float], then: float
) -> None:
    """Half to one and a half intervals after the welcome, then every interval; a client may choose its own."""
    loop = asyncio.get_running_loop()
    seen = set()
    async with Gateway(random=Random(7)) as gateway:
        for _ in range(3):
            async with RawClient(gateway.url + query) as client:
                await client.welcomed()
                welcomed = loop.time()
                await _ping(client)
                one = loop.time()
                await _ping(client)
                seen.add(round(one - welcomed, 2))
                assert first[0] <= one - welcomed <= first[1] + 0.1
                assert loop.time() - one == pytest.approx(then, abs=0.1)
    assert len(seen) == 3


async def _ping(client: RawClient) -> None:
    frame = json.loads(await client.socket.recv())
    assert frame["type"] == "ping"


@pytest.mark.looptime
@pytest.mark.parametrize(("query", "options"), [("?pi=0", {}), ("?pi=-1", {}), ("", {"ping_interval": 0})])
async def test_pings_can_be_off(query: str, options: dict[str, Any]) -> None:
    """For one client, or for all."""
    async with Gateway(**options) as gateway, RawClient(gateway.url + query) as client:
        await client.welcomed()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await client.socket.recv()


@pytest.mark.parametrize(("query", "digits"), [("", 10), ("?ptp=ms", 13), ("?ptp=ns", 19), ("?ptp=parsec", 10)])
async def test_the_unit_of_pings_is_the_clients_choice(query: str, digits: int) -> None:
    """Seconds, unless a known unit is named."""
    async with Gateway(ping_interval=0.01) as gateway, RawClient(gateway.url + query) as client:
        await client.welcomed()
        frame = await client.frame(pings=True)
        assert len(str(frame["message"])) == digits


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, None),
        ({"public": True, "secret": SECRET}, None),
        ({"secret": SECRET}, broadcast_key(SECRET)),
        ({"secret": SECRET, "broadcast_key": "own"}, "own"),
    ],
)
def test_the_broadcast_key_is_given_or_derived(options: dict[str, Any], key: str | None) -> None:
    """In public mode none is asked for."""
    assert publication_key(GatewayOptions(**options)) == key


@pytest.mark.parametrize(
    ("options", "header", "status"),
    [
        ({}, None, 401),
        ({}, "Bearer", 401),
        ({"public": True}, None, 201),
        ({"secret": SECRET}, None, 401),
        ({"secret": SECRET}, f"Bearer {SECRET}", 401),
        ({"secret": SECRET}, f"Bearer {broadcast_key(SECRET)}", 201),
        ({"broadcast_key": "own"}, "Bearer own", 201),
        ({"broadcast_key": "own"}, "bearer own", 401),
    ],
)
async def test_who_may_publish(options: dict[str, Any], header: str | None, status: int) -> None:
    """With the key; by anybody where the gateway is public; by nobody where there is no key."""
    async with Gateway(**options) as gateway:
        headers = {"Authorization": header} if header else {}
        answer = await ask(gateway, "POST", "/_broadcast", headers=headers, json={"stream": "a", "data": "1"})
        assert answer.status_code == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
async def test_publications_are_posted(method: str) -> None:
    """Whatever else is tried is answered with 422."""
    async with Gateway(public=True) as gateway:
        assert (await ask(gateway, method, "/_broadcast")).status_code == 422


async def test_a_body_that_is_too_large_cannot_be_read() -> None:
    """422, and nothing is kept."""
    async with Gateway(public=True) as gateway:
        assert (await ask(gateway, "POST", "/_broadcast", content=b"x" * 17_000_000)).status_code == 422
        assert gateway.stats().failed_broadcasts == 0


async def test_publications_that_cannot_be_read_are_counted() -> None:
    """The publisher gets 201 all the same."""
    async with Gateway(public=True) as gateway:
        assert (await ask(gateway, "POST", "/_broadcast", content=b"garbage")).status_code == 201
        assert (gateway.stats().failed_broadcasts, gateway.stats().broadcasts) == (1, 0)


async def test_the_broadcast_path_can_be_moved() -> None:
    """An operator may hide it behind another name."""
    async with Gateway(public=True, http_broadcast_path="/hidden/publish") as gateway:
        answer = await ask(gateway, "POST", "/hidden/publish", json={"stream": "a", "data": "1"})
        assert answer.status_code == 201
        assert (await ask(gateway, "POST", "/_broadcast", json={})).status_code == 404


@pytest.mark.parametrize(
    ("header", "sid"), [("r-1", "r-1"), ("x" * 128, "x" * 128), ("x" * 129, None), ("", None), (None, None)]
)
async def test_the_request_id_becomes_the_session_id(header: str | None, sid: str | None) -> None:
    """Where it is sane; otherwise one is drawn that nobody guesses."""
    async with Gateway() as gateway:
        headers = {"X-Request-ID": header} if header is not None else None
        async with RawClient(gateway.url, headers=headers) as client:
            told = (await client.expect(type="welcome"))["sid"]
    assert told == sid if sid else len(told) >= 22


class MirrorChannel(Channel):
    """Tells what it knows of the request."""

    @action
    async def look(self) -> None:
        """Tell."""
        request = self.connection.request
        self.transmit([request.path, request.remote, request.query.get("a"), dict(request.cookies)])


async def test_cookies_of_several_headers_are_one_list() -> None:
    """Path, peer, query and cookies are all there."""
    headers = {"Cookie": "x=1; y=two words"}
    async with Gateway([MirrorChannel]) as gateway, RawClient(f"{gateway.url}?a=b", headers=headers) as client:
        await client.welcomed()
        target = await client.subscribe('{"channel":"MirrorChannel"}')
        await client.perform(target, "look")
        await client.expect_message(target, ["/cable", "127.0.0.1", "b", {"x": "1", "y": "two words"}])


@pytest.mark.parametrize("enabled", [False, True])
async def test_compression_is_offered_only_where_asked_for(*, enabled: bool) -> None:
    """As AnyCable: off unless enabled; then it works both ways."""
    async with (
        Gateway(public=True, enable_ws_compression=enabled) as gateway,
        connect(gateway.url, proxy=None) as socket,
    ):
        assert socket.response is not None
        assert ("Sec-WebSocket-Extensions" in socket.response.headers) is enabled
        assert json.loads(await socket.recv())["type"] == "welcome"
        await socket.send(json.dumps({"command": "subscribe", "identifier": stream("a")}))
        assert json.loads(await socket.recv())["type"] == "confirm_subscription"
        await gateway.broadcast("a", "x" * 10_000)
        assert json.loads(await socket.recv())["message"] == "x" * 10_000


@pytest.mark.parametrize("flavour", ["strict", "anycable"])
async def test_a_past_since_false_is_asked_since_no_time(flavour: str) -> None:
    """As AnyCable's own client writes it beside the places that it knows; to AnyCable it makes no sense."""
    async with Gateway(public=True, flavour=flavour) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("s"))
        for message in (1, 2):
            await gateway.broadcast("s", message)
            place = await client.expect(message=message)
        history = {"since": False, "streams": {"s": {"epoch": place["epoch"], "offset": 1}}}
        await client.command("history", identifier=target, history=history)
        if flavour == "strict":
            await client.expect(message=2, offset=2)
            await client.expect(type="confirm_history")
        else:
            await until(lambda: gateway.stats().malformed_frames == 1)
