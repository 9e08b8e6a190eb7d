"""Long polling: the requests, and the sessions behind them."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from cableway.gateway import Channel, Connection, Gateway, action
from tests.conformance.poll_client import EXTENDED, POLL_ID, PollClient, performing, subscribing
from tests.conformance.raw_client import WAIT, identifier, stream, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway.gateway.poll_line import PollLine

QUICK = {"poll": True, "poll_flush_interval": 10, "poll_interval": 60}


@pytest.fixture(autouse=True)
async def no_task_left() -> AsyncIterator[None]:
    """Check after each test that the gateway left no task behind."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if "gateway" in task.get_name() or "aiohttp" in repr(task)}
    assert left == set()


class Slow(Channel):
    """Takes as long as the test wants."""

    gate: asyncio.Event
    pages: list[Any] = []  # noqa: RUF012 - emptied by each test

    @action
    async def wait(self) -> None:
        """Wait for the test."""
        self.pages.append("waiting")
        await self.gate.wait()

    @action
    def note(self, data: dict[str, Any]) -> None:
        """Write it down."""
        self.pages.append(data)

    async def unsubscribed(self) -> None:
        """Write it down."""
        self.pages.append("ended")


SLOW = identifier("Slow")


@pytest.fixture(autouse=True)
def fresh_channel() -> None:
    """Start each test with a closed gate, and nothing written."""
    Slow.gate = asyncio.Event()
    Slow.pages.clear()


def lines_of(gateway: Gateway) -> list[PollLine]:
    """Return the lines of all sessions."""
    return [session._line for session in gateway._house.sessions]  # type: ignore[attr-defined]


def holding(gateway: Gateway) -> bool:
    """Tell whether a poll waits."""
    return any(line._turn is not None for line in lines_of(gateway))


async def test_an_opening_request_without_commands_is_answered_at_once() -> None:
    """A client that only wants in need not wait for more to be said."""
    async with Gateway(**{**QUICK, "poll_flush_interval": 60_000}) as gateway, PollClient(gateway.http_url) as client:
        response = await client.post_text("\n")
        assert response.headers["Content-Type"] == "application/jsonl; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"
        assert [frame["type"] for frame in client.frames] == ["welcome"]


async def test_ids_cannot_be_guessed_from_each_other_or_from_sessions() -> None:
    """A poll's id is no session's id, which clients can choose."""
    async with Gateway(**QUICK) as gateway:
        ids = set()
        for _ in range(3):
            async with PollClient(gateway.http_url, headers={"X-Request-ID": "mine"}) as client:
                assert (await client.frame())["sid"] == "mine"
                ids.add(client.headers[POLL_ID])
        assert len(ids) == 3
        assert "mine" not in ids
        assert min(map(len, ids)) == 22


async def test_who_hangs_up_before_being_let_in_is_gone() -> None:
    """Nobody knows the session's id, so nobody could poll it."""
    gate = asyncio.Event()

    class Hesitant(Connection):
        async def connect(self) -> None:
            await gate.wait()

    async with Gateway([Slow], connection=Hesitant, **QUICK) as gateway, PollClient(gateway.http_url) as client:
        opening = asyncio.create_task(client.post(subscribing(SLOW)))
        await until(lambda: gateway.stats().connections == 1)
        opening.cancel()
        await until(lambda: not any(line.asking for line in lines_of(gateway)))
        gate.set()
        await until(lambda: gateway.stats().connections == 0)
        assert not client.opened


async def test_commands_reach_a_slow_channel_in_order_while_polls_go_on() -> None:
    """A poll that is answered does not mean that its commands are through."""
    async with (
        Gateway([Slow], **{**QUICK, "poll_interval": 0.05}) as gateway,
        PollClient(gateway.http_url) as client,
    ):
        await client.welcomed()
        await client.subscribe(SLOW)
        assert (await client.post(performing(SLOW, "wait"), performing(SLOW, "note", n=1))).status_code == 204
        assert (await client.post(performing(SLOW, "note", n=2))).status_code == 204
        assert Slow.pages == ["waiting"]
        Slow.gate.set()
        await until(lambda: Slow.pages[1:] == [{"n": 1}, {"n": 2}])


async def test_who_stays_away_is_gone_and_what_it_asked_is_still_carried_out() -> None:
    """As for a WebSocket that breaks; meanwhile its id is stale already."""
    async with (
        Gateway([Slow], **{**QUICK, "poll_interval": 0.01, "poll_keepalive_timeout": 0.05}) as gateway,
        PollClient(gateway.http_url) as client,
    ):
        await client.welcomed()
        await client.subscribe(SLOW)
        await client.post(performing(SLOW, "wait"), performing(SLOW, "note", n=1))
        await until(lambda: lines_of(gateway)[0].over)
        assert (await client.post()).status_code == 401
        assert gateway.stats().connections == 1
        Slow.gate.set()
        await until(lambda: gateway.stats().connections == 0)
        assert Slow.pages == ["waiting", {"n": 1}, "ended"]


async def test_a_client_that_stops_reading_is_no_one_else_s_trouble() -> None:
    """Its answer is given up with it; another's poll is held meanwhile."""
    async with Gateway(public=True, **QUICK) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        await client.subscribe(stream("a"))
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        head = f"POST /lp HTTP/1.1\r\nHost: h\r\n{POLL_ID}: {client.headers[POLL_ID]}\r\nContent-Length: 0\r\n\r\n"
        writer.write(head.encode())
        await until(lambda: holding(gateway))
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
        await until(lambda: not holding(gateway))
        await gateway.broadcast("a", "kept")
        await client.expect(message="kept")


async def test_no_write_takes_too_long_for_who_fetches_it() -> None:
    """A client may take its time between two polls: that line is not stuck."""
    async with Gateway(**QUICK) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        sessions: list[Any] = list(gateway._house.sessions)
        assert [session._outbound._write_timeout for session in sessions] == [None]


async def test_nothing_is_kept_of_a_session_that_is_over() -> None:
    """Neither its id nor its line."""
    async with Gateway(**{**QUICK, "poll_keepalive_timeout": 0.02}) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        *_, closer = gateway._house.closers
        polling: Any = closer.__self__  # type: ignore[attr-defined]
        assert list(polling._lines) == [client.headers[POLL_ID]]
        await until(lambda: gateway.stats().connections == 0 and not polling._serving)
        assert polling._lines == {}


async def test_no_pings_are_sent() -> None:
    """Each would end a poll, and each poll is a beat; nor is anybody cut for not answering one."""
    async with (
        Gateway(ping_interval=0.01, pong_timeout=0.01, **{**QUICK, "poll_interval": 0.2}) as gateway,
        PollClient(gateway.http_url, headers={"Sec-WebSocket-Protocol": EXTENDED}, params={"pi": "1"}) as client,
    ):
        await client.welcomed()
        assert (await client.post()).status_code == 204


@pytest.mark.parametrize("how", ["drop", "kill"])
async def test_no_session_outlives_its_gateway(how: str) -> None:
    """Held or not, they are cut off."""
    async with (
        Gateway(public=True, **QUICK) as gateway,
        PollClient(gateway.http_url) as client,
        PollClient(gateway.http_url) as absent,
    ):
        await client.welcomed()
        await absent.welcomed()
        poll = asyncio.create_task(client.post())
        await until(lambda: holding(gateway))
        async with asyncio.timeout(1):
            if how == "kill":
                gateway.kill()
            await gateway.stop(graceful=False)
        with pytest.raises(httpx2.TransportError):
            await poll
        assert gateway.stats().connections == 0


async def test_a_stop_does_not_wait_for_who_has_just_hung_up() -> None:
    """Not for as long as it would count as there otherwise: it will not ask again."""
    async with Gateway(**QUICK) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        poll = asyncio.create_task(client.post())
        await until(lambda: holding(gateway))
        poll.cancel()
        # The client is gone, and the gateway has not seen it yet.
        await asyncio.wait([poll])
        assert holding(gateway)
        async with asyncio.timeout(1):
            await gateway.stop()


async def test_a_stop_tells_the_opening_request_too() -> None:
    """503, with the line that says why."""
    gate = asyncio.Event()

    class Hesitant(Connection):
        async def connect(self) -> None:
            await gate.wait()

    async with Gateway(connection=Hesitant, **QUICK) as gateway, PollClient(gateway.http_url) as client:
        opening = asyncio.create_task(client.post())
        await until(lambda: gateway.stats().connections == 1)
        stopping = asyncio.create_task(gateway.stop())
        async with asyncio.timeout(WAIT):
            assert (await opening).status_code == 503
        assert client.frames.pop()["reason"] == "server_restart"
        gate.set()
        await stopping


async def test_a_session_that_breaks_is_logged_and_gone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client is told as if it had stayed away."""
    async with Gateway(**QUICK) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()

        async def broken(*_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr("cableway.gateway.session.Session._wait_for_room", broken)
        stale = await client.post({"command": "ping"})
        assert stale.status_code in (204, 401)
        await until(lambda: gateway.stats().connections == 0)
        assert (await client.post()).status_code == 401
        assert "a polled session broke" in caplog.text


async def test_nobody_polls_while_it_is_off() -> None:
    """The path is not there unless asked for, and may be another."""
    async with Gateway() as gateway, PollClient(gateway.http_url) as client:
        assert (await client.post()).status_code == 404
    async with Gateway(poll_path="/x/lp", **QUICK) as gateway, PollClient(f"{gateway.http_url}/x") as client:
        await client.welcomed()


async def test_rails_polls_speak_the_base_protocol() -> None:
    """Whatever is asked for; and no id is told."""
    headers = {"Sec-WebSocket-Protocol": EXTENDED}
    async with Gateway(flavour="rails", **QUICK) as gateway, PollClient(gateway.http_url, headers=headers) as client:
        opened = await client.post()
        assert opened.headers["Sec-WebSocket-Protocol"] == "actioncable-v1-json"
        assert client.frames == [{"type": "welcome"}]


async def test_anycables_flavour_reads_no_further_after_nonsense() -> None:
    """As on a WebSocket: the polls go on, and say nothing."""
    async with (
        Gateway(flavour="anycable", **{**QUICK, "poll_interval": 0.05}) as gateway,
        PollClient(gateway.http_url) as client,
    ):
        await client.welcomed()
        assert (await client.post_text("{\n" + json.dumps({"command": "ping"}) + "\n")).status_code == 204


@pytest.mark.parametrize(
    ("method", "headers", "content", "status"),
    [
        ("POST", {}, "", 200),
        ("OPTIONS", {}, "", 200),
        ("GET", {}, "", 405),
        ("POST", {"Origin": "https://example.org"}, "", 403),
        ("POST", {"Host": "evil.example"}, "", 403),
        ("POST", {}, " " * 65_537, 413),
        ("POST", {POLL_ID: ""}, "", 401),
    ],
)
async def test_the_request_alone_may_decide(method: str, headers: dict[str, str], content: str, status: int) -> None:
    """Before a session begins or is found."""
    async with Gateway(**QUICK) as gateway, httpx2.AsyncClient(trust_env=False) as client:
        response = await client.request(method, f"{gateway.http_url}/lp", headers=headers, content=content)
        assert response.status_code == status
        assert gateway.stats().sessions == (status == 200 and method != "OPTIONS")


async def test_a_crowd_is_sent_away_and_who_is_in_polls_on() -> None:
    """With the headers that a page needs to see it."""
    async with Gateway(public=True, max_conn=1, **QUICK) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        async with PollClient(gateway.http_url) as late:
            response = await late.post()
            assert (response.status_code, late.opened) == (503, False)
            assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_an_answer_that_cannot_be_written_is_for_the_next_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its place, before what comes later. If it was the first one, nobody knows the session, and it ends."""
    async with Gateway(public=True, **QUICK) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        await client.subscribe(stream("a"))
        await gateway.broadcast("a", 1)

        async def lost(*_: object) -> bool:
            return False

        with monkeypatch.context() as patch:
            patch.setattr("cableway.gateway.polling._written", lost)
            await client.post()
            async with PollClient(gateway.http_url) as nobody:
                await nobody.post()
        await until(lambda: gateway.stats().connections == 1)
        client.frames.clear()
        await gateway.broadcast("a", 2)
        await client.post()
        assert [frame["message"] for frame in client.frames] == [1, 2]
