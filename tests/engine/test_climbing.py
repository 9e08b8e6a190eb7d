"""The way back to a better transport: tried beside the line, and taken over without a break."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    Connected,
    Disconnected,
    HandedOver,
    HandshakeRefused,
    State,
    SubscriptionOptions,
    TokenRenewal,
    TokenRenewed,
    TransportChanged,
)
from cableway.engine.beside import PATIENCE
from cableway.engine.handover import STRAGGLERS
from tests.engine.test_handover import Listener, connected_talks
from tests.issuing import Issuer
from tests.obstructed import Obstructed, obstructed

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime

SOON = {"probe_after": 20.0}


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


def refusal(request: Any) -> HandshakeRefused:
    """Refuse the upgrade."""
    return HandshakeRefused(request.url, 426, {})


async def fallen(made: Obstructed) -> Any:
    """Bring the line up by long polling, with a subscription; return that."""
    made.websocket.obstacle = refusal
    await made.scene.cable.open()
    return await made.scene.cable.subscribe("Chat")


async def until(condition: Callable[[], Any], limit: float = 600) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.05)


async def test_the_better_one_takes_over_by_itself() -> None:
    """When the obstacle has gone: nobody hears of a loss, no message is lost, doubled, or out of order."""
    async with obstructed(times=SOON) as made:
        chat = await fallen(made)
        listener = Listener(made.scene, chat)
        await asyncio.sleep(60)
        made.websocket.obstacle = None
        await until(lambda: made.scene.told(HandedOver))
        await asyncio.sleep(5)
        await listener.end()
        listener.check_whole()
        assert [event.transport for event in made.scene.told(TransportChanged)] == ["long_polling", "websocket"]
        assert made.scene.told(TransportChanged)[-1].reason == "websocket works again"
        assert len(made.scene.told(Connected)) == 1
        assert connected_talks(made.scene) == [1]
        assert made.scene.backend.talks[0].line.closed_by_client == (1000, "")
        await chat.perform("speak")
        dials = len(made.websocket.dials)
        await asyncio.sleep(1000)
        assert len(made.websocket.dials) == dials
        assert made.scene.backend.open[0].number == 1


async def test_tries_that_fail_disturb_nothing() -> None:
    """They come later and later, and the line stands."""
    async with obstructed(times=SOON) as made:
        chat = await fallen(made)
        listener = Listener(made.scene, chat)
        falls = len(made.scene.told(Disconnected))
        first = len(made.websocket.dials)
        await asyncio.sleep(3000)
        await listener.end()
        listener.check_whole()
        tries = made.websocket.dials[first:]
        assert 4 <= len(tries) <= 11
        assert len(made.scene.told(Disconnected)) == falls
        assert len(made.scene.backend.talks) == 1


async def test_one_that_opens_and_stalls_is_dropped() -> None:
    """The line does not notice; the next try comes later."""
    async with obstructed(times=SOON) as made:
        chat = await fallen(made)
        listener = Listener(made.scene, chat)
        made.websocket.obstacle = None
        made.scene.backend.welcomes = lambda talk: talk.number != 1
        await until(lambda: len(made.scene.backend.talks) == 2)
        assert connected_talks(made.scene) == [0, 1]
        await asyncio.sleep(PATIENCE + 1)
        assert connected_talks(made.scene) == [0]
        await until(lambda: made.scene.told(HandedOver))
        await asyncio.sleep(5)
        await listener.end()
        listener.check_whole()
        assert connected_talks(made.scene) == [2]


async def test_a_try_has_little_time_and_no_session_to_ask_back() -> None:
    """It is a dial beside a line that works."""
    async with obstructed(times={"probe_after": 20, "step_timeout": 3}) as made:
        await fallen(made)
        await until(lambda: len(made.websocket.dials) == 3)
        assert made.websocket.requests[-1].timeout == 3
        assert "X-ANYCABLE-RESTORE-SID" not in made.websocket.requests[-1].headers


async def test_tries_pass_the_dial_gate() -> None:
    """A crowd of them is held back as any crowd."""
    from cableway import DialGate

    gate = DialGate(rate=0.005, burst=3)
    async with obstructed(times=SOON, dial_gate=gate) as made:
        await fallen(made)
        at = now()
        made.websocket.obstacle = None
        await until(lambda: len(made.scene.backend.talks) == 2)
        assert now() - at > 150


async def test_messages_that_wait_on_the_old_line_are_waited_for() -> None:
    """By long polling they come a while later: it is heard for that much longer."""
    async with obstructed(times=SOON) as made:
        made.polling.extras["message_latency"] = 3.0
        await fallen(made)
        made.websocket.obstacle = None
        await until(lambda: len(made.scene.backend.talks) == 2 and made.scene.backend.talks[1].subscribed)
        at = now()
        await until(lambda: made.scene.told(HandedOver))
        assert now() - at == pytest.approx(3.0 + STRAGGLERS, abs=0.1)


async def test_an_old_line_that_shows_no_life_is_not_replaced() -> None:
    """It may have died before the new one had all: what it failed to bring would be missing without a word."""
    # The server takes its time, so that the old line stands still before the new one has anything.
    async with obstructed(times=SOON, delay=0.2) as made:
        chat = await fallen(made)
        made.websocket.obstacle = None
        talks = made.scene.backend.talks
        await until(lambda: len(talks) == 2)
        old = made.scene.cable._engine.up.connection
        old.pause()
        await until(lambda: chat.identifier in talks[1].subscribed)
        await asyncio.sleep(3.5)
        assert made.scene.told(HandedOver) == []
        old.resume()
        await until(lambda: made.scene.told(HandedOver), 2)


async def test_what_lies_unread_on_the_old_line_is_read_first() -> None:
    """A mailbox holds reading up while polls go on: that they do proves nothing, until what they brought was read."""
    async with obstructed(times=SOON) as made:
        await fallen(made)
        options = SubscriptionOptions(overflow="pause", max_messages=2)
        news = await made.scene.cable.subscribe("News", options=options)
        made.websocket.obstacle = None
        talks = made.scene.backend.talks
        await until(lambda: len(talks) == 2 and news.identifier in talks[1].subscribed)
        old = made.scene.cable._engine.up.connection
        for number in range(5):
            # From before it was subscribed to on the new line: that has none of them.
            talks[0].line.message(news.identifier, number)
            await asyncio.sleep(0.01)
        for _ in range(20):
            await asyncio.sleep(1)
            old.last_received = now()
        assert made.scene.told(HandedOver) == []
        heard = []
        while len(heard) < 5:
            heard.append((await news.receive(timeout=5)).data)
        assert heard == [0, 1, 2, 3, 4]
        await until(lambda: made.scene.told(HandedOver))


async def test_a_line_lost_meanwhile_is_dialled_once() -> None:
    """What was to take its place is dropped with it."""
    async with obstructed(times=SOON) as made:
        await fallen(made)
        made.websocket.obstacle = None
        made.scene.backend.welcomes = lambda talk: talk.number != 1
        await until(lambda: len(made.scene.backend.talks) == 2)
        made.scene.backend.talks[0].line.cut()
        await asyncio.sleep(5)
        assert connected_talks(made.scene) == [2]
        assert len(made.polling.dials) == 2
        assert len(made.websocket.dials) == 3


async def test_a_fresh_token_goes_first() -> None:
    """A better transport can be tried later, and is."""
    renewal = TokenRenewal(on_renewal="hand_over")
    async with obstructed(Issuer(60), times=SOON, renewal=renewal) as made:
        chat = await fallen(made)
        listener = Listener(made.scene, chat)
        made.websocket.obstacle = None
        made.scene.backend.welcomes = lambda talk: talk.number != 1
        await until(lambda: len(made.scene.backend.talks) == 2)
        renewer = made.scene.cable._engine.credentials._renewer
        assert renewer is not None
        known = len(made.scene.told(TokenRenewed))
        made.scene.cable._engine.handover.token_renewed()
        await until(lambda: made.scene.told(HandedOver))
        assert len(made.scene.told(TokenRenewed)) == known
        assert len(made.polling.dials) == 2
        await until(lambda: len(made.scene.told(TransportChanged)) == 2)
        await asyncio.sleep(5)
        await listener.end()
        listener.check_whole()


async def test_a_try_in_the_way_of_nothing() -> None:
    """While a token is handed over none begins."""
    renewal = TokenRenewal(on_renewal="hand_over")
    async with obstructed(Issuer(60), times=SOON, renewal=renewal) as made:
        await fallen(made)
        handover = made.scene.cable._engine.handover
        made.scene.backend.welcomes = lambda talk: talk.number != 1
        handover.token_renewed()
        assert handover.busy
        assert made.scene.cable._engine.climbing.deadline is None
        handover.climb(0)
        await asyncio.sleep(0.1)
        assert len(made.websocket.dials) == 2


async def test_it_falls_again_if_the_better_one_does_not_last() -> None:
    """Told each time; and the next try is later."""
    async with obstructed(times=SOON) as made:
        chat = await fallen(made)
        for _ in range(3):
            made.websocket.obstacle = None
            count = len(made.scene.told(TransportChanged))
            await until(lambda count=count: len(made.scene.told(TransportChanged)) > count)
            assert made.scene.cable.state is State.CONNECTED
            await asyncio.sleep(5)
            made.scene.backend.open[0].line.cut()
            await asyncio.sleep(5)
            assert made.scene.told(TransportChanged)[-1].transport == "long_polling"
            await chat
        await chat.perform("speak")


async def test_from_what_only_listens_to_what_sends() -> None:
    """Commands go from then on."""
    async with obstructed(times=SOON) as made:
        made.websocket.obstacle = made.polling.obstacle = refusal
        await made.scene.cable.open()
        chat = await made.scene.cable.subscribe("Chat")
        made.polling.obstacle = None
        await until(lambda: len(made.scene.told(TransportChanged)) == 2)
        assert made.scene.told(TransportChanged)[-1].transport == "long_polling"
        await chat.perform("speak")
        await asyncio.sleep(0.1)
        assert len(made.scene.backend.performed) == 1


async def test_a_cable_that_sleeps_tries_nothing() -> None:
    """Without a line there is nothing to try beside."""
    async with obstructed(times=SOON) as made:
        await fallen(made)
        made.scene.cable.pause()
        dials = len(made.websocket.dials)
        await asyncio.sleep(3000)
        assert len(made.websocket.dials) == dials
