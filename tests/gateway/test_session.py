"""One client's session: channels run in order, alone, and never break it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from cableway.gateway import Channel, Connection, Gateway, action
from cableway.gateway.session import HELD_COMMANDS
from tests.conformance.raw_client import RawClient, identifier


class Diary(Channel):
    """Writes down what happens, in a list of the test's own."""

    pages: list[Any] = []  # noqa: RUF012 - emptied by each test
    gate: asyncio.Event

    async def subscribed(self) -> None:
        """Listen, or do as the parameters say."""
        for stream in self.params.get("streams", ()):
            self.stream_from(stream)
        if self.params.get("fail"):
            self.stream_from("leak")
            msg = "no"
            raise RuntimeError(msg)
        if self.params.get("refuse"):
            self.stream_from("leak")
            self.reject()

    async def unsubscribed(self) -> None:
        """Write it down."""
        self.pages.append("unsubscribed")
        if self.params.get("fail_at_end"):
            msg = "no"
            raise RuntimeError(msg)

    @action
    async def note(self, data: dict[str, Any]) -> None:
        """Write it down."""
        self.pages.append(data)

    @action
    def plain(self, data: dict[str, Any]) -> None:
        """Write it down without awaiting anything."""
        self.pages.append(("plain", data))

    @action
    async def receive(self, data: dict[str, Any]) -> None:
        """Take what names no action."""
        self.pages.append(("receive", data))

    @action
    async def wait(self) -> None:
        """Wait for the test."""
        self.pages.append("waiting")
        await self.gate.wait()
        self.pages.append("done")

    @action
    async def fail(self) -> None:
        """Break."""
        msg = "as asked"
        raise RuntimeError(msg)

    @action
    async def quiet(self) -> None:
        """Tell who is asked, and listen to nothing any more."""
        self.transmit(self.identifier)
        self.stop_all_streams()

    @action
    async def leave(self) -> None:
        """Take the subscription back."""
        self.reject()

    @action
    async def dismiss(self) -> None:
        """End the whole session."""
        self.connection.disconnect(reconnect=False)

    async def helper(self, data: dict[str, Any]) -> None:
        """Not for clients."""
        self.pages.append("helper")


@pytest.fixture(autouse=True)
def empty_diary() -> None:
    """Start each test with an empty diary."""
    Diary.pages = []
    Diary.gate = asyncio.Event()


DIARY = identifier("Diary")


async def test_actions_get_what_was_sent_without_the_actions_name() -> None:
    """Plain and async methods alike; a blank action is receive."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(DIARY)
        await client.perform(DIARY, "note", n=1)
        await client.perform(DIARY, "plain", n=2)
        await client.perform(DIARY, "", n=3)
        await client.command("message", identifier=DIARY, data='{"n":4}')
        await client.expect_silence()
    assert Diary.pages[:4] == [{"n": 1}, ("plain", {"n": 2}), ("receive", {"n": 3}), ("receive", {"n": 4})]


@pytest.mark.parametrize(
    "data",
    [
        '{"action":"dance"}',
        '{"action":"helper"}',
        '{"action":"transmit"}',
        '{"action":"subscribed"}',
        '{"action":"__init__"}',
        '{"action":"_subscription"}',
        '{"action":7}',
        '{"action":["note"]}',
        "no json",
        "[]",
        "7",
    ],
)
async def test_what_is_no_action_is_counted_and_the_session_lives(data: str) -> None:
    """Nothing that is not marked can be reached, the framework's own methods least of all."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(DIARY)
        await client.command("message", identifier=DIARY, data=data)
        await client.expect_silence()
        assert gateway.stats().failed_commands == 1
        assert Diary.pages == []


async def test_a_method_without_the_mark_is_hinted_at(caplog: pytest.LogCaptureFixture) -> None:
    """Who forgot @action is told in the log."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(DIARY)
        await client.perform(DIARY, "helper")
        await client.expect_silence()
    assert "Diary has no action helper; it is there, but not marked with @action" in caplog.text


async def test_an_error_in_an_action_is_logged_and_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    """The next command of that client is carried out."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(DIARY)
        await client.perform(DIARY, "fail")
        await client.perform(DIARY, "note", n=1)
        await client.expect_silence()
        assert gateway.stats().failed_commands == 1
    assert Diary.pages[0] == {"n": 1}
    assert "Diary.fail failed" in caplog.text


async def test_an_error_on_subscribing_is_met_with_silence_and_leaves_nothing() -> None:
    """As AnyCable; its streams are gone, and it may be tried again."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        for _ in range(2):
            await client.command("subscribe", identifier=identifier("Diary", fail=1))
            await client.expect_silence()
        assert gateway.stats().failed_commands == 2
        assert gateway.stats().streams == 0
        assert gateway.stats().duplicate_subscribes == 0


async def test_a_rejected_channel_hears_nothing_and_is_not_unsubscribed() -> None:
    """What it listened to before it said no is let go."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = identifier("Diary", refuse=1)
        await client.command("subscribe", identifier=target)
        await client.expect(type="reject_subscription", identifier=target)
        assert gateway.stats().streams == 0
    assert Diary.pages == []


async def test_an_error_at_the_end_does_not_stop_the_other_ends() -> None:
    """Every channel of the client is unsubscribed."""
    async with Gateway([Diary]) as gateway:
        async with RawClient(gateway.url) as client:
            await client.welcomed()
            await client.subscribe(identifier("Diary", fail_at_end=1))
            await client.subscribe(DIARY)
        await gateway.stop()
    assert Diary.pages == ["unsubscribed", "unsubscribed"]


async def test_a_slow_action_delays_its_own_session_alone() -> None:
    """Another client is served meanwhile, and the slow one's next command waits."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as slow, RawClient(gateway.url) as quick:
        for client in (slow, quick):
            await client.welcomed()
            await client.subscribe(DIARY)
        await slow.perform(DIARY, "wait")
        await slow.perform(DIARY, "note", by="slow")
        await quick.perform(DIARY, "note", by="quick")
        await quick.expect_silence()
        assert Diary.pages == ["waiting", {"by": "quick"}]
        Diary.gate.set()
        await slow.expect_silence()
        assert Diary.pages[2:] == ["done", {"by": "slow"}]


async def test_pings_and_messages_reach_a_client_whose_action_is_slow() -> None:
    """Only commands wait."""
    async with Gateway([Diary], public_streams=True, ping_interval=0.01) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(DIARY)
        stream = await client.subscribe(identifier("$pubsub", stream_name="a"))
        await client.perform(DIARY, "wait")
        await gateway.broadcast("a", 1)
        await client.expect_message(stream, 1)
        assert (await client.frame(pings=True))["type"] == "ping"
        Diary.gate.set()


async def test_what_was_sent_right_before_leaving_is_still_done() -> None:
    """Many calls, then goodbye at once: all arrive, then the channel ends."""
    async with Gateway([Diary]) as gateway:
        async with RawClient(gateway.url) as client:
            await client.welcomed()
            await client.subscribe(DIARY)
            for n in range(300):
                await client.perform(DIARY, "note", n=n)
        await gateway.stop()
    assert Diary.pages == [*({"n": n} for n in range(300)), "unsubscribed"]


async def test_a_client_that_floods_a_slow_channel_is_held_up() -> None:
    """So many commands wait and no more: the rest stays in the socket, and nothing is lost."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(DIARY)
        await client.perform(DIARY, "wait")
        for n in range(HELD_COMMANDS * 3):
            await client.perform(DIARY, "note", n=n)
        async with RawClient(gateway.url) as other:
            # By the time another client is through its handshake, whatever could be read has been.
            await other.welcomed()
            await other.expect_silence()
        assert gateway.stats().frames_received <= HELD_COMMANDS + 5
        Diary.gate.set()
        await client.expect_silence()
    assert Diary.pages[2 : 2 + HELD_COMMANDS * 3] == [{"n": n} for n in range(HELD_COMMANDS * 3)]


async def test_a_channel_can_take_the_subscription_back() -> None:
    """The client gets a rejection, the channel ends, and the identifier is free."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(DIARY)
        await client.perform(DIARY, "leave")
        await client.expect(type="reject_subscription", identifier=DIARY)
        await client.subscribe(DIARY)
        assert gateway.stats().subscriptions == 1
    assert Diary.pages[0] == "unsubscribed"


async def test_a_channel_can_stop_all_its_streams() -> None:
    """It stays subscribed, and hears nothing."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("Diary", streams=["a", "b"]))
        assert gateway.stats().streams == 2
        await client.perform(target, "quiet")
        await client.expect_message(target, target)
        await client.expect_silence()
        assert (gateway.stats().streams, gateway.stats().subscriptions) == (0, 1)


async def test_a_channel_can_end_the_session() -> None:
    """The client hears whether to come back; what it sent in between is dropped."""
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(DIARY)
        await client.perform(DIARY, "dismiss")
        await client.expect(type="disconnect", reason="remote", reconnect=False)
        assert await client.expect_close() == (1000, "Closed remotely")


class Doorkeeper(Connection):
    """Lets in as the query says."""

    said: list[str] = []  # noqa: RUF012 - emptied by each test

    async def connect(self) -> None:
        """Do as the query says."""
        match self.request.query.get("be"):
            case "broken":
                msg = "as asked"
                raise RuntimeError(msg)
            case "odd":
                self.identifiers = {"user": object()}
            case "slow":
                await Diary.gate.wait()

    async def disconnected(self) -> None:
        """Write it down."""
        self.said.append("disconnected")


@pytest.mark.parametrize("be", ["broken", "odd"])
async def test_a_broken_connection_class_turns_the_client_away_without_a_word(
    be: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Close code 1011 and no disconnect: the client comes back, and the log tells why."""
    async with Gateway(connection=Doorkeeper) as gateway, RawClient(f"{gateway.url}?be={be}") as client:
        assert await client.expect_close() == (1011, "Auth Error")
    assert "connect failed; the client is turned away" in caplog.text


async def test_commands_sent_before_the_welcome_are_carried_out_after_it() -> None:
    """They wait while the connection decides."""
    async with Gateway([Diary], connection=Doorkeeper) as gateway, RawClient(f"{gateway.url}?be=slow") as client:
        await client.command("subscribe", identifier=DIARY)
        Diary.gate.set()
        await client.welcomed()
        await client.expect(type="confirm_subscription", identifier=DIARY)


async def test_the_connection_learns_of_the_end_once() -> None:
    """After all channels, and only if it let the client in."""
    Doorkeeper.said = []
    async with Gateway([Diary], connection=Doorkeeper) as gateway:
        async with RawClient(gateway.url) as client:
            await client.welcomed()
        async with RawClient(f"{gateway.url}?be=broken") as client:
            await client.expect_close()
        await gateway.stop()
    assert Doorkeeper.said == ["disconnected"]


async def test_a_session_that_breaks_inside_cuts_its_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A defect of ours must not leave a client waiting for ever."""

    async def broken(_self: object, _command: object) -> None:
        msg = "a defect"
        raise LookupError(msg)

    monkeypatch.setattr("cableway.gateway.desk.Clerk.run", broken)
    caplog.set_level(logging.ERROR)
    async with Gateway([Diary]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.command("subscribe", identifier=DIARY)
        async with asyncio.timeout(5):
            await client.socket.wait_closed()
    assert "a session broke; its line is cut" in caplog.text


async def test_logs_show_neither_identifiers_nor_data(caplog: pytest.LogCaptureFixture) -> None:
    """Parameters and payloads may hold secrets."""
    caplog.set_level(logging.DEBUG, logger="cableway")
    async with Gateway([Diary]) as gateway, RawClient(f"{gateway.url}?token=hush") as client:
        await client.welcomed()
        target = await client.subscribe(identifier("Diary", token="hush"))
        await client.perform(target, "fail", token="hush")
        await client.command("message", identifier=target, data='{"token":"hush","action":"none"}')
        await client.command("subscribe", identifier=identifier("Nobody", token="hush"))
        await client.frame()
        await client.send("hush")
        await client.expect_silence()
    assert "hush" not in caplog.text
