"""What follows from a fresh token while the line is up, and that a hand-over attacked at any point leaves one line."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    Connected,
    ConnectError,
    Disconnected,
    HandedOver,
    State,
    SubscriptionState,
    TokenRenewal,
    TokenRenewed,
)
from cableway.engine.beside import PATIENCE
from cableway.engine.handover import LONGEST_QUIET
from cableway.states import Recovery
from tests.issuing import Issuer, Scene, staged
from tests.scripted import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.issuing import Talk

pytestmark = pytest.mark.looptime

HAND_OVER = TokenRenewal(on_renewal="hand_over")
RECONNECT = TokenRenewal(on_renewal="reconnect")


def connected_talks(scene: Scene) -> list[int]:
    """Numbers of the lines that are up, as the server sees it."""
    return [talk.number for talk in scene.backend.open]


async def renewed(scene: Scene) -> None:
    """Wait for the next token that takes the place of another."""
    count = len(scene.told(TokenRenewed))
    async with asyncio.timeout(120):
        while len(scene.told(TokenRenewed)) == count:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.02)


class Listener:
    """A subscription, what is sent to it four times a second, and what of it was heard."""

    def __init__(self, scene: Scene, handle: Any) -> None:
        self.scene = scene
        self.handle = handle
        self.heard: list[int] = []
        self.number = 0
        self._tasks = [asyncio.ensure_future(self._speak()), asyncio.ensure_future(self._listen())]

    async def _speak(self) -> None:
        while True:
            self.scene.backend.broadcast(self.handle.identifier, self.number)
            self.number += 1
            await asyncio.sleep(0.25)

    async def _listen(self) -> None:
        async for message in self.handle:
            self.heard.append(message.data)

    async def end(self) -> None:
        """Say no more, and stop."""
        self._tasks[0].cancel()
        await asyncio.sleep(0.1)
        self._tasks[1].cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    def check_whole(self) -> None:
        """Each message was heard once, in order."""
        assert self.heard == list(range(self.number))

    def check_once(self) -> None:
        """No message was heard twice, and none out of its order."""
        assert self.heard == sorted(set(self.heard))
        assert len(self.heard) > 10


# The three ways ------------------------------------------------------------------------------------------------------


async def test_by_default_the_line_stays_as_it_is() -> None:
    """The token waits for the next dial, which carries the newest."""
    async with staged() as scene:
        await scene.cable.open()
        await asyncio.sleep(300)
        assert len(scene.backend.talks) == 1
        known = len(scene.issuer.values)
        scene.backend.open[0].line.cut()
        await asyncio.sleep(5)
        # One more may have come since that dial.
        assert scene.backend.open[0].token in scene.issuer.values[known - 1 :]
        assert scene.backend.refusals == []


async def test_a_line_is_dialled_anew() -> None:
    """With a goodbye on the old one, and the fresh token on the next."""
    async with staged(renewal=RECONNECT) as scene:
        await scene.cable.open()
        chat = await scene.cable.subscribe("Chat")
        await renewed(scene)
        await asyncio.sleep(2)
        assert connected_talks(scene) == [1]
        assert scene.backend.talks[0].line.closed_by_client == (1000, "")
        assert scene.backend.talks[1].token == scene.issuer.values[-1]
        assert chat.state is SubscriptionState.SUBSCRIBED
        assert [event.error for event in scene.told(Disconnected)] == [None]
        assert [event.reconnected for event in scene.told(Connected)] == [False, True]


async def test_a_line_is_handed_over() -> None:
    """The next one has all subscriptions before the old one is closed; nobody is told of a loss."""
    async with staged(renewal=HAND_OVER) as scene:
        await scene.cable.open()
        chat, other = await scene.cable.subscribe("Chat"), await scene.cable.subscribe("Other")
        told: list[Any] = []
        chat.on(HandedOver, told.append)
        listeners = [Listener(scene, chat), Listener(scene, other)]
        for _ in range(5):
            await renewed(scene)
        await asyncio.sleep(2)
        for listener in listeners:
            await listener.end()
            listener.check_whole()
        assert connected_talks(scene) == [5]
        assert scene.backend.talks[5].token == scene.issuer.values[-1]
        assert [talk.line.closed_by_client for talk in scene.backend.talks[:5]] == [(1000, "")] * 5
        assert [event.recovery for event in scene.told(HandedOver)] == [Recovery.UNKNOWN] * 5
        assert len(told) == 5
        assert scene.told(Disconnected) == []


# Commands ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renewal", [HAND_OVER, RECONNECT], ids=["hand_over", "reconnect"])
async def test_a_program_that_never_pauses_does_not_hold_it_up(renewal: TokenRenewal) -> None:
    """Commands every tenth of a second: the line is replaced all the same, and the server has run each of them."""
    async with staged(renewal=renewal) as scene:
        await scene.cable.open()
        chat = await scene.cable.subscribe("Chat")
        sent = 0
        while len(scene.told(TokenRenewed)) < 3:
            await chat
            await chat.perform("speak", n=sent)
            sent += 1
            await asyncio.sleep(0.1)
        for _ in range(round(LONGEST_QUIET / 0.1) + 20):
            await chat
            await chat.perform("speak", n=sent)
            sent += 1
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        assert connected_talks(scene) == [2]
        assert [data["n"] for _, data in scene.backend.performed] == list(range(sent))


async def test_the_old_line_is_not_closed_right_after_a_command() -> None:
    """Servers drop a command whose line has gone before a worker was free for it."""
    async with staged(renewal=HAND_OVER) as scene:
        await scene.cable.open()
        chat = await scene.cable.subscribe("Chat")
        performed: list[float] = []
        ended: list[float] = []
        loop = asyncio.get_running_loop()

        async def watch(talk: Talk) -> None:
            await talk.line.over.wait()
            ended.append(loop.time())

        watching = asyncio.ensure_future(watch(scene.backend.talks[0]))
        while not ended:
            if connected_talks(scene)[-1:] == [0] or not scene.told(HandedOver):
                performed.append(loop.time())
            await chat.perform("speak")
            await asyncio.sleep(0.1)
        await watching
        assert ended[0] - performed[-1] >= 0.25


# Attacked ------------------------------------------------------------------------------------------------------------


class Stage:
    """A cable about to be handed over, with a server that stops at one point of it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.chat: Any = None
        self.bystander: Any = None
        self.held: list[tuple[Talk, str]] = []

    async def until_half(self) -> None:
        """Let the hand-over come to where the second line has some of its subscriptions."""
        backend = self.scene.backend
        backend.answers = self._answer
        async with asyncio.timeout(120):
            while not self.held:  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert connected_talks(self.scene) == [0, 1]

    def _answer(self, talk: Talk, wanted: str) -> str | None:
        if talk.number == 1 and json.loads(wanted)["channel"] != "Chat":
            self.held.append((talk, wanted))
            return None
        return "confirm"

    async def let_go_on(self) -> None:
        """Answer what was held back."""
        self.scene.backend.answers = lambda *_: "confirm"
        held, self.held = self.held, []
        for talk, wanted in held:
            if not talk.line.over.is_set():
                talk.subscribed.add(wanted)
                talk.line.confirm(wanted)
        await asyncio.sleep(2)


@asynccontextmanager
async def staging() -> AsyncIterator[Stage]:
    """Two subscriptions: the second line has the first of them."""
    async with staged(renewal=HAND_OVER) as scene:
        made = Stage(scene)
        await scene.cable.open()
        made.chat = await scene.cable.subscribe("Chat")
        made.bystander = await scene.cable.subscribe("Chat", room=9)
        await scene.cable.subscribe("Other")
        await made.until_half()
        yield made


async def works(scene: Scene) -> None:
    """There is one line, and it does what it is for."""
    await asyncio.sleep(30)
    assert scene.cable.state is State.CONNECTED
    async with asyncio.timeout(5):
        # The next token may just have come, and have its own line beside.
        while len(scene.backend.open) != 1:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.1)
    handle = await scene.cable.subscribe("After")
    await handle.perform("speak")
    assert scene.backend.broadcast(handle.identifier, "hi") == 1
    assert (await handle.receive(timeout=1)).data == "hi"
    await handle.unsubscribe()


async def old_line_dies(stage: Stage) -> None:
    """Without a word."""
    stage.scene.backend.talks[0].line.cut()
    await asyncio.sleep(5)


async def old_line_expires(stage: Stage) -> None:
    """The server throws it out, for its token: the one of the second line is not to blame."""
    asked = len(stage.scene.issuer.asked)
    stage.scene.backend.talks[0].line.send({"type": "disconnect", "reason": "token_expired", "reconnect": False})
    await asyncio.sleep(5)
    assert len(stage.scene.issuer.asked) == asked
    assert stage.scene.backend.refusals == []


async def new_line_dies(stage: Stage) -> None:
    """The old one goes on, as if nothing had been."""
    stage.scene.backend.talks[1].line.cut()
    await asyncio.sleep(0.1)
    assert stage.scene.told(Disconnected) == []
    assert connected_talks(stage.scene) == [0]


async def new_line_is_refused(stage: Stage) -> None:
    """Its token is not used again; the old line goes on."""
    refused = stage.scene.issuer.values[-1]
    stage.scene.backend.revoked.add(refused)
    stage.scene.backend.talks[1].line.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
    await asyncio.sleep(0.1)
    assert connected_talks(stage.scene) == [0]
    stage.scene.backend.talks[0].line.cut()
    await asyncio.sleep(5)
    assert stage.scene.backend.refusals == []


async def new_line_is_silent(stage: Stage) -> None:
    """It is given up."""
    await asyncio.sleep(PATIENCE + 1)
    assert connected_talks(stage.scene) == [0]
    assert stage.scene.told(Disconnected, HandedOver) == []


async def subscription_rejected(stage: Stage) -> None:
    """On the second line only: asked for again when that counts, and then it is final."""
    [(talk, wanted)] = stage.held
    stage.scene.backend.answers = lambda _, identifier: "reject" if identifier == wanted else "confirm"
    talk.line.reject(wanted)
    await asyncio.sleep(3)
    assert connected_talks(stage.scene) == [1]
    assert len(stage.scene.told(HandedOver)) == 1
    assert stage.chat.state is SubscriptionState.SUBSCRIBED


async def taken_back(stage: Stage) -> None:
    """Confirmed on the second line, and taken back there: asked for again when that counts."""
    talk = stage.scene.backend.talks[1]
    talk.subscribed.discard(stage.chat.identifier)
    talk.line.reject(stage.chat.identifier)
    await asyncio.sleep(0.1)
    await stage.let_go_on()
    assert connected_talks(stage.scene) == [1]
    assert stage.chat.identifier in talk.subscribed
    assert stage.chat.state is SubscriptionState.SUBSCRIBED


async def unsubscribed(stage: Stage) -> None:
    """What was given up on the old line is given up on the new one."""
    await stage.chat.unsubscribe()
    await stage.let_go_on()
    assert connected_talks(stage.scene) == [1]
    assert stage.chat.identifier not in stage.scene.backend.talks[1].subscribed
    stage.chat = await stage.scene.cable.subscribe("Chat")


async def unsubscribed_late(stage: Stage) -> None:
    """Given up in the last moment: the server is not told in one breath with a new wish for it."""
    identifier = stage.chat.identifier
    leaving = asyncio.ensure_future(stage.chat.unsubscribe())
    await stage.let_go_on()
    await leaving
    stage.chat = await stage.scene.cable.subscribe("Chat")
    assert stage.chat.identifier == identifier
    assert connected_talks(stage.scene) == [1]


async def given_up_and_wanted_again(stage: Stage) -> None:
    """Asked for anew on the old line while the new one has it: that counts, and nothing is sent twice."""
    await stage.chat.unsubscribe()
    stage.chat = stage.scene.cable.subscribe("Chat")
    await stage.let_go_on()
    await stage.chat
    assert connected_talks(stage.scene) == [1]


async def subscribed_meanwhile(stage: Stage) -> None:
    """It is live on the old line: the new one gets it before it counts."""
    late = await stage.scene.cable.subscribe("Chat", room=2)
    told: list[Any] = []
    late.on(Disconnected, told.append)
    await stage.let_go_on()
    assert connected_talks(stage.scene) == [1]
    assert late.identifier in stage.scene.backend.talks[1].subscribed
    assert told == []


async def performed_meanwhile(stage: Stage) -> None:
    """Commands go on the line that counts, each once."""
    for number in range(10):
        await stage.chat.perform("speak", n=number)
    await stage.let_go_on()
    await stage.chat.perform("speak", n=10)
    await asyncio.sleep(1)
    assert [data["n"] for _, data in stage.scene.backend.performed] == list(range(11))
    assert connected_talks(stage.scene) == [1]


async def closed_meanwhile(stage: Stage) -> None:
    """Both lines are closed; the cable can be opened again."""
    await stage.scene.cable.close()
    assert connected_talks(stage.scene) == []
    await stage.scene.cable.open()


async def paused_meanwhile(stage: Stage) -> None:
    """Both lines are closed until it is wanted again."""
    stage.scene.cable.pause()
    await asyncio.sleep(2)
    assert connected_talks(stage.scene) == []
    assert stage.scene.cable.state is State.DORMANT
    stage.scene.cable.resume()


async def nothing(stage: Stage) -> None:
    """The server takes its time, and then goes on."""
    await asyncio.sleep(5)
    await stage.let_go_on()
    assert connected_talks(stage.scene) == [1]
    assert stage.scene.told(Disconnected) == []


ATTACKS: list[Callable[[Stage], Awaitable[None]]] = [
    old_line_dies,
    old_line_expires,
    new_line_dies,
    new_line_is_refused,
    new_line_is_silent,
    subscription_rejected,
    taken_back,
    unsubscribed,
    unsubscribed_late,
    given_up_and_wanted_again,
    subscribed_meanwhile,
    performed_meanwhile,
    closed_meanwhile,
    paused_meanwhile,
    nothing,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_a_hand_over_that_is_attacked(attack: Any) -> None:
    """In its midst: one line is left, it works, no message came twice, and no command went astray."""
    async with staging() as stage:
        listener = Listener(stage.scene, stage.bystander)
        await attack(stage)
        stage.scene.backend.answers = lambda *_: "confirm"
        await works(stage.scene)
        await listener.end()
        if attack is not closed_meanwhile:
            listener.check_once()


@pytest.mark.parametrize("fault", ["refused", "unreachable", "hangs", "no welcome", "no answer"])
async def test_a_second_line_that_does_not_come_up(fault: str) -> None:
    """The old one goes on without a word, and the next dial has a token that is good."""
    async with staged(renewal=HAND_OVER) as scene:
        await scene.cable.open()
        chat = await scene.cable.subscribe("Chat")
        listener = Listener(scene, chat)
        check = scene.backend._transport.check

        def refuse(request: Any) -> None:
            raise ConnectError(URL, "nobody is there")

        if fault == "refused":
            scene.backend.revoked = Second(scene)
        elif fault == "unreachable":
            scene.backend._transport.check = refuse
        elif fault == "hangs":
            scene.backend._transport.accepts = False
        elif fault == "no welcome":
            scene.backend.welcomes = lambda talk: talk.number != 1
        else:
            scene.backend.answers = lambda talk, _: None if talk.number == 1 else "confirm"
        await renewed(scene)
        await asyncio.sleep(PATIENCE + 1)
        assert connected_talks(scene) == [0]
        assert scene.told(Disconnected, HandedOver) == []
        scene.backend._transport.check, scene.backend._transport.accepts = check, True
        await asyncio.sleep(120)
        await listener.end()
        listener.check_whole()
        scene.backend.open[0].line.cut()
        await works(scene)
        assert len(scene.backend.refusals) == (1 if fault == "refused" else 0)


class Second(set[str]):
    """The second token that was given counts no more."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene

    def __contains__(self, value: object) -> bool:
        return value in self._scene.issuer.values[1:2]


async def test_three_hundred_subscriptions() -> None:
    """All are moved, none is lost on the way, and nothing is asked for twice."""
    async with staged(Issuer(life=60), renewal=HAND_OVER) as scene:
        await scene.cable.open()
        handles = [scene.cable.subscribe("Chat", room=number) for number in range(300)]
        for handle in handles:
            await handle
        listener = Listener(scene, handles[150])
        for _ in range(3):
            await renewed(scene)
        await asyncio.sleep(5)
        await listener.end()
        listener.check_whole()
        assert connected_talks(scene) == [3]
        assert [len(talk.subscribed) for talk in scene.backend.talks] == [300] * 4
        assert scene.told(Disconnected) == []


async def test_a_token_that_comes_during_a_hand_over_does_not_begin_another() -> None:
    """The one under way has its token; the newer one is for what comes after."""
    async with staged(Issuer(life=6), renewal=HAND_OVER) as scene:
        await scene.cable.open()
        await scene.cable.subscribe("Chat")
        scene.backend.answers = lambda talk, _: None if talk.number == 1 else "confirm"
        await renewed(scene)
        for _ in range(80):
            await asyncio.sleep(0.1)
            assert len(connected_talks(scene)) <= 2
        await asyncio.sleep(60)
        # Look between two hand-overs, not in the middle of one.
        seen = set()
        for _ in range(20):
            seen.add(len(connected_talks(scene)))
            await asyncio.sleep(0.1)
        assert seen <= {1, 2}
        assert 1 in seen
        assert scene.told(Disconnected) == []
        assert len(scene.told(HandedOver)) > 5
