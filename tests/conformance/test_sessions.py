"""Conformance: sessions that are asked back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.conftest import KINDS, PATIENT_KINDS
from tests.conformance.handmade import WHO, good, signed, token
from tests.conformance.raw_client import WAIT, RawClient, extended, identifier, stream
from tests.conformance.servers import post, public_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.conftest import Publish
    from tests.conformance.servers import Server

RESTORE = "X-ANYCABLE-RESTORE-SID"
ROOM, HALL = stream("room"), stream("hall")


@pytest.fixture(params=KINDS)
async def forgetful(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server that keeps nothing."""
    async with public_server(request.param, broker="none") as running:
        yield running


def back(server: Server, sid: str, **options: Any) -> RawClient:
    """Ask a session back."""
    return extended(server.url, headers={RESTORE: sid}, **options)


async def gone(dial: RawClient, *targets: str) -> str:
    """Have a client subscribe and leave, and return its session's id."""
    async with dial as client:
        welcome = await client.expect(type="welcome", restored=None)
        for target in targets:
            await client.subscribe(target)
    return str(welcome["sid"])


async def test_a_session_comes_back_with_its_subscriptions(server: Server, publish: Publish) -> None:
    """By the id of before, under a new one; what is published arrives though nobody subscribed again."""
    sid = await gone(extended(server.url), ROOM, HALL)
    async with back(server, sid) as client:
        welcome = await client.expect(type="welcome", restored=True)
        assert set(welcome) == {"type", "sid", "restored", "restored_ids"}
        assert sorted(welcome["restored_ids"]) == sorted([ROOM, HALL])
        assert welcome["sid"] not in {"", sid}
        await publish("room", 1)
        await client.expect_message(ROOM, 1)
        await client.command("subscribe", identifier=ROOM)
        await client.expect_silence()


async def test_a_session_without_subscriptions_names_none(server: Server) -> None:
    """The list is left out then, as are all fields that are empty."""
    sid = await gone(extended(server.url))
    async with back(server, sid) as client:
        assert set(await client.expect(type="welcome", restored=True)) == {"type", "sid", "restored"}


async def test_what_was_unsubscribed_stays_so(server: Server) -> None:
    """The session comes back as it was in the end."""
    async with extended(server.url) as client:
        sid = (await client.expect(type="welcome"))["sid"]
        await client.subscribe(ROOM)
        await client.subscribe(HALL)
        await client.command("unsubscribe", identifier=ROOM)
        await client.expect_silence()
    async with back(server, sid) as client:
        await client.expect(type="welcome", restored=True, restored_ids=[HALL])
        await client.subscribe(ROOM)


async def test_a_session_may_come_back_twice_and_while_it_lives(server: Server, publish: Publish) -> None:
    """Its id is not used up, and each of them goes its own way."""
    async with extended(server.url) as one:
        sid = (await one.expect(type="welcome"))["sid"]
        await one.subscribe(ROOM)
        async with back(server, sid) as two, back(server, sid) as three:
            for copy in (two, three):
                await copy.expect(type="welcome", restored=True, restored_ids=[ROOM])
            await two.command("unsubscribe", identifier=ROOM)
            await two.expect_silence()
            await publish("room", 1)
            for client in (one, three):
                await client.expect_message(ROOM, 1)
            await two.expect_silence()


async def test_the_header_goes_before_the_query(server: Server) -> None:
    """The query alone will do; beside a header it does not count."""
    sid = await gone(extended(server.url), ROOM)
    url = f"{server.url}?sid={sid}"
    async with extended(url) as client:
        await client.expect(type="welcome", restored=True)
    async with extended(url, headers={RESTORE: "unknown"}) as client:
        await client.expect(type="welcome", restored=None)


async def test_of_two_session_ids_the_last_counts(server: Server) -> None:
    """As where an address was put together by two hands."""
    sid = await gone(extended(server.url), ROOM)
    for ids, restored in (("sid=unknown&sid=" + sid, True), (f"sid={sid}&sid=unknown", None)):
        async with extended(f"{server.url}?{ids}") as client:
            await client.expect(type="welcome", restored=restored)


@pytest.mark.parametrize("former", ["base", "extended"])
async def test_on_the_base_protocol_nothing_comes_back(server: Server, former: str) -> None:
    """Such a session is not kept, and cannot be what another one comes back as: a plain welcome."""
    sid = await gone(RawClient(server.url) if former == "base" else extended(server.url), ROOM)
    async with back(server, sid) if former == "base" else RawClient(server.url, headers={RESTORE: sid}) as client:
        await client.expect(type="welcome", restored=None, restored_ids=None)
        await client.subscribe(ROOM)


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_a_session_is_kept_for_some_time(kind: str) -> None:
    """Then its id is as good as any other: a plain welcome, and nothing is subscribed."""
    async with public_server(kind, sessions_ttl=1) as server:
        sid = await gone(extended(server.url), ROOM)
        assert await _comes_back(server, sid)
        started = asyncio.get_running_loop().time()
        while await _comes_back(server, sid):
            assert asyncio.get_running_loop().time() - started < WAIT, "it is kept for ever"
            await asyncio.sleep(0.1)


async def _comes_back(server: Server, sid: str) -> bool:
    async with back(server, sid) as client:
        welcome = await client.expect(type="welcome")
        if "restored" not in welcome:
            await client.subscribe(ROOM)
        return "restored" in welcome


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_a_session_is_kept_for_as_long_as_it_lives(kind: str) -> None:
    """Its time begins when it is gone."""
    async with public_server(kind, sessions_ttl=1) as server, extended(server.url) as client:
        sid = (await client.expect(type="welcome"))["sid"]
        await client.subscribe(ROOM)
        await asyncio.sleep(3.5)
        assert await _comes_back(server, sid)


async def test_where_nothing_is_kept_nothing_comes_back(forgetful: Server) -> None:
    """A plain welcome."""
    sid = await gone(extended(forgetful.url), ROOM)
    async with back(forgetful, sid) as client:
        await client.expect(type="welcome", restored=None)
        await client.subscribe(ROOM)


@pytest.mark.parametrize("query", ["", f"?jid={token(ext=WHO, exp=1)}", f"?jid={good(secret='other')}"])
async def test_who_comes_back_shows_no_token(guarded: Server, query: str) -> None:
    """Its id stands for it: one that has ended, a wrong one or none is not looked at."""
    target = identifier("$pubsub", signed_stream_name=signed("room"))
    sid = await gone(extended(f"{guarded.url}?jid={good()}"), target)
    async with extended(f"{guarded.url}{query}", headers={RESTORE: sid}) as client:
        await client.expect(type="welcome", restored=True, restored_ids=[target])
        assert await post(guarded, {"command": "disconnect", "payload": {"identifier": WHO}}) == 201
        await client.expect(type="disconnect", reason="remote")


async def test_who_asks_back_what_is_not_there_is_judged_as_ever(guarded: Server) -> None:
    """With a good token let in, with one that has ended refused."""
    async with extended(f"{guarded.url}?jid={good()}", headers={RESTORE: "unknown"}) as client:
        await client.expect(type="welcome", restored=None)
    ended = token(ext=WHO, exp=int(time.time()) - 60)
    async with extended(f"{guarded.url}?jid={ended}", headers={RESTORE: "unknown"}) as client:
        await client.expect(type="disconnect", reason="token_expired", reconnect=False)


async def test_who_comes_back_may_whisper_and_must_join_again(server: Server) -> None:
    """What a subscription may do is kept; to be present is said by each session for itself."""
    async with RawClient(server.url) as other:
        await other.welcomed()
        await other.subscribe(ROOM)
        async with extended(server.url) as client:
            sid = (await client.expect(type="welcome"))["sid"]
            await client.subscribe(ROOM)
            await client.command("join", identifier=ROOM, presence={"id": "ann"})
            await client.expect(type="presence")
        await other.expect(type="presence")
        async with back(server, sid) as client:
            await client.expect(type="welcome", restored=True)
            await client.command("whisper", identifier=ROOM, data="hush")
            await other.expect_message(ROOM, "hush")
            await client.command("leave", identifier=ROOM)
            await client.command("join", identifier=ROOM, presence={"id": "ann"})
            await client.expect_silence()
            await client.command("leave", identifier=ROOM)
            await client.command("presence", identifier=ROOM)
            told = await client.expect(type="presence", identifier=ROOM)
            assert (told["message"]["type"], told["message"]["total"]) == ("info", 1)
