"""Our client against a real Action Cable server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    Cable,
    Connected,
    Disconnected,
    HandshakeRefused,
    NotConnected,
    State,
    SubscriptionOptions,
    SubscriptionRejected,
    SubscriptionState,
    SubscriptionTimeout,
    Unauthorized,
    WebSocketTransport,
)
from cableway.transports.base import DialRequest
from tests.interop.peers.waiting import LIMIT, in_thread, until

if TYPE_CHECKING:
    from tests.interop.peers.rails import Rails

FALSY: list[Any] = [0, "", False, None, [], {}, 0.0]
TEXTS = [
    "grüße, 東京, Ελλάδα, עברית",
    "🚡 and 👩‍👩‍👧‍👦",
    "line\u2028separator and paragraph\u2029separator",
    "<b>&amp;</b> \\u003c \"quoted\" 'single' back\\slash",
    "tab\tnewline\nreturn\rnul\x00bell\x07",
    "combining e\u0301 is not \u00e9",
]


async def test_an_action_answers(rails: Rails) -> None:
    """Subscribed, an action is performed, and its answer arrives on that subscription."""
    async with Cable(rails.url) as cable:
        assert cable.state is State.CONNECTED
        async with cable.subscribe("EchoChannel", room=42) as echo:
            await echo.perform("echo", text="hi", nested={"list": [1, 2.5, None]})
            message = await echo.receive(timeout=LIMIT)
            assert message.data == {"text": "hi", "nested": {"list": [1, 2.5, None]}}
    assert cable.state is State.CLOSED


async def test_http_addresses_work_as_well(rails: Rails) -> None:
    """The address of the web site is as good as that of the WebSocket."""
    async with Cable(rails.http_url + "/cable") as cable, cable.subscribe("EchoChannel") as echo:
        await echo.perform("echo", n=1)
        assert (await echo.receive(timeout=LIMIT)).data == {"n": 1}


async def test_leaving_the_block_unsubscribes(rails: Rails) -> None:
    """After the block, the server knows the subscription no more, and the line goes on."""
    async with Cable(rails.url) as cable:
        async with cable.subscribe("EchoChannel", run="leaving"):
            assert {"channel": "EchoChannel", "run": "leaving"} in await in_thread(rails.identifiers)
        await until(lambda: {"channel": "EchoChannel", "run": "leaving"} not in rails.identifiers(), "unsubscribed")
        assert cable.state is State.CONNECTED


async def test_a_rejection_is_raised(rails: Rails) -> None:
    """A channel that refuses makes the subscription raise, and nothing else suffers."""
    async with Cable(rails.url) as cable, cable.subscribe("EchoChannel") as echo:
        refused = cable.subscribe("RejectingChannel")
        with pytest.raises(SubscriptionRejected, match="RejectingChannel"):
            await refused
        assert refused.state is SubscriptionState.REJECTED
        await echo.perform("echo", still="here")
        assert (await echo.receive(timeout=LIMIT)).data == {"still": "here"}


async def test_messages_before_the_confirmation_are_kept(rails: Rails) -> None:
    """What a channel transmits while it subscribes precedes the confirmation, and is delivered after it."""
    async with Cable(rails.url) as cable, cable.subscribe("GreetingChannel") as greeting:
        assert (await greeting.receive(timeout=LIMIT)).data == {"greeting": "before the confirmation"}


async def test_broadcasts_reach_all_clients(rails: Rails) -> None:
    """What one client says in a room arrives at both who are in it, and at nobody next door."""
    async with (
        Cable(rails.url) as first,
        Cable(rails.url) as second,
        first.subscribe("RoomChannel", room="shared") as speaker,
        second.subscribe("RoomChannel", room="shared") as listener,
        second.subscribe("RoomChannel", room="next door") as neighbour,
    ):
        await speaker.perform("speak", text="hello, room")
        assert (await listener.receive(timeout=LIMIT)).data == "hello, room"
        assert (await speaker.receive(timeout=LIMIT)).data == "hello, room"
        await in_thread(rails.broadcast, "room:next door", "from the server")
        assert (await neighbour.receive(timeout=LIMIT)).data == "from the server"
        assert (listener.stats().unread, speaker.stats().unread, neighbour.stats().unread) == (0, 0, 0)


async def test_two_handles_share_one_subscription(rails: Rails) -> None:
    """Two handles on one channel are one subscription of the server's, and each gets every message once."""
    async with Cable(rails.url) as cable, cable.subscribe("RoomChannel", room="twice") as one:
        async with cable.subscribe("RoomChannel", room="twice") as other:
            known = await in_thread(rails.identifiers)
            assert known.count({"channel": "RoomChannel", "room": "twice"}) == 1
            await one.perform("speak", text="both")
            assert (await one.receive(timeout=LIMIT)).data == "both"
            assert (await other.receive(timeout=LIMIT)).data == "both"
        await one.perform("speak", text="one is still there")
        assert (await one.receive(timeout=LIMIT)).data == "one is still there"


@pytest.mark.parametrize("value", FALSY, ids=repr)
async def test_falsy_values_arrive(rails: Rails, value: Any) -> None:
    """Zero, nothing and emptiness are messages like any other: transmitted, and broadcast."""
    async with Cable(rails.url) as cable, cable.subscribe("EchoChannel") as echo:
        await echo.perform("value", value=value)
        transmitted = await echo.receive(timeout=LIMIT)
        async with cable.subscribe("RoomChannel", room="falsy") as room:
            await room.perform("speak", text=value)
            broadcast = await room.receive(timeout=LIMIT)

        assert (transmitted.data, type(transmitted.data)) == (value, type(value))
        assert (broadcast.data, type(broadcast.data)) == (value, type(value))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
async def test_any_text_arrives_as_it_was_sent(rails: Rails, text: str) -> None:
    """Text of any script comes back unchanged, as a value, as a key, and in the channel's parameters."""
    async with Cable(rails.url) as cable, cable.subscribe("EchoChannel", {"name": text}) as echo:
        await echo.perform("echo", {"text": text, text: 1})
        assert (await echo.receive(timeout=LIMIT)).data == {"text": text, text: 1}


@pytest.mark.parametrize("way", ["query", "params", "header", "cookie"])
async def test_wrong_credentials_end_the_attempt(rails: Rails, way: str) -> None:
    """A connection that the application rejects raises at once and is not tried again."""
    given: dict[str, dict[str, Any]] = {
        "query": {"url": rails.url + "?token=wrong"},
        "params": {"url": rails.url, "params": {"token": "wrong"}},
        "header": {"url": rails.url, "headers": {"X-Token": "wrong"}},
        "cookie": {"url": rails.url, "headers": {"Cookie": "token=wrong"}},
    }
    cable = Cable(**given[way])
    with pytest.raises(Unauthorized) as caught:
        await cable.open()
    assert cable.state is State.CLOSED
    assert cable.error is caught.value
    assert caught.value.reason == "unauthorized"
    assert "token=wrong" not in str(caught.value)


async def test_a_foreign_origin_is_explained(rails: Rails) -> None:
    """Rails hides its refusal of an Origin behind a 404; the error says what it is and what to do."""
    cable = Cable(rails.url, origin="http://elsewhere.example")
    with pytest.raises(HandshakeRefused, match=r"elsewhere\.example.*origin=") as caught:
        await cable.open()
    assert caught.value.status == 404


async def test_a_missing_origin_is_explained(rails: Rails) -> None:
    """Without Origin, which our client always sends, the error of the transport says what is missing."""

    class Nowhere:
        def frames(self, batch: list[bytes]) -> None:
            pass

        def lost(self, code: int | None, reason: str, error: BaseException | None) -> None:
            pass

    with pytest.raises(HandshakeRefused, match="without an Origin") as caught:
        await WebSocketTransport().open(DialRequest(rails.url, proxy=False), Nowhere())
    assert caught.value.status == 404


async def test_performed_then_left_at_once_arrives(rails: Rails) -> None:
    """Two hundred clients perform once and leave the block at once; every action is run."""
    places = asyncio.Semaphore(25)

    async def drop_by(number: int) -> None:
        async with (
            places,
            Cable(rails.url, dial_gate=None) as cable,
            cable.subscribe("CounterChannel", run="left") as counter,
        ):
            await counter.perform("count", number=number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(200):
            tasks.create_task(drop_by(number))

    await until(lambda: len(rails.performed("left")) >= 200, f"200 arrived, but {len(rails.performed('left'))}")
    assert sorted(rails.performed("left")) == list(range(200))


async def test_performed_then_unsubscribed_at_once_arrives(rails: Rails) -> None:
    """On one line, two hundred subscriptions perform once and unsubscribe at once; every action is run."""
    async with Cable(rails.url) as cable:

        async def drop_by(number: int) -> None:
            async with cable.subscribe("CounterChannel", run="unsubscribed", visit=number) as counter:
                await counter.perform("count", number=number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(200):
                tasks.create_task(drop_by(number))

        await until(lambda: len(rails.performed("unsubscribed")) >= 200, "200 arrived")
        assert sorted(rails.performed("unsubscribed")) == list(range(200))


async def test_an_unknown_channel_disturbs_no_other(rails: Rails) -> None:
    """Among 200 subscriptions on a line, one of a channel that does not exist fails with its likely cause.

    Rails never answers it. The line is given up for it once, at most; then the others stay.
    """
    events: list[object] = []
    patient = SubscriptionOptions(confirm_timeout=1.0)
    async with Cable(rails.url) as cable, AsyncExitStack() as stack:
        cable.on(Disconnected, events.append)
        rooms = [cable.subscribe("EchoChannel", room=number) for number in range(200)]
        for room in rooms:
            await stack.enter_async_context(room)
        unknown = cable.subscribe("EcoChannel", options=patient)
        with pytest.raises(SubscriptionTimeout, match="unknown channel"):
            await unknown
        assert len(events) <= 1

        # It is asked for again in the background, and costs the others nothing any more.
        with pytest.raises(SubscriptionTimeout):
            await unknown
        assert len(events) <= 1
        for number, room in enumerate(rooms):
            await room
            await room.perform("echo", number=number)
        for number, room in enumerate(rooms):
            assert (await room.receive(timeout=LIMIT)).data == {"number": number}


async def test_all_subscriptions_survive_a_killed_server(rails: Rails) -> None:
    """Killed under load and started again, the server gets every subscription back, with no action by the user."""
    async with Cable(rails.url) as cable, AsyncExitStack() as stack:
        back: set[int] = set()
        rooms = []
        for number in range(50):
            room = await stack.enter_async_context(cable.subscribe("RoomChannel", room=f"restart {number}"))
            room.on(Connected, lambda event, number=number: event.reconnected and back.add(number))
            rooms.append(room)
        load = asyncio.create_task(keep_talking(rooms[0]))

        await rooms[0].receive(timeout=LIMIT)
        await in_thread(rails.kill)
        await until(lambda: cable.state is not State.CONNECTED, "the loss is noticed")
        assert all(room.state is SubscriptionState.PENDING for room in rooms)
        await in_thread(rails.start)

        await until(lambda: len(back) == 50, "all 50 are back")
        for number, room in enumerate(rooms[1:], 1):
            await in_thread(rails.broadcast, f"room:restart {number}", {"number": number})
            assert (await room.receive(timeout=LIMIT)).data == {"number": number}
        before = rooms[0].stats().received
        await until(lambda: rooms[0].stats().received > before, "the load goes on")
        load.cancel()
        with suppress(asyncio.CancelledError):
            await load


async def keep_talking(room: Any) -> None:
    """Perform without a pause, through loss and return of the line."""
    for number in count():
        try:
            await room.perform("speak", text=number)
        except NotConnected:
            await room
        await asyncio.sleep(0.002)


async def test_performing_while_the_server_is_down_says_so(rails: Rails) -> None:
    """With the line down, an action is not sent, and the caller is told."""
    async with Cable(rails.url) as cable, cable.subscribe("EchoChannel") as echo:
        await in_thread(rails.kill)
        await until(lambda: cable.state is not State.CONNECTED, "the loss is noticed")
        with pytest.raises(NotConnected):
            await echo.perform("echo", text="lost")
        await in_thread(rails.start)
        await echo
        await echo.perform("echo", text="found")
        assert (await echo.receive(timeout=LIMIT)).data == {"text": "found"}


async def test_a_remote_disconnect_is_overcome(rails: Rails) -> None:
    """The server drops the user's lines; the client comes back by itself."""
    async with Cable(rails.url, params={"user": "dropped"}) as cable, cable.subscribe("EchoChannel") as echo:
        lost: list[object] = []
        cable.on(Disconnected, lost.append)
        await in_thread(rails.disconnect, "dropped")
        await until(lambda: bool(lost), "the line is dropped")
        await echo
        await echo.perform("echo", text="back")
        assert (await echo.receive(timeout=LIMIT)).data == {"text": "back"}


async def test_a_long_message_arrives_whole(rails: Rails) -> None:
    """Nearly 64 kB in one command, in many network packets, come back whole."""
    text = "0123456789" * 6_000
    async with Cable(rails.url) as cable, cable.subscribe("EchoChannel") as echo:
        await echo.perform("echo", text=text)
        assert (await echo.receive(timeout=LIMIT)).data == {"text": text}


async def test_a_burst_arrives_in_order(rails: Rails) -> None:
    """Ten thousand transmissions come in the order in which the server wrote them, none missing."""
    async with Cable(rails.url) as cable, cable.subscribe("EchoChannel", run="burst") as echo:
        await echo.perform("burst", count=10_000)
        received = [(await echo.receive(timeout=LIMIT)).data for _ in range(10_000)]
        assert received == list(range(10_000))
