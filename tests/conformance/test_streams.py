"""Conformance: who gets what is published."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from cableway.gateway import Channel, Gateway, action, periodically
from tests.conformance.raw_client import RawClient, identifier, stream
from tests.conformance.servers import post

if TYPE_CHECKING:
    from tests.conformance.conftest import Publish
    from tests.conformance.servers import Server


@pytest.mark.parametrize(
    "value",
    [
        {"foo": "bar", "nested": {"list": [1, None, {"deep": True}]}},
        '<div class="x">Hi &amp; bye</div>',
        json.dumps({"a": "string that holds JSON"}),
    ],
    ids=["an object", "text with markup", "text that holds JSON"],
)
async def test_what_is_published_arrives_as_it_is(server: Server, publish: Publish, value: Any) -> None:
    """Objects arrive as objects, text as text, and text that holds JSON is read once, not twice."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        await publish("a", value)
        await client.expect_message(target, value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("plain text", "plain text"),
        ("42", 42),
        ("true", True),
        ("null", "null"),
        ('{"a":', '{"a":'),
        ("", ""),
        ("0", 0),
    ],
)
async def test_published_text_is_read_as_json_where_it_is(server: Server, data: str, message: Any) -> None:
    """JSON becomes its value, other text stays text, and null becomes the word."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        assert await post(server, {"stream": "a", "data": data}) == 201
        await client.expect_message(target, message)


async def test_two_clients_both_receive(server: Server, publish: Publish) -> None:
    """One publication, one frame for each client."""
    async with RawClient(server.url) as one, RawClient(server.url) as two:
        for client in (one, two):
            await client.welcomed()
            await client.subscribe(stream("a"))
        await publish("a", {"n": 1})
        for client in (one, two):
            await client.expect_message(stream("a"), {"n": 1})


async def test_a_client_that_unsubscribed_receives_no_more(server: Server, publish: Publish) -> None:
    """The other one still does."""
    async with RawClient(server.url) as one, RawClient(server.url) as two:
        for client in (one, two):
            await client.welcomed()
            await client.subscribe(stream("a"))
        await one.command("unsubscribe", identifier=stream("a"))
        await one.expect_silence()
        await publish("a", 1)
        await two.expect_message(stream("a"), 1)
        await server.pause()
        await one.expect_silence()


async def test_two_publications_are_two_frames_in_order(server: Server, publish: Publish) -> None:
    """A stream keeps its order."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        await publish("a", "one")
        await publish("a", "two")
        await client.expect_message(target, "one")
        await client.expect_message(target, "two")


async def test_after_unsubscribing_nothing_comes(server: Server, publish: Publish) -> None:
    """An unsubscribe is not answered, and it holds."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        await client.command("unsubscribe", identifier=target)
        await client.expect_silence()
        await publish("a", 1)
        await server.pause()
        await client.expect_silence()


async def test_an_unsubscribed_identifier_can_be_subscribed_again(server: Server, publish: Publish) -> None:
    """It is confirmed again, and receives again, once."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        await client.command("unsubscribe", identifier=target)
        await client.subscribe(target)
        await publish("a", 1)
        await publish("a", 2)
        await client.expect_message(target, 1)
        await client.expect_message(target, 2)


async def test_two_identifiers_on_one_stream_get_a_frame_each(server: Server, publish: Publish) -> None:
    """With and without a parameter, the same stream: one frame for each identifier."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        targets = [await client.subscribe(stream("a")), await client.subscribe(stream("a", id=2))]
        await publish("a", "x")
        frames = [await client.frame(), await client.frame()]
        assert sorted(frame["identifier"] for frame in frames) == sorted(targets)


async def test_a_message_that_races_the_confirmation_is_not_lost(server: Server, publish: Publish) -> None:
    """Published while subscribing, it may come before the confirmation; from the first on, none is missing."""

    async def count() -> None:
        for n in range(30):
            await publish("a", n)

    async with RawClient(server.url) as client:
        await client.welcomed()
        counting = asyncio.create_task(count())
        await publish("a", "before")
        await client.command("subscribe", identifier=stream("a"))
        frames = [await client.frame()]
        while frames[-1].get("message") != 29:
            frames.append(await client.frame())
        await counting
    assert sum(frame.get("type") == "confirm_subscription" for frame in frames) == 1
    numbers = [frame["message"] for frame in frames if "message" in frame]
    assert numbers == list(range(numbers[0], 30))


async def test_a_batch_arrives_in_order(server: Server) -> None:
    """Several publications in one request keep their order."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        assert await post(server, [{"stream": "a", "data": str(n)} for n in range(10)]) == 201
        for n in range(10):
            await client.expect_message(target, n)


async def test_one_socket_can_be_left_out(server: Server) -> None:
    """A publication may name the one session that must not get it."""
    async with (
        RawClient(server.url, headers={"X-Request-ID": "me"}) as me,
        RawClient(server.url, headers={"X-Request-ID": "you"}) as you,
    ):
        for client in (me, you):
            await client.welcomed()
            await client.subscribe(stream("a"))
        assert await post(server, {"stream": "a", "data": "1", "meta": {"exclude_socket": "me"}}) == 201
        assert await post(server, {"stream": "a", "data": "2"}) == 201
        await you.expect_message(stream("a"), 1)
        await me.expect_message(stream("a"), 2)


async def test_publications_are_answered_as_anycable_does(locked: Server) -> None:
    """What cannot be read is answered with 201 and dropped; a wrong key with 401; what is no POST with 422."""
    async with RawClient(locked.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        assert await post(locked, b"garbage") == 201
        assert await post(locked, {"stream": "a", "data": {"an": "object"}}) == 201
        assert await post(locked, {"stream": "a", "data": "1"}, key="wrong") == 401
        assert await post(locked, b"", method="GET") == 422
        assert await post(locked, {"stream": "a", "data": '"good"'}) == 201
        await client.expect_message(target, "good")


# What only a server with Python channels can be asked ---------------------------------------------------------------


class MultipleChannel(Channel):
    async def subscribed(self) -> None:
        self.stream_from("a")
        self.stream_from("b")

    @action
    async def unfollow(self, data: dict[str, str]) -> None:
        self.stop_stream(data["name"])


async def test_one_channel_on_two_streams_receives_from_both() -> None:
    """A channel may listen to many streams."""
    async with Gateway([MultipleChannel]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("MultipleChannel"))
        await gateway.broadcast("a", 1)
        await gateway.broadcast("b", 2)
        await client.expect_message(target, 1)
        await client.expect_message(target, 2)


async def test_after_unsubscribing_all_streams_are_silent() -> None:
    """Every stream of the channel ends with the subscription."""
    async with Gateway([MultipleChannel]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("MultipleChannel"))
        await client.command("unsubscribe", identifier=target)
        await client.expect_silence()
        await gateway.broadcast("a", 1)
        await gateway.broadcast("b", 2)
        await client.expect_silence()
        assert gateway.stats().streams == 0


async def test_a_stopped_stream_is_silent_and_the_other_is_not() -> None:
    """An action stops one stream; only the other arrives."""
    async with Gateway([MultipleChannel]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("MultipleChannel"))
        await client.perform(target, "unfollow", name="a")
        await client.expect_silence()
        await gateway.broadcast("a", 1)
        await gateway.broadcast("b", 2)
        await client.expect_message(target, 2)


class SpeakChannel(Channel):
    async def subscribed(self) -> None:
        self.stream_from("room")

    @action
    async def speak(self, data: dict[str, str]) -> None:
        await self.broadcast("room", {"text": data["text"]})


async def test_what_an_action_broadcasts_reaches_all_clients() -> None:
    """The speaker included."""
    async with Gateway([SpeakChannel]) as gateway, RawClient(gateway.url) as one, RawClient(gateway.url) as two:
        for client in (one, two):
            await client.welcomed()
            await client.subscribe(identifier("SpeakChannel"))
        await one.perform(identifier("SpeakChannel"), "speak", text="hi")
        for client in (one, two):
            await client.expect_message(identifier("SpeakChannel"), {"text": "hi"})


class TransformChannel(Channel):
    async def subscribed(self) -> None:
        who = self.params["who"]
        self.stream_from("all", lambda message: {**message, "seen_by": who})


async def test_each_client_gets_its_own_form_of_a_message() -> None:
    """A transform sees the message read, and what it returns goes to this client alone."""
    async with Gateway([TransformChannel]) as gateway, RawClient(gateway.url) as one, RawClient(gateway.url) as two:
        for who, client in (("one", one), ("two", two)):
            await client.welcomed()
            await client.subscribe(identifier("TransformChannel", who=who))
        await gateway.broadcast("all", {"text": "hi"})
        for who, client in (("one", one), ("two", two)):
            await client.expect_message(identifier("TransformChannel", who=who), {"text": "hi", "seen_by": who})


class RawTransformChannel(Channel):
    async def subscribed(self) -> None:
        if self.params.get("raw"):
            self.stream_from("all", lambda text: {"raw": text}, raw=True)
        else:
            self.stream_from("all")


async def test_a_transform_may_ask_for_the_text_itself() -> None:
    """Raw, it gets JSON text; a stream without transform arrives as the object."""
    async with Gateway([RawTransformChannel]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        raw = await client.subscribe(identifier("RawTransformChannel", raw=True))
        plain = await client.subscribe(identifier("RawTransformChannel"))
        await gateway.broadcast("all", {"text": "hi"})
        await client.expect_message(raw, {"raw": '{"text":"hi"}'})
        await client.expect_message(plain, {"text": "hi"})


class ProgressChannel(Channel):
    async def subscribed(self) -> None:
        self.progress = 0

    @periodically(1)
    async def report(self) -> None:
        self.progress += 1
        self.transmit({"progress": self.progress})


@pytest.mark.looptime
async def test_a_timer_of_a_channel_runs_every_second() -> None:
    """Progress 1 after one second, 2 after two."""
    async with Gateway([ProgressChannel]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        started = asyncio.get_running_loop().time()
        target = await client.subscribe(identifier("ProgressChannel"))
        await client.expect_message(target, {"progress": 1})
        await client.expect_message(target, {"progress": 2})
        assert asyncio.get_running_loop().time() - started == pytest.approx(2, abs=0.1)
