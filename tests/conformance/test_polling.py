"""Conformance: long polling, as AnyCable documents it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from cableway.gateway import Channel, Connection, Gateway, action
from tests.conformance.handmade import good, token
from tests.conformance.poll_client import EXTENDED, POLL_ID, PollClient, performing, subscribing
from tests.conformance.raw_client import RawClient, identifier, stream, until
from tests.conformance.servers import SECRET

ECHO = identifier("Echo")
QUICK = {"poll": True, "poll_flush_interval": 20, "poll_interval": 0.5}


class Echo(Channel):
    """Says what it is told, and who it is that says it."""

    heard: list[Any] = []  # noqa: RUF012 - emptied by each test

    @action
    def echo(self, data: dict[str, Any]) -> None:
        """Say it again."""
        self.heard.append(data)
        self.transmit(data)

    @action
    def whoami(self) -> None:
        """Tell the client who it is."""
        self.transmit(self.connection.identifiers)

    @action
    def leave(self) -> None:
        """End the session."""
        self.connection.disconnect(reconnect=True)


class Guarded(Connection):
    """Lets in who has the right cookie; breaks where it is asked to."""

    async def connect(self) -> None:
        """Look at the cookie."""
        if self.request.query.get("break"):
            msg = "as asked"
            raise RuntimeError(msg)
        if self.request.cookies.get("user") != "ann":
            self.reject()
        self.identifiers["user"] = "ann"


@pytest.fixture(autouse=True)
def nothing_heard() -> None:
    """Start each test with an empty diary."""
    Echo.heard.clear()


async def test_a_session_is_opened_polled_and_spoken_on() -> None:
    """An id with the welcome; then commands and frames by lines, and an empty answer where there is nothing."""
    async with Gateway([Echo], **QUICK) as gateway, PollClient(gateway.http_url) as client:
        opened = await client.post()
        assert (opened.status_code, client.opened) == (200, True)
        assert client.frames.pop()["sid"]
        await client.subscribe(ECHO)
        await client.expect(performing(ECHO, "echo", n=1), identifier=ECHO, message={"n": 1})
        empty = await client.post()
        assert (empty.status_code, empty.content) == (204, b"")


async def test_commands_may_come_with_the_opening_request() -> None:
    """They are carried out in order once the client is let in, and answered with the welcome."""
    async with Gateway([Echo], **QUICK) as gateway, PollClient(gateway.http_url) as client:
        await client.post(subscribing(ECHO), performing(ECHO, "echo", n=1), performing(ECHO, "echo", n=2))
        assert [frame.get("type") or frame["message"] for frame in client.frames] == [
            "welcome",
            "confirm_subscription",
            {"n": 1},
            {"n": 2},
        ]


async def test_commands_of_who_is_not_let_in_are_not_carried_out() -> None:
    """401, with the reason as a line, and no id."""
    async with Gateway([Echo], connection=Guarded, **QUICK) as gateway, PollClient(gateway.http_url) as client:
        refused = await client.post(subscribing(ECHO), performing(ECHO, "echo", n=1))
        assert (refused.status_code, client.opened) == (401, False)
        assert client.frames == [{"type": "disconnect", "reason": "unauthorized", "reconnect": False}]
        await until(lambda: gateway.stats().connections == 0)
        assert Echo.heard == []


async def test_a_session_is_known_by_its_opening_request() -> None:
    """Cookies count, and those of later requests do not."""
    async with (
        Gateway([Echo], connection=Guarded, **QUICK) as gateway,
        PollClient(gateway.http_url, headers={"Cookie": "user=ann"}) as client,
    ):
        await client.welcomed()
        del client.headers["Cookie"]
        await client.subscribe(ECHO)
        frame = await client.frame(performing(ECHO, "whoami"))
        assert frame["message"]["user"] == "ann"


@pytest.mark.parametrize(
    ("carrier", "name"), [("headers", "x-jid"), ("params", "jid")], ids=["a header", "the address"]
)
async def test_a_token_comes_as_for_a_websocket(carrier: str, name: str) -> None:
    """In a header or in the address; one that is wrong or has ended is told so with 401."""
    async with Gateway(secret=SECRET, norpc=True, **QUICK) as gateway:
        for given, reason in [(good(), None), (good(exp=1), "token_expired"), (token(secret="x"), "unauthorized")]:
            async with PollClient(gateway.http_url, **{carrier: {name: given}}) as client:  # type: ignore[arg-type]
                response = await client.post()
                assert response.status_code == (200 if reason is None else 401)
                assert client.frames[0].get("reason") == reason


async def test_a_server_that_fails_to_let_in_says_so() -> None:
    """500 and no lines: as a WebSocket is closed with 1011, and the client may try again."""
    async with (
        Gateway(connection=Guarded, **QUICK) as gateway,
        PollClient(gateway.http_url, params={"break": "1"}) as client,
    ):
        response = await client.post()
        assert (response.status_code, response.content, client.opened) == (500, b"", False)


async def test_a_poll_is_held_until_there_is_something_to_say() -> None:
    """Published while it waits, it arrives with that very answer, and what follows closely with it."""
    options = {**QUICK, "poll_interval": 5, "poll_flush_interval": 200}
    async with Gateway(public=True, **options) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        await client.subscribe(stream("a"))
        poll = asyncio.create_task(client.post())
        await until(lambda: _holding(gateway))
        for value in (1, 2, 3):
            await gateway.broadcast("a", value)
        assert (await poll).status_code == 200
        assert [frame["message"] for frame in client.frames] == [1, 2, 3]


async def test_what_is_published_between_two_polls_waits_for_the_next() -> None:
    """In order, together with what a WebSocket on the same stream gets at once."""
    async with (
        Gateway(public=True, **QUICK) as gateway,
        PollClient(gateway.http_url) as client,
        RawClient(gateway.url) as other,
    ):
        await client.welcomed()
        await client.subscribe(stream("a"))
        await other.welcomed()
        await other.subscribe(stream("a"))
        for value in ("one", "two"):
            await gateway.broadcast("a", value)
            await other.expect_message(stream("a"), value)
        await client.post()
        assert [frame["message"] for frame in client.frames] == ["one", "two"]
        assert all(frame["stream_id"] == "a" for frame in client.frames)


async def test_a_message_that_was_written_over_several_lines_is_one_line() -> None:
    """Between the tokens of JSON there may be line ends, and here they would end the frame."""
    async with Gateway(public=True, **QUICK) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        await client.subscribe(stream("a"))
        published = {"stream": "a", "data": json.dumps({"text": "one\ntwo"}, indent=2).replace("\n", "\r\n")}
        async with httpx2.AsyncClient(trust_env=False) as back_end:
            await back_end.post(f"{gateway.http_url}/_broadcast", json=published)
        await client.expect(identifier=stream("a"), message={"text": "one\ntwo"})


async def test_a_session_that_is_not_polled_is_stale() -> None:
    """401 and ``session_expired`` for its id, as for one that never was; its channels have ended."""
    options = {**QUICK, "poll_keepalive_timeout": 0.1}
    async with Gateway([Echo], **options) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        await client.subscribe(ECHO)
        await until(lambda: gateway.stats().subscriptions == 0 and gateway.stats().connections == 0)
        for poll_id in (client.headers[POLL_ID], "never-given"):
            client.headers[POLL_ID] = poll_id
            stale = await client.post(performing(ECHO, "echo", n=1))
            assert stale.status_code == 401
            assert client.frames.pop() == {"type": "disconnect", "reason": "session_expired", "reconnect": True}
        assert (gateway.stats().stale_polls, Echo.heard) == (2, [])


async def test_a_second_request_takes_the_place_of_the_first() -> None:
    """The first is answered at once, with nothing; the second brings its commands, and gets what there is to say."""
    options = {**QUICK, "poll_interval": 60}
    async with (
        Gateway([Echo], **options) as gateway,
        PollClient(gateway.http_url) as client,
        PollClient(gateway.http_url) as twin,
    ):
        await client.welcomed()
        await client.subscribe(ECHO)
        twin.headers = client.headers
        waiting = asyncio.create_task(client.post())
        await until(lambda: _holding(gateway))
        await twin.expect(performing(ECHO, "echo", n=1), message={"n": 1})
        assert ((await waiting).status_code, client.frames) == (204, [])


async def test_who_aborts_a_poll_loses_nothing() -> None:
    """What it would have got is for the next one: JavaScript's client aborts a poll when it has something to send."""
    options = {**QUICK, "poll_interval": 60, "poll_flush_interval": 60_000}
    async with Gateway(public=True, **options) as gateway, PollClient(gateway.http_url) as client:
        sid = (await client.expect(type="welcome"))["sid"]
        aborted = asyncio.create_task(client.post(subscribing(stream("a"))))
        await until(lambda: gateway.stats().subscriptions == 1)
        await gateway.broadcast("a", "kept")
        aborted.cancel()
        await until(lambda: not _holding(gateway))
        poll = asyncio.create_task(client.post())
        await until(lambda: _holding(gateway))
        await gateway.disconnect({"sid": sid})
        await poll
        kinds = [frame.get("type", frame.get("message")) for frame in client.frames]
        assert kinds == ["confirm_subscription", "kept", "disconnect"]


async def test_a_request_over_the_limit_is_an_error() -> None:
    """413; one that is just as large as allowed is none."""
    async with (
        Gateway(poll_max_request_size=100, **QUICK) as gateway,
        PollClient(gateway.http_url) as client,
    ):
        assert (await client.post_text(" " * 101)).status_code == 413
        assert not client.opened
        assert (await client.post_text(" " * 100)).status_code == 200


async def test_a_line_that_makes_no_sense_is_counted_and_skipped() -> None:
    """Those beside it are carried out, whether the last one is terminated or not."""
    async with Gateway([Echo], **QUICK) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        await client.post_text(f"{{nonsense\n\n{json.dumps(subscribing(ECHO))}")
        assert [frame["type"] for frame in client.frames] == ["confirm_subscription"]
        assert gateway.stats().malformed_frames == 1


@pytest.mark.parametrize(
    ("headers", "params"),
    [({"Sec-WebSocket-Protocol": EXTENDED}, {}), ({}, {"protocol": EXTENDED})],
    ids=["a header", "the address"],
)
async def test_a_session_of_the_extended_protocol_is_given_back(
    headers: dict[str, str], params: dict[str, str]
) -> None:
    """Who names that protocol and the session's id finds its subscriptions again, and may ask for what it missed."""
    options = {**QUICK, "poll_keepalive_timeout": 0.1}
    async with Gateway(public=True, **options) as gateway:
        async with PollClient(gateway.http_url, headers=headers, params=params) as client:
            opened = await client.post()
            assert opened.headers["Sec-WebSocket-Protocol"] == EXTENDED
            sid = client.frames.pop()["sid"]
            await client.subscribe(stream("a"))
            await gateway.broadcast("a", "seen")
            seen = await client.expect(message="seen")
        await until(lambda: gateway.stats().connections == 0)
        await gateway.broadcast("a", "missed")
        restoring = {**headers, "X-ANYCABLE-RESTORE-SID": sid}
        async with PollClient(gateway.http_url, headers=restoring, params=params) as client:
            await client.expect(type="welcome", restored=True, restored_ids=[stream("a")])
            place = {"a": {"epoch": seen["epoch"], "offset": seen["offset"]}}
            asking = {"command": "history", "identifier": stream("a"), "history": {"streams": place}}
            await client.expect(asking, message="missed")
            await client.expect(type="confirm_history")


async def test_a_session_of_the_base_protocol_is_not_given_back() -> None:
    """That is the protocol where none is named, or both are: its clients could make nothing of it."""
    both = f"{EXTENDED}, actioncable-v1-json"
    for headers in ({}, {"Sec-WebSocket-Protocol": both}):
        async with Gateway(public=True, **QUICK) as gateway, PollClient(gateway.http_url, headers=headers) as client:
            opened = await client.post()
            assert opened.headers["Sec-WebSocket-Protocol"] == "actioncable-v1-json"
            sid = client.frames.pop()["sid"]
            async with PollClient(gateway.http_url, headers={**headers, "X-ANYCABLE-RESTORE-SID": sid}) as again:
                assert "restored" not in await again.expect(type="welcome")


async def test_a_session_moves_between_transports() -> None:
    """Begun on a WebSocket, it is given back to who polls: both have one house."""
    async with Gateway(public=True, **QUICK) as gateway:
        async with RawClient(gateway.url, subprotocols=[EXTENDED]) as first:
            sid = (await first.expect(type="welcome"))["sid"]
            await first.subscribe(stream("a"))
        async with PollClient(gateway.http_url, params={"protocol": EXTENDED, "sid": sid}) as client:
            await client.expect(type="welcome", restored=True, restored_ids=[stream("a")])
            await gateway.broadcast("a", "on")
            await client.expect(identifier=stream("a"), message="on")


async def test_a_client_that_polls_too_slowly_is_cut() -> None:
    """What waits has a limit; beyond it, it is dropped, and the next poll brings the reason. The id is stale then."""
    options = {**QUICK, "ws_max_pending_size": 10_000}
    async with Gateway(public=True, **options) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        await client.subscribe(stream("a"))
        for _ in range(11):
            await gateway.broadcast("a", "x" * 1000)
        await client.post()
        assert client.frames.pop() == {"type": "disconnect", "reason": "too_slow", "reconnect": True}
        assert len(client.frames) <= 1
        assert gateway.stats().too_slow == 1
        assert (await client.post()).status_code == 401


async def test_the_server_may_end_a_polled_session() -> None:
    """The reason comes with the poll, and the id is stale after it."""
    async with Gateway([Echo], **QUICK) as gateway, PollClient(gateway.http_url) as client:
        await client.welcomed()
        await client.subscribe(ECHO)
        response = await client.post(performing(ECHO, "leave"))
        assert (response.status_code, client.frames) == (
            200,
            [{"type": "disconnect", "reason": "remote", "reconnect": True}],
        )
        assert (await client.post()).status_code == 401


async def test_a_shutdown_is_announced_to_who_polls() -> None:
    """Who waits is told at once; nobody waits for who does not."""
    async with (
        Gateway(public=True, **{**QUICK, "poll_interval": 60}) as gateway,
        PollClient(gateway.http_url) as client,
        PollClient(gateway.http_url) as absent,
    ):
        await client.welcomed()
        await absent.welcomed()
        poll = asyncio.create_task(client.post())
        await until(lambda: _holding(gateway))
        async with asyncio.timeout(1):
            await gateway.stop()
        assert (await poll).status_code == 200
        assert client.frames.pop()["reason"] == "server_restart"


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("GET", 405), ("PUT", 405), ("HEAD", 405)])
async def test_only_posts_poll(method: str, status: int) -> None:
    """Others are not allowed; a browser that asks first is told which headers it may send and read."""
    async with Gateway(public=True, **QUICK) as gateway, httpx2.AsyncClient(trust_env=False) as client:
        response = await client.request(method, f"{gateway.http_url}/lp")
        assert response.status_code == status
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        for which in ("Allow", "Expose"):
            assert POLL_ID in response.headers[f"Access-Control-{which}-Headers"]


async def test_a_page_of_another_site_may_not_poll() -> None:
    """403: its commands would be carried out, though a browser kept the answers from it."""
    async with Gateway(**QUICK) as gateway:
        async with PollClient(gateway.http_url, headers={"Origin": "https://example.org"}) as client:
            response = await client.post()
            assert (response.status_code, client.opened) == (403, False)
            assert "Access-Control-Allow-Origin" not in response.headers
        async with PollClient(gateway.http_url, headers={"Origin": "http://localhost:3000"}) as client:
            response = await client.post()
            assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"


async def test_a_crowd_that_polls_is_sent_away() -> None:
    """As from WebSockets: with 503, and when to come back. Who is in already polls on."""
    async with (
        Gateway(public=True, max_conn=1, **QUICK) as gateway,
        PollClient(gateway.http_url) as first,
        PollClient(gateway.http_url) as second,
    ):
        await first.welcomed()
        refused = await second.post_text("")
        assert refused.status_code == 503
        assert (await first.post()).status_code == 204


def _holding(gateway: Gateway) -> bool:
    """Tell whether a poll waits there."""
    lines = [session._line for session in gateway._house.sessions]  # type: ignore[attr-defined]
    return any(line._turn is not None for line in lines)
