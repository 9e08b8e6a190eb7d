"""A cable on a line by long polling, beyond the contract of all lines: requests, and what becomes of bad answers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    Cable,
    Connected,
    Event,
    LongPollingTransport,
    MessageTooLarge,
    Recovered,
    Recovery,
    RetryScheduled,
    State,
    Unauthorized,
)
from tests.scripted import STEADY, background
from tests.transports.polling.house import House, Visit, break_off, cut, serving, status, swallow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.looptime


@asynccontextmanager
async def cable(house: House, events: list[Event] | None = None, **options: Any) -> AsyncIterator[Cable]:
    """Open a cable on the server, and close it well."""
    transport = LongPollingTransport(**options.pop("transport", {}))
    made = Cable(house.url, **{"transports": [transport], "backoff": STEADY, **options})
    if events is not None:
        made.on(Event, events.append)
    async with made:
        yield made


async def test_the_first_subscribe_goes_with_the_first_poll() -> None:
    """And from then on there is one poll at a time."""
    async with serving() as house:
        async with cable(house) as made:
            async with made.subscribe("Chat", room=1) as chat:
                assert house.visits[1].commands[0]["command"] == "subscribe"
                await chat.perform("echo", n=1)
                assert (await chat.receive(timeout=60)).data == {"action": "echo", "n": 1}
            await house.until(lambda: not house.session.subscribed)
        assert house.most_at_once == 1


async def test_one_who_subscribes_late_waits_for_the_held_poll_and_no_longer() -> None:
    """The line is not taken for dead, and nothing is asked twice, for all that the answer takes its time."""
    events: list[Event] = []
    async with serving(House(hold=15)) as house, cable(house, events) as made:
        await house.until(lambda: house.session.polls == 1)
        await made.subscribe("Chat")
        commands = [command for visit in house.visits for command in visit.commands]
        assert [command["command"] for command in commands] == ["subscribe"]
        assert len(house.sessions) == 1


@pytest.mark.parametrize("sending", ["wait", "interrupt"])
async def test_many_commands_go_in_requests_that_the_server_takes(sending: str) -> None:
    """None is larger than the limit, and none goes beside one that is held."""
    count = 2000
    async with serving(House(hold=1)) as house:
        async with cable(house, transport={"sending": sending, "hold": 1}) as made, made.subscribe("Chat") as chat:
            for number in range(count):
                await chat.perform("note", n=number)
            await house.until(lambda: len(house.performed) == count)
            assert [data["n"] for data in house.performed] == list(range(count))
        assert 60_000 < max(len(visit.body) for visit in house.visits) <= 64_000
        assert house.most_at_once <= (1 if sending == "wait" else 2)


async def test_what_a_lost_answer_swallowed_comes_from_the_past() -> None:
    """The session is asked back, and the message arrives once."""
    events: list[Event] = []
    async with serving() as house, cable(house, events) as made, made.subscribe("Chat") as chat:
        house.publish(chat.identifier, "one")
        assert (await chat.receive(timeout=60)).data == "one"
        await house.until(lambda: house.session.polls == 1)
        house.faults.append(swallow)
        house.publish(chat.identifier, "two")
        assert (await chat.receive(timeout=60)).data == "two"
        # Whatever was put into the answer that got lost.
        house.publish(chat.identifier, "three")
        received = [(await chat.receive(timeout=60)).data]
        await house.until(lambda: len(house.sessions) == 2)
        house.publish(chat.identifier, "four")
        received.append((await chat.receive(timeout=60)).data)
        assert received == ["three", "four"]
        assert house.visits[-1].poll_id == "pl_2"
        reopening = next(visit for visit in house.visits[1:] if visit.poll_id is None)
        assert reopening.request.headers["X-ANYCABLE-RESTORE-SID"] == "s1"


async def test_what_an_interrupted_poll_took_along_is_found_by_the_next_message() -> None:
    """The hole in its stream is asked for."""
    eat = asyncio.Event()

    async def swallow_late(house: House, visit: Visit) -> Any:
        await eat.wait()
        house.sessions[visit.poll_id or ""].waiting.clear()
        await asyncio.sleep(3600)

    async with (
        serving() as house,
        cable(house, transport={"sending": "interrupt"}) as made,
        made.subscribe("Chat") as chat,
    ):
        house.publish(chat.identifier, "one")
        assert (await chat.receive(timeout=60)).data == "one"
        house.faults.append(swallow_late)
        visits = len(house.visits)
        await house.until(lambda: len(house.visits) > visits and not house.faults)
        house.publish(chat.identifier, "two")
        eat.set()
        await chat.perform("note", n=1)
        await house.until(lambda: bool(house.performed))
        house.publish(chat.identifier, "three")
        assert [(await chat.receive(timeout=60)).data for _ in range(2)] == ["two", "three"]
        assert len(house.sessions) == 1


@pytest.mark.parametrize("sending", ["wait", "interrupt"])
@pytest.mark.parametrize("seed", range(5))
async def test_on_a_bad_way_each_message_comes_once_and_in_order(seed: int, sending: str) -> None:
    """Answers are lost, break off, or are refused, again and again: the past fills what they took along."""
    random = Random(seed)
    kinds = [None, None, None, swallow, cut, break_off, status(503), status(502), status(429, Retry_After="1")]

    async def misfortune() -> None:
        while True:
            house.faults.append(random.choice(kinds))
            await asyncio.sleep(random.uniform(0, 3))

    async with serving(House(hold=5)) as house, cable(house, transport={"sending": sending, "hold": 5}) as made:
        chat = await made.subscribe("Chat")
        house.publish(chat.identifier, 0)
        assert (await chat.receive(timeout=60)).data == 0
        trouble = background(misfortune())
        for number in range(1, 200):
            house.publish(chat.identifier, number)
            await asyncio.sleep(random.uniform(0, 1))
        trouble.cancel()
        house.faults.clear()
        house.publish(chat.identifier, 200)
        assert [(await chat.receive(timeout=300)).data for _ in range(200)] == list(range(1, 201))
        assert len(house.restorable) > 5


async def test_on_the_base_protocol_a_lost_answer_is_told_as_unknown() -> None:
    """Nobody can say what was in it."""
    told: asyncio.Queue[Recovered] = asyncio.Queue()
    async with (
        serving() as house,
        cable(house, protocol="actioncable-v1-json") as made,
        made.subscribe("Chat") as chat,
    ):
        chat.on(Recovered, told.put_nowait)
        await house.until(lambda: house.session.polls == 1)
        house.faults.append(swallow)
        house.publish(chat.identifier, "lost")
        async with asyncio.timeout(60):
            assert (await told.get()).recovery is Recovery.UNKNOWN


async def test_an_expired_session_is_asked_back_at_once() -> None:
    """Without a word to the user but that it was reconnected."""
    events: list[Event] = []
    async with serving() as house, cable(house, events) as made, made.subscribe("Chat") as chat:
        await house.until(lambda: house.session.polls == 1)
        house.sessions.pop("pl_1").say({"type": "ping", "message": 1_790_000_000})
        await house.until(lambda: "pl_2" in house.sessions)
        reopening = next(visit for visit in house.visits[1:] if visit.poll_id is None)
        assert reopening.request.headers["X-ANYCABLE-RESTORE-SID"] == "s1"
        house.publish(chat.identifier, "back")
        assert (await chat.receive(timeout=60)).data == "back"
    assert [event.delay <= 1.0 for event in events if isinstance(event, RetryScheduled)] == [True]
    assert [event.transport for event in events if isinstance(event, Connected)] == ["long_polling"] * 2


async def test_a_busy_server_is_obeyed_also_when_it_ends_the_line() -> None:
    """The next dial comes no sooner than it said."""
    async with serving() as house, cable(house) as made:
        house.faults += [status(503, Retry_After="30")]
        await house.until(lambda: len(house.visits) == 2)
        refused_at = house.visits[-1].at
        await house.until(lambda: len(house.visits) == 3)
        assert house.visits[2].poll_id is None
        assert house.visits[2].at - refused_at >= 30
        assert made.state in (State.CONNECTING, State.CONNECTED)


async def test_credentials_that_are_refused_end_the_cable() -> None:
    """With the words of the server's status."""
    async with serving() as house:
        house.faults.append(status(401))
        with pytest.raises(Unauthorized, match="HTTP 401 on the request for a line by long polling"):
            async with cable(house):
                pytest.fail("it was let in")


async def test_a_line_on_which_nothing_is_said_lives() -> None:
    """The answers to the polls are signs of life; no beat is made up, and none is missed."""
    events: list[Event] = []
    async with serving() as house, cable(house, events):
        await asyncio.sleep(600)
        assert len(house.sessions) == 1
        assert not [command for visit in house.visits for command in visit.commands]
        assert len([event for event in events if isinstance(event, Connected)]) == 1


async def test_a_line_that_was_polled_for_a_while_has_proved_itself() -> None:
    """Without a beat: what went wrong before it is forgotten."""
    async with serving() as house:
        house.faults += [status(503), status(503)]
        async with cable(house) as made:
            assert made.stats().failures == 2
            await asyncio.sleep(60)
            assert made.stats().failures == 0


async def test_a_server_that_answers_no_poll_is_found_dead() -> None:
    """Ten seconds after the answer was due, and the next line comes."""
    async with serving() as house, cable(house):
        house.faults.append(_never)
        await house.until(lambda: len(house.sessions) == 2)
        assert asyncio.get_running_loop().time() < 30


async def test_a_command_that_no_request_can_carry_is_refused() -> None:
    """Before it is sent."""
    async with (
        serving() as house,
        cable(house, transport={"max_request_size": 1000}) as made,
        made.subscribe("Chat") as chat,
    ):
        with pytest.raises(MessageTooLarge, match="the limit is 999"):
            await chat.perform("note", text="x" * 1000)


async def _never(_: House, __: Any) -> Any:
    await asyncio.sleep(3600)
