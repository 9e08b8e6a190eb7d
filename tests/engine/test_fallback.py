"""A cable that several transports could carry: each step is a dial of its own, and the line comes up on one."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from cableway import (
    Cable,
    Connected,
    Connecting,
    DialGate,
    Disconnected,
    ExponentialBackoff,
    HandshakeRefused,
    HostUnreachable,
    MemoryTransport,
    MessageTooLarge,
    NotConnected,
    NotOffered,
    NotSupported,
    OnDemandMonitor,
    State,
    TransportChanged,
    Unauthorized,
    UsageError,
)
from cableway.host.network import WayOut
from tests.issuing import Issuer
from tests.obstructed import Obstructed, Way, obstructed
from tests.scripted import URL, background

pytestmark = pytest.mark.looptime


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


def refusal(status: int) -> Any:
    """Return what refuses a dial with *status*."""
    return lambda request: HandshakeRefused(request.url, status, {})


def absent(request: Any) -> NotOffered:
    """Return the error of a server that does not have the transport."""
    return NotOffered(request.url, 404, {})


def nobody(request: Any) -> HostUnreachable:
    """Return the error of a port that refuses."""
    return HostUnreachable(request.url, "refused the connection")


def route(made: Obstructed) -> list[str]:
    """Return by which transports was dialled."""
    return [event.transport for event in made.scene.told(Connecting)]


async def test_a_black_hole_costs_seconds() -> None:
    """The upgrade is swallowed: by the next transport the line is up within ten seconds, and the user is told why."""
    async with obstructed(backoff=ExponentialBackoff()) as made:
        made.websocket.swallows = True
        await made.scene.cable.open()
        assert now() < 5
        assert route(made) == ["websocket", "long_polling"]
        assert [event.transport for event in made.scene.told(Connected)] == ["long_polling"]
        assert made.scene.cable.stats().transport == "long_polling"
        why = "the upgrade was not answered within 4 s"
        assert made.scene.told(TransportChanged) == [TransportChanged("websocket", "long_polling", why)]
        kinds = [type(event).__name__ for event in made.scene.events if not isinstance(event, Connecting)]
        assert kinds[-2:] == ["Connected", "TransportChanged"]


async def test_only_the_last_resort_works() -> None:
    """Two that come to nothing, one that is found."""
    async with obstructed(backoff=ExponentialBackoff()) as made:
        made.websocket.swallows = True
        made.polling.obstacle = absent
        await made.scene.cable.open()
        assert now() < 7
        assert route(made) == ["websocket", "long_polling", "event_stream"]
        await made.scene.cable.close()
        await made.scene.cable.open()
        assert route(made)[3:] == ["event_stream"]


async def test_nothing_is_told_where_nothing_changes() -> None:
    """The first transport carries the line, again and again."""
    async with obstructed() as made:
        await made.scene.cable.open()
        made.scene.backend.talks[0].line.cut()
        await asyncio.sleep(5)
        assert route(made) == ["websocket", "websocket"]
        assert made.scene.told(TransportChanged) == []


async def test_each_step_is_a_dial_of_its_own() -> None:
    """It waits for the backoff, and at the gate, as any dial does."""
    gate = DialGate(rate=0.1, burst=1)
    async with obstructed(dial_gate=gate) as made:
        made.websocket.obstacle = refusal(426)
        made.polling.obstacle = absent
        made.events.obstacle = nobody
        opening = background(made.scene.cable.open())
        await asyncio.sleep(60)
        times = sorted([*made.websocket.dials, *made.polling.dials, *made.events.dials])
        # The first one came at once, then one in ten seconds.
        assert len(times) == 6
        assert all(later - sooner > 8 for sooner, later in pairwise(times))
        made.events.obstacle = None
        await opening


async def test_a_dead_server_sees_no_more_dials_than_before() -> None:
    """Silence on all ways for an hour, against a cable with one transport."""
    counts = []
    for names in (("a", "b", "c"), ("a",)):
        ways = [Way(name, MemoryTransport(), swallows=True) for name in names]
        cable = Cable(URL, transports=ways, backoff=ExponentialBackoff(jitter=0), open_timeout=None)
        opening = background(cable.open())
        # The first rounds are cut short, and their dials come sooner: what counts is how it goes on.
        await asyncio.sleep(300)
        before = sum(len(one.dials) for one in ways)
        await asyncio.sleep(3600)
        counts.append(sum(len(one.dials) for one in ways) - before)
        await cable.close()
        await asyncio.wait([opening])
        assert isinstance(opening.exception(), NotConnected)
    assert 10 < counts[0] <= counts[1] + 1


async def test_the_other_protocol_is_offered_before_the_other_transport() -> None:
    """A server may refuse the upgrade for want of the extended protocol; only refused again it was not for that."""
    async with obstructed() as made:
        made.websocket.obstacle = refusal(400)
        await made.scene.cable.open()
        assert route(made) == ["websocket", "websocket", "long_polling"]
        offers = [one.requests[-1].subprotocols[0] for one in (made.websocket, made.polling)]
        assert offers == ["actioncable-v1-json", "actioncable-v1-ext-json"]


@pytest.mark.parametrize("obstacle", [nobody, refusal(503), refusal(404)], ids=["refused port", "503", "wrong path"])
async def test_what_says_nothing_about_the_transport_starts_no_fallback(obstacle: Any) -> None:
    """The same one is dialled until it works."""
    async with obstructed() as made:
        made.websocket.obstacle = obstacle
        opening = background(made.scene.cable.open())
        await asyncio.sleep(3)
        made.websocket.obstacle = None
        await opening
        assert set(route(made)) == {"websocket"}


async def test_a_refused_token_is_no_fault_of_the_transport() -> None:
    """It is renewed, and dialled with once more; refused again it is final, and no other transport is asked."""
    async with obstructed(Issuer()) as made:
        made.scene.backend.revoked = made.scene.issuer.values  # the list itself: every token, those to come too
        with pytest.raises(Unauthorized):
            await made.scene.cable.open()
        assert set(route(made)) == {"websocket"}


async def test_a_transport_that_cannot_be_used_is_left_out() -> None:
    """What the user gave may be no use to it: that is no reason to give the cable up."""
    async with obstructed() as made:
        made.websocket.obstacle = refusal(426)
        made.polling.obstacle = lambda _: UsageError("it goes through HTTP proxies alone")
        await made.scene.cable.open()
        assert route(made)[-2:] == ["long_polling", "event_stream"]
        assert "cannot be used: it goes through HTTP proxies alone" in made.scene.told(TransportChanged)[0].reason
        made.websocket.obstacle = lambda _: UsageError("nobody can do that")
        made.scene.backend.open[0].line.cut()
        await asyncio.sleep(1000)
        made.events.obstacle = refusal(426)
        made.scene.backend.open[0].line.cut()
        await asyncio.sleep(10)
        assert made.scene.cable.state is State.CLOSED


async def test_a_server_that_does_not_welcome() -> None:
    """The upgrade passes, and nothing behind it: that is a black hole, too."""
    async with obstructed() as made:
        made.scene.backend.welcomes = lambda talk: talk.number > 0
        await made.scene.cable.open()
        assert now() < 6
        assert route(made) == ["websocket", "long_polling"]


async def test_a_way_that_cuts_lines_young_is_left() -> None:
    """After three of them, and the reason is told."""
    async with obstructed() as made:
        await made.scene.cable.open()
        for number in range(3):
            assert made.scene.cable.state is State.CONNECTED
            made.scene.backend.talks[number].line.cut()
            await asyncio.sleep(8)
        assert route(made) == ["websocket"] * 3 + ["long_polling"]
        assert [event.transport for event in made.scene.told(TransportChanged)] == ["long_polling"]


async def test_a_slow_network_gets_the_time_it_needs() -> None:
    """Where each answer takes six seconds nothing comes up in the first round, and the line does in the second."""
    async with obstructed(open_timeout=120) as made:
        for way in (made.websocket, made.polling, made.events):
            way.slowness = 6.0
        await made.scene.cable.open()
        assert route(made) == ["websocket", "long_polling", "event_stream", "websocket"]
        assert [request.timeout for request in made.websocket.requests] == [4.0, 8.0]


async def test_what_worked_is_dialled_first_for_a_while() -> None:
    """After a break the line comes up at once by what carried it; ten minutes later the best one has its turn."""
    async with obstructed(monitor=OnDemandMonitor(linger=1)) as made:
        made.websocket.swallows = True
        await made.scene.cable.open()
        for _ in range(2):
            async with made.scene.cable.awake():
                pass
            await asyncio.sleep(60)
        assert route(made) == ["websocket", "long_polling", "long_polling"]
        made.websocket.swallows = False
        await asyncio.sleep(600)
        async with made.scene.cable.awake():
            assert route(made)[3:] == ["websocket"]


async def test_on_another_network_the_best_one_is_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was learned in the office is of no matter at home, and is known in the office still."""
    here = [WayOut("10.0.0.5")]
    monkeypatch.setattr("cableway.engine.dials.way_out", lambda: here[0])
    async with obstructed() as made:
        made.websocket.swallows = True
        await made.scene.cable.open()
        await asyncio.sleep(40)
        here[0], made.websocket.swallows = WayOut("192.168.1.7"), False
        made.scene.backend.open[0].line.cut()
        await asyncio.sleep(5)
        here[0], made.websocket.swallows = WayOut("10.0.0.5"), True
        made.scene.backend.open[0].line.cut()
        await asyncio.sleep(5)
        assert route(made) == ["websocket", "long_polling", "websocket", "long_polling"]
        reasons = [event.reason for event in made.scene.told(TransportChanged)]
        assert reasons[1:] == ["the network is another one"] * 2


async def test_a_host_that_cannot_tell_its_network_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of file descriptors, for one."""

    def fails() -> WayOut:
        raise OSError

    monkeypatch.setattr("cableway.engine.dials.way_out", fails)
    async with obstructed() as made:
        made.websocket.swallows = True
        await made.scene.cable.open()
        assert route(made) == ["websocket", "long_polling"]


# What the line that came up can carry --------------------------------------------------------------------------------


async def test_what_only_listens_takes_no_commands() -> None:
    """While there is no line a command may wait for a better one; on this one it is told that it cannot go."""
    async with obstructed(monitor=OnDemandMonitor()) as made:
        made.websocket.swallows = made.polling.swallows = True
        await made.scene.cable.open()
        chat = made.scene.cable.subscribe("Chat")
        with pytest.raises(NotSupported, match="the transport event_stream"):
            await chat.perform("speak")
        assert made.scene.cable.state is State.CONNECTED
        with pytest.raises(NotSupported, match="perform is not part of the transport event_stream"):
            await chat.perform("speak")
        with pytest.raises(NotSupported):
            await chat.whisper({"typing": True})
        with pytest.raises(NotSupported):
            await chat.presence.get()
        assert made.scene.backend.performed == []


async def test_a_command_must_fit_the_transport_that_carries_the_line() -> None:
    """What a WebSocket takes may be too large for a poll: that is told when it is known."""
    async with obstructed(monitor=OnDemandMonitor()) as made:
        made.polling.max_command_size = 1000
        made.websocket.swallows = True
        await made.scene.cable.open()
        chat = made.scene.cable.subscribe("Chat")
        waiting = background(chat.perform("speak", text="x" * 2000))
        small = background(chat.perform("speak", text="x"))
        with pytest.raises(MessageTooLarge, match="1000"):
            await waiting
        await small
        with pytest.raises(MessageTooLarge, match="1000"):
            await chat.perform("speak", text="x" * 2000)
        await asyncio.sleep(0.1)
        assert [data["text"] for _, data in made.scene.backend.performed] == ["x"]


async def test_a_command_that_fits_is_not_measured_by_a_transport_that_is_not_used() -> None:
    """On a WebSocket the limits of polls are of no matter."""
    async with obstructed() as made:
        made.polling.max_command_size = 1000
        await made.scene.cable.open()
        chat = await made.scene.cable.subscribe("Chat")
        await chat.perform("speak", text="x" * 2000)
        await asyncio.sleep(0.1)
        assert len(made.scene.backend.performed) == 1


async def test_no_false_disconnects() -> None:
    """Failed dials are told as ever, a line that stands is never told to be down."""
    async with obstructed() as made:
        made.websocket.obstacle = refusal(426)
        await made.scene.cable.open()
        before = len(made.scene.told(Disconnected))
        await asyncio.sleep(2000)
        assert len(made.scene.told(Disconnected)) == before
        assert len(made.scene.told(Connected)) == 1
