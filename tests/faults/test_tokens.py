"""Tokens that end, sources that fail, clocks that are wrong: the session goes on."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve

from cableway import (
    Cable,
    CallableToken,
    Connected,
    Disconnected,
    HandedOver,
    ServerDisconnect,
    State,
    SubscriptionState,
    Token,
    TokenRenewal,
    TokenRenewalFailed,
    TokenRenewed,
    Unauthorized,
)
from cableway.auth.minting import mint_token
from cableway.auth.renewer import Renewer
from cableway.host.watch import HostChange
from cableway.states import Recovery
from tests.issuing import SECRET, Backend, Guarded, Issuer, Scene, server_time, staged
from tests.scripted import STEADY, URL

pytestmark = pytest.mark.looptime

HOURS = 6 * 3600
"""Seconds of a shift."""

MOST_REQUESTS = 510
"""Requests to a source in a shift, with tokens of a minute."""


async def shift(scene: Scene, seconds: int) -> tuple[list[int], int]:
    """Send a message a second for as long; return what was heard, and how many were sent."""
    chat = await scene.cable.subscribe("Chat")
    heard: list[int] = []
    for number in range(seconds):
        scene.backend.broadcast(chat.identifier, number)
        await asyncio.sleep(1)
        heard += [message.data for message in chat.take()]
    assert chat.state is SubscriptionState.SUBSCRIBED
    return heard, seconds


def refusals(scene: Scene) -> list[Any]:
    """What the user was told of refused tokens."""
    return [event for event in scene.told(Disconnected) if isinstance(event.error, Unauthorized)]


# A shift -------------------------------------------------------------------------------------------------------------


async def test_a_shift_with_tokens_of_a_minute() -> None:
    """The line is never touched: no gap, no double, no refusal, and the source is asked as the schedule says."""
    async with staged(Issuer(60)) as scene:
        await scene.cable.open()
        heard, sent = await shift(scene, HOURS)
        assert heard == list(range(sent))
        assert (refusals(scene), scene.backend.refusals) == ([], [])
        assert len(scene.backend.talks) == 1
        assert 400 < len(scene.issuer.asked) <= MOST_REQUESTS
        assert len(scene.told(TokenRenewed)) == len(scene.issuer.asked)


async def test_a_shift_of_hand_overs() -> None:
    """A line each time a token comes: no gap, no double, each seam announced."""
    async with staged(Issuer(60), renewal=TokenRenewal(on_renewal="hand_over")) as scene:
        await scene.cable.open()
        heard, sent = await shift(scene, HOURS)
        assert heard == list(range(sent))
        assert (refusals(scene), scene.backend.refusals) == ([], [])
        seams = scene.told(HandedOver)
        assert len(seams) == len(scene.backend.talks) - 1 == len(scene.issuer.asked) - 1
        assert {event.recovery for event in seams} == {Recovery.UNKNOWN}
        assert scene.told(Disconnected) == []
        assert len(scene.issuer.asked) <= MOST_REQUESTS


async def test_a_shift_on_a_line_that_is_cut_again_and_again() -> None:
    """Every dial has a token that lives: not one refusal."""
    async with staged(Issuer(60)) as scene:
        await scene.cable.open()
        for number in range(400):
            await asyncio.sleep(7 + number % 13)
            if scene.backend.open:
                scene.backend.open[0].line.cut()
        await asyncio.sleep(10)
        assert scene.cable.state is State.CONNECTED
        assert (refusals(scene), scene.backend.refusals) == ([], [])
        assert len(scene.backend.talks) > 390


async def test_a_server_that_throws_out_whose_token_has_expired() -> None:
    """With hand-overs its clock never strikes: the line has always a token that lives."""
    async with staged(Issuer(60), renewal=TokenRenewal(on_renewal="hand_over")) as scene:
        await scene.cable.open()
        given: dict[int, float] = {}
        for _ in range(1800):
            await asyncio.sleep(1)
            for talk in scene.backend.open:
                begun = given.setdefault(talk.number, server_time())
                if server_time() - begun > 60:
                    talk.line.send({"type": "disconnect", "reason": "token_expired", "reconnect": True})
        assert scene.told(Disconnected) == []


# A source that fails -------------------------------------------------------------------------------------------------


def fails() -> None:
    """Answer as an endpoint that says 500."""
    msg = "HTTP 500"
    raise RuntimeError(msg)


async def hangs() -> None:
    """Never answer."""
    await asyncio.Event().wait()


def garbage() -> Any:
    """Give what is no token at all."""
    return {"error": "<html>"}


def expired() -> str:
    """Give a token whose time is over, by any clock."""
    return mint_token("{}", secret=SECRET, life=60, now=server_time() - 3600)


@pytest.mark.parametrize("fault", [fails, hangs, garbage, expired], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("cut", [False, True], ids=["line up", "line cut"])
async def test_ten_minutes_without_tokens(fault: Any, *, cut: bool) -> None:
    """Each state is told, the source is not stormed, and the line comes back by itself once there is a token."""
    async with staged(Issuer(60)) as scene:
        await scene.cable.open()
        await asyncio.sleep(200)
        scene.events.clear()
        before = len(scene.issuer.asked)
        scene.issuer.answer = fault
        if cut:
            await asyncio.sleep(90)
            scene.backend.open[0].line.cut()
        await asyncio.sleep(600)
        told = scene.told(TokenRenewalFailed)
        assert told[0].expired is False
        assert any(event.expired for event in told)
        assert all(event.retry_in is not None and event.retry_in >= 0 for event in told)
        assert len(scene.issuer.asked) - before < 40
        assert scene.cable.state is not State.CLOSED
        assert (scene.cable.state is State.CONNECTED) is not cut
        scene.issuer.answer = None
        await asyncio.sleep(100)
        assert scene.cable.state is State.CONNECTED
        assert isinstance([*scene.told(TokenRenewed, TokenRenewalFailed)][-1], TokenRenewed)
        assert scene.backend.refusals == []
        assert len(scene.told(Connected)) == (1 if cut else 0)


async def test_the_first_token_is_late() -> None:
    """A source that is down when the cable is opened: it opens as soon as there is one."""
    issuer = Issuer(60)
    issuer.answer = fails
    async with staged(issuer, open_timeout=None) as scene:
        opening = asyncio.ensure_future(scene.cable.open())
        await asyncio.sleep(300)
        assert not opening.done()
        issuer.answer = None
        async with asyncio.timeout(100):
            await opening
        assert scene.backend.refusals == []


# Clocks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-2, 2])
async def test_a_wall_clock_that_is_two_days_wrong(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens are those of the server's clock, and it is by that, and by intervals, that they are renewed."""
    loop = asyncio.get_running_loop()
    wrong = server_time() - loop.time() + days * 86400
    defaults = Renewer.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "wall", lambda: wrong + loop.time())
    async with staged(Issuer(60)) as scene:
        await scene.cable.open()
        for _ in range(60):
            await asyncio.sleep(60)
            scene.backend.open[0].line.cut()
        await asyncio.sleep(5)
        assert scene.cable.state is State.CONNECTED
        assert (scene.backend.refusals, refusals(scene)) == ([], [])
        assert len(scene.issuer.asked) < 120


class Host:
    """A watch over the host, in the hands of the test."""

    def __init__(self) -> None:
        self.listeners: list[Any] = []

    def listen(self, listener: Any) -> None:
        """Take a listener."""
        self.listeners.append(listener)

    def ignore(self, listener: Any) -> None:
        """Let it go."""
        self.listeners.remove(listener)

    def slept(self, seconds: float) -> None:
        """Tell that the host slept."""
        for listener in list(self.listeners):
            listener(HostChange(slept=seconds))


async def test_a_device_that_slept_eight_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock stood still, its line and its token are long dead: the first dial has a fresh one."""
    host = Host()
    async with staged(Issuer(60)) as scene:
        scene.cable._engine.settings = evolve(scene.cable._engine.settings, watch=lambda _: host)
        await scene.cable.open()
        await asyncio.sleep(10)
        asked, dials = len(scene.issuer.asked), len(scene.backend.talks)
        monkeypatch.setattr("tests.issuing.EPOCH", 1_800_000_000.0 + 8 * 3600)
        scene.backend.open[0].line.cut()
        host.slept(8 * 3600.0)
        await asyncio.sleep(10)
        assert scene.cable.state is State.CONNECTED
        assert scene.backend.refusals == []
        assert len(scene.backend.talks) == dials + 1
        assert len(scene.issuer.asked) >= asked + 1


# Many cables ---------------------------------------------------------------------------------------------------------


async def test_many_cables_of_one_source() -> None:
    """One request at a time, and no more of them than one cable makes."""
    issuer, transport = Issuer(60), Guarded()
    source = CallableToken(issuer.fetch)
    async with Backend(transport).serving() as backend:
        cables = [Cable(URL, transports=[transport], token=source, backoff=STEADY, dial_gate=None) for _ in range(200)]
        await asyncio.gather(*(cable.open() for cable in cables))
        assert len(issuer.asked) == 1
        await asyncio.sleep(600)
        for talk in backend.open:
            talk.line.cut()
        await asyncio.sleep(5)
        assert len(backend.open) == 200
        assert backend.refusals == []
        assert issuer.most_at_once == 1
        assert len(issuer.asked) <= 600 / 60 * 1.5
        await asyncio.gather(*(cable.close() for cable in cables))
        asked = len(issuer.asked)
        await asyncio.sleep(300)
        assert len(issuer.asked) == asked


async def test_many_cables_refused_together() -> None:
    """One token, refused two hundred times: it counts once, and one request follows."""
    issuer, transport = Issuer(3600), Guarded()
    source = CallableToken(issuer.fetch)
    async with Backend(transport).serving() as backend:
        cables = [Cable(URL, transports=[transport], token=source, backoff=STEADY, dial_gate=None) for _ in range(200)]
        await asyncio.gather(*(cable.open() for cable in cables))
        backend.revoked.update(issuer.values)
        for talk in backend.open:
            talk.line.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
        await asyncio.sleep(20)
        assert len(issuer.asked) == 2
        assert {cable.state for cable in cables} == {State.CONNECTED}
        assert backend.refusals == []
        await asyncio.gather(*(cable.close() for cable in cables))


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["token_expired", "unauthorized"])
@pytest.mark.parametrize("reconnect", [False, True])
async def test_a_line_that_is_thrown_out_comes_back(reason: str, *, reconnect: bool) -> None:
    """With another token, at once."""
    async with staged(Issuer(3600)) as scene:
        await scene.cable.open()
        await asyncio.sleep(60)
        scene.backend.revoked.update(scene.issuer.values)
        line = scene.backend.open[0].line
        line.send({"type": "disconnect", "reason": reason, "reconnect": reconnect})
        await asyncio.sleep(5)
        assert scene.cable.state is State.CONNECTED
        assert (len(scene.issuer.asked), scene.backend.refusals) == (2, [])
        [lost] = scene.told(Disconnected)
        assert isinstance(lost.error, ServerDisconnect)


async def test_an_opaque_token_with_a_life() -> None:
    """Nothing can be read from it: the life that its source tells is enough."""
    given = iter([Token(f"opaque-{number}", life=60) for number in range(40)])
    async with staged(token=lambda: next(given)) as scene:
        scene.backend.opaque = True
        await scene.cable.open()
        await asyncio.sleep(600)
        renewed = scene.told(TokenRenewed)
        assert [event.first for event in renewed][:2] == [True, False]
        assert 10 <= len(renewed) <= 16
        assert all(event.life == pytest.approx(60, abs=1) for event in renewed)


async def test_requests_keep_their_distance() -> None:
    """Tokens of three seconds: a source is not asked more than a second after a second."""
    async with staged(Issuer(3)) as scene:
        await scene.cable.open()
        await asyncio.sleep(120)
        assert scene.cable.state is State.CONNECTED
        assert all(later - earlier >= 1 for earlier, later in pairwise(scene.issuer.asked))
