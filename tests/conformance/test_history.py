"""Conformance: what is told of the past, and what is refused."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from cableway.gateway import Channel, Gateway
from tests.conformance.conftest import KINDS
from tests.conformance.raw_client import WAIT, RawClient, identifier, stream
from tests.conformance.servers import post, public_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.conformance.servers import Server

ROOM = stream("room")
CONFIRMED = {"type": "confirm_history", "identifier": ROOM}
REJECTED = {"type": "reject_history", "identifier": ROOM}

Place = dict[str, Any]


@pytest.fixture(params=KINDS)
async def short(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server that keeps three messages of each stream."""
    async with public_server(request.param, history_limit=3) as running:
        yield running


@pytest.fixture(params=KINDS)
async def fleeting(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server that keeps messages for a second."""
    async with public_server(request.param, history_ttl=1) as running:
        yield running


@pytest.fixture(params=KINDS)
async def forgetful(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server that keeps nothing."""
    async with public_server(request.param, broker="none") as running:
        yield running


async def published(server: Server, *values: int, name: str = "room") -> list[dict[str, Any]]:
    """Publish numbers, and return the frames in which a client heard them: once heard, they are kept."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.subscribe(stream(name))
        for value in values:
            assert await post(server, {"stream": name, "data": str(value)}) == 201
        return [await client.expect(identifier=stream(name), message=value) for value in values]


async def ask(client: RawClient, **question: Any) -> None:
    """Ask for the past of the room."""
    await client.command("history", identifier=ROOM, history=question)


def place(frame: dict[str, Any], *, back: int = 0) -> Place:
    """Take a place out of a frame, or one some messages before it."""
    return {frame["stream_id"]: {"epoch": frame["epoch"], "offset": frame["offset"] - back}}


def recently() -> int:
    """Tell a time before everything in this module."""
    return int(time.time()) - 30


async def test_a_message_tells_its_place_in_the_stream(server: Server) -> None:
    """The stream, the era, and numbers that grow by one; on the base protocol, too."""
    first, second = await published(server, 1, 2)
    assert set(first) == {"identifier", "message", "stream_id", "epoch", "offset"}
    assert [frame["offset"] for frame in (first, second)] == [1, 2]
    assert (first["stream_id"], first["epoch"]) == ("room", second["epoch"])
    assert first["epoch"]


async def test_the_past_since_a_time_comes_in_order_and_is_confirmed(server: Server) -> None:
    """As frames like those that were heard live, then a word that this was all."""
    heard = await published(server, 1, 2)
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.command("subscribe", identifier=ROOM)
        assert await client.frame() == {"type": "confirm_subscription", "identifier": ROOM}
        await ask(client, since=recently())
        assert [await client.frame() for _ in range(3)] == [*heard, CONFIRMED]


async def test_the_past_after_a_place_begins_with_the_next_message(server: Server) -> None:
    """Who has seen one message asks for those that came after it."""
    heard = await published(server, 1, 2, 3)
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.subscribe(ROOM)
        await ask(client, streams=place(heard[-1], back=1))
        assert [await client.frame() for _ in range(2)] == [heard[-1], CONFIRMED]


async def test_a_place_goes_before_a_time(server: Server) -> None:
    """The time counts for streams without a place alone."""
    heard = await published(server, 1, 2)
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.subscribe(ROOM)
        await ask(client, since=recently(), streams=place(heard[0]))
        assert [await client.frame() for _ in range(2)] == [heard[1], CONFIRMED]
        await ask(client, since=recently(), streams={"another": {"epoch": "none", "offset": 7}})
        assert [await client.frame() for _ in range(3)] == [*heard, CONFIRMED]


async def test_a_subscribe_may_ask_for_the_past(server: Server) -> None:
    """First the confirmation, then the past, then the word that this was all."""
    heard = await published(server, 1, 2)
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.command("subscribe", identifier=ROOM, history={"since": recently()})
        await client.expect(type="confirm_subscription", identifier=ROOM)
        assert [await client.frame() for _ in range(3)] == [*heard, CONFIRMED]


async def test_a_subscribe_is_carried_out_before_what_follows_it(server: Server) -> None:
    """Though all is said at once: confirmation, past, presence, and then the answer to the next command."""
    heard = await published(server, 1, 2)
    async with RawClient(server.url) as client, RawClient(server.url) as other:
        await other.welcomed()
        await other.subscribe(ROOM)
        await client.welcomed()
        question, presence = {"since": recently()}, {"id": "ann"}
        await client.command("subscribe", identifier=ROOM, history=question, presence=presence)
        await client.command("ping")
        await client.command("unsubscribe", identifier=ROOM)
        await client.expect(type="confirm_subscription", identifier=ROOM)
        assert [await client.frame() for _ in range(3)] == [*heard, CONFIRMED]
        answers = [await client.frame()]
        if answers[0]["type"] == "presence":
            answers = [await client.frame()]
        assert answers == [{"type": "pong"}]
        for kind in ("join", "leave"):
            await other.expect(type="presence", message={"type": kind, "id": "ann"})


@pytest.mark.parametrize(("question", "answered"), [({"streams": {}}, True), ({"since": -1}, False), ({}, False)])
async def test_of_a_subscribe_less_is_a_question(server: Server, question: dict[str, Any], *, answered: bool) -> None:
    """No stream is one, a time that never was is none, as nothing is."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.command("subscribe", identifier=ROOM, history=question)
        await client.expect(type="confirm_subscription", identifier=ROOM)
        if answered:
            assert await client.frame() == CONFIRMED
        await client.expect_silence()


async def test_after_a_rejection_nothing_of_the_past_is_told(server: Server) -> None:
    """There is no subscription whose past it could be."""
    target = identifier("NoSuchChannel")
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.command("subscribe", identifier=target, history={"since": recently()})
        await client.expect(type="reject_subscription", identifier=target)
        await client.expect_silence()


def _elsewhere(frame: dict[str, Any]) -> Place:
    return {"room": {"epoch": frame["epoch"] + "x", "offset": frame["offset"]}}


PLACES: dict[str, tuple[Callable[[dict[str, Any]], Place], list[int] | None]] = {
    "the newest": (place, []),
    "the oldest kept": (lambda last: place(last, back=2), [4, 5]),
    "right before the oldest kept": (lambda last: place(last, back=3), None),
    "long gone": (lambda last: place(last, back=4), None),
    "yet to come": (lambda last: place(last, back=-1), None),
    "of another era": (_elsewhere, None),
    "the beginning": (lambda last: place(last, back=last["offset"]), None),
}


@pytest.mark.parametrize(("where", "told"), PLACES.values(), ids=PLACES)
async def test_the_past_is_told_in_full_or_refused(
    short: Server, where: Callable[[dict[str, Any]], Place], told: list[int] | None
) -> None:
    """A place must be kept itself, in this era: refused is even one behind which nothing is missing."""
    heard = await published(short, 1, 2, 3, 4, 5)
    async with RawClient(short.url) as client:
        await client.welcomed()
        await client.subscribe(ROOM)
        await ask(client, streams=where(heard[-1]))
        if told is None:
            assert await client.frame() == REJECTED
        else:
            assert [(await client.frame())["message"] for _ in told] == told
            assert await client.frame() == CONFIRMED
        await client.expect_silence()


async def test_a_stream_without_a_past_is_refused_by_place_and_confirmed_by_time(server: Server) -> None:
    """Nobody can tell what came after a place that never was; since a time nothing came."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.subscribe(ROOM)
        await ask(client, streams={"room": {"epoch": "none", "offset": 1}})
        assert await client.frame() == REJECTED
        await ask(client, since=recently())
        assert await client.frame() == CONFIRMED


async def test_who_has_seen_all_is_refused_once_all_is_too_old(fleeting: Server) -> None:
    """First told that nothing is missing; later nobody knows any more."""
    (heard,) = await published(fleeting, 1)
    async with RawClient(fleeting.url) as client:
        await client.welcomed()
        await client.subscribe(ROOM)
        await ask(client, streams=place(heard))
        assert await client.frame() == CONFIRMED
        started = time.monotonic()
        while (answer := await _answer(client, heard)) == CONFIRMED:
            assert time.monotonic() - started < WAIT, "it was kept for ever"
        assert answer == REJECTED
        await ask(client, since=recently())
        assert await client.frame() == CONFIRMED


async def _answer(client: RawClient, heard: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0.1)
    await ask(client, streams=place(heard))
    return await client.frame()


async def test_a_fleeting_message_is_heard_and_not_kept(server: Server) -> None:
    """It has no place, and takes none from the others."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.subscribe(ROOM)
        for data, meta in (("1", {}), ("2", {"transient": True}), ("3", {})):
            assert await post(server, {"stream": "room", "data": data, "meta": meta}) == 201
        heard = [await client.frame() for _ in range(3)]
        assert [frame["message"] for frame in heard] == [1, 2, 3]
        assert [frame.get("offset") for frame in heard] == [1, None, 2]
        assert set(heard[1]) == {"identifier", "message"}
        await ask(client, since=recently())
        assert [await client.frame() for _ in range(3)] == [heard[0], heard[2], CONFIRMED]


async def test_what_one_socket_was_spared_it_is_told_when_it_asks(server: Server) -> None:
    """A publication is kept whomever it left out, and its type is not kept."""
    async with RawClient(server.url, headers={"X-Request-ID": "me"}) as me, RawClient(server.url) as you:
        for client in (me, you):
            await client.welcomed()
            await client.subscribe(ROOM)
        meta = {"exclude_socket": "me", "broadcast_type": "notice"}
        assert await post(server, {"stream": "room", "data": "1", "meta": meta}) == 201
        heard = await you.expect(type="notice", identifier=ROOM, message=1, offset=1)
        await me.expect_silence()
        await ask(me, since=recently())
        del heard["type"]
        assert [await me.frame() for _ in range(2)] == [heard, CONFIRMED]


async def test_a_question_for_nothing_gets_no_answer(server: Server) -> None:
    """Nor does one about what is not subscribed; the session lives."""
    await published(server, 1)
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.command("history", identifier=ROOM, history={"since": recently()})
        await client.subscribe(ROOM)
        await client.command("history", identifier=ROOM)
        await ask(client)
        await ask(client, since=0)
        await client.expect_silence()


@pytest.mark.parametrize(
    "question", [{"streams": {}}, {"streams": {"another": {"epoch": "none", "offset": 7}}}, {"since": -1}]
)
async def test_a_question_that_fits_no_stream_is_confirmed(server: Server, question: dict[str, Any]) -> None:
    """Nothing is told of streams that the subscription has not, nor since a time that never was."""
    await published(server, 1)
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.subscribe(ROOM)
        await ask(client, **question)
        assert await client.frame() == CONFIRMED
        await client.expect_silence()


async def test_where_nothing_is_kept_each_question_is_refused(forgetful: Server) -> None:
    """Messages have no place there, and nobody can tell what came since any time."""
    async with RawClient(forgetful.url) as client:
        await client.welcomed()
        await client.subscribe(ROOM)
        assert await post(forgetful, {"stream": "room", "data": "1"}) == 201
        assert await client.frame() == {"identifier": ROOM, "message": 1}
        await ask(client, since=recently())
        assert await client.frame() == REJECTED
        await ask(client, streams={})
        assert await client.frame() == CONFIRMED


# What only a server with Python channels can be asked ---------------------------------------------------------------


class Both(Channel):
    async def subscribed(self) -> None:
        self.stream_from("a")
        self.stream_from("b")


async def test_one_stream_that_is_refused_spoils_the_others() -> None:
    """Of two streams one is out of reach: nothing is told of either."""
    both = identifier("Both")
    async with Gateway([Both]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(both)
        for name in ("a", "b"):
            for number in range(2):
                await gateway.broadcast(name, number)
        heard = [await client.frame() for _ in range(4)]
        places = place(heard[0]) | place(heard[2])
        await client.command("history", identifier=both, history={"streams": places})
        assert [await client.frame() for _ in range(2)] == [heard[1], heard[3]]
        await client.expect(type="confirm_history", identifier=both)
        places["b"]["offset"] = 9
        await client.command("history", identifier=both, history={"streams": places})
        await client.expect(type="reject_history", identifier=both)
        await client.expect_silence()
