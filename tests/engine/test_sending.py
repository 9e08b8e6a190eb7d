"""Commands: what may be sent, when it goes, in which order, and what becomes of a call that is given up."""

from __future__ import annotations

import asyncio
import json
import traceback
from types import MappingProxyType
from typing import Any

import pytest

from cableway import (
    InvalidPayload,
    LineClosed,
    LineStale,
    MessageTooLarge,
    NotConnected,
    State,
    SubscriptionClosed,
    SubscriptionRejected,
    SubscriptionTimeout,
)
from cableway.engine.sending import encode_command
from tests.scripted import Line, background, connected, line, refusal, settle


def sent(made: Line) -> list[dict[str, Any]]:
    """Take the data of the message commands that the server got."""
    return [json.loads(command["data"]) for command in made.server.received if command["command"] == "message"]


# Encoding ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "more", "expected"),
    [
        (None, {}, {"action": "speak"}),
        ({}, {}, {"action": "speak"}),
        ({"text": "hi"}, {}, {"text": "hi", "action": "speak"}),
        (None, {"text": "hi"}, {"text": "hi", "action": "speak"}),
        (
            {"a": None, "b": [1, {"c": 0.5}]},
            {"d": False},
            {"a": None, "b": [1, {"c": 0.5}], "d": False, "action": "speak"},
        ),
        (MappingProxyType({"frozen": True}), {}, {"frozen": True, "action": "speak"}),
        ({"text": "häß 🚂 \u2028"}, {}, {"text": "häß 🚂 \u2028", "action": "speak"}),
    ],
)
def test_data_and_keywords_make_one_object(data: Any, more: Any, expected: Any) -> None:
    """The action goes in beside them, as Rails reads it."""
    assert json.loads(encode_command("speak", data, more)) == expected


def test_a_command_without_an_action_is_the_data_alone() -> None:
    """That is what ``send`` writes."""
    assert encode_command(None, {"text": "hi"}, {}) == '{"text":"hi"}'


LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP


@pytest.mark.parametrize(
    ("action", "data", "more", "text"),
    [
        ("", None, {}, "action=''"),
        ("  ", None, {}, "action="),
        (None, [1], {}, "not list"),
        (7, None, {}, "action=7"),
        ("speak", ["text"], {}, "not list"),
        ("speak", "text", {}, "not str"),
        ("speak", 7, {}, "not int"),
        ("speak", {"action": "other"}, {}, "'action'"),
        ("speak", None, {"action": "other"}, "'action'"),
        ("speak", {"a": 1}, {"a": 2}, "'a' is given twice"),
        ("speak", {1: "one"}, {}, "the key 1 is not a string"),
        ("speak", {"a": object()}, {}, "cannot be written as JSON"),
        ("speak", {"a": {1, 2}}, {}, "cannot be written as JSON"),
        ("speak", {"a": float("nan")}, {}, "cannot be written as JSON"),
        ("speak", {"a": b"bytes"}, {}, "cannot be written as JSON"),
        ("speak", {"a": "\ud800"}, {}, "cannot be written as JSON"),
        ("speak", LOOP, {}, "cannot be written as JSON"),
    ],
)
def test_what_cannot_be_a_command_is_refused(action: Any, data: Any, more: Any, text: str) -> None:
    """The error names the value and the rule."""
    with pytest.raises(InvalidPayload, match=text):
        encode_command(action, data, more)


# When it goes --------------------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_perform_waits_for_the_confirmation() -> None:
    """Nothing is written before; what comes from several calls goes in their order."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        calls = [background(chat.perform("speak", n=n)) for n in range(3)]
        await settle()
        assert sent(made) == []
        made.server.confirm(chat.identifier)
        await asyncio.gather(*calls)
        assert [data["n"] for data in sent(made)] == [0, 1, 2]


@pytest.mark.looptime
async def test_perform_before_the_line_is_up_waits_for_both() -> None:
    """A first dial counts as coming up."""
    made = line()
    chat = made.cable.subscribe("Chat")
    opening = background(made.cable.open())
    await settle()
    call = background(chat.perform("speak"))
    await made.welcome()
    await opening
    made.server.confirm(chat.identifier)
    await call
    assert sent(made) == [{"action": "speak"}]
    await made.cable.close()


@pytest.mark.looptime
async def test_calls_that_waited_go_out_before_later_ones() -> None:
    """A call in the very turn of the confirmation does not overtake."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        first = background(chat.perform("speak", n=1))
        await settle()
        made.server.confirm(chat.identifier)
        await chat
        await chat.perform("speak", n=2)
        await first
        assert [data["n"] for data in sent(made)] == [1, 2]


@pytest.mark.looptime
async def test_two_handles_of_one_subscription_keep_the_order_of_the_calls() -> None:
    """Whoever called: what waited for one confirmation goes out as it was called."""
    async with connected() as made:
        one, two = made.cable.subscribe("Chat"), made.cable.subscribe("Chat")
        calls = []
        for n in range(6):
            calls.append(background((one, two)[n % 2].perform("speak", n=n)))
            await asyncio.sleep(0)
        made.server.confirm(one.identifier)
        await asyncio.gather(*calls)
        assert [data["n"] for data in sent(made)] == [0, 1, 2, 3, 4, 5]


@pytest.mark.looptime
async def test_what_was_passed_in_is_encoded_at_once_and_never_changed() -> None:
    """What the caller does to it afterwards changes nothing."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        data = {"list": [1]}
        call = background(chat.perform("speak", data))
        await settle()
        assert data == {"list": [1]}
        data["list"].append(2)
        made.server.confirm(chat.identifier)
        await call
        assert sent(made) == [{"list": [1], "action": "speak"}]


@pytest.mark.looptime
async def test_send_has_no_action() -> None:
    """Rails runs ``receive``."""
    async with connected() as made:
        chat = await made.live()
        await chat.send({"text": "hi"})
        assert sent(made) == [{"text": "hi"}]


@pytest.mark.looptime
async def test_parameters_may_be_called_as_the_method_s_own() -> None:
    """``data`` and ``self`` are keys like any other."""
    async with connected() as made:
        chat = await made.live()
        await chat.perform("speak", data=1, self=2)
        assert sent(made) == [{"data": 1, "self": 2, "action": "speak"}]


# While the line is down ----------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_perform_while_the_line_is_down() -> None:
    """NotConnected in every state but CONNECTING and CONNECTED; it names the state and why."""
    made = line()
    chat = made.cable.subscribe("Chat")
    with pytest.raises(NotConnected, match="the cable is idle: nothing was sent"):
        await chat.perform("speak")
    server = await made.connect()
    server.confirm(chat.identifier)
    await chat
    server.close(1011, "over")
    await settle()
    assert made.cable.state is State.DISCONNECTED
    with pytest.raises(NotConnected, match=r"disconnected: nothing was sent; .* 1011"):
        await chat.perform("speak")
    await made.cable.close()
    with pytest.raises(NotConnected, match="the cable is closed"):
        await chat.perform("speak")


@pytest.mark.looptime
async def test_perform_that_waits_when_the_line_goes_down() -> None:
    """It does not wait for the next line, and is not sent on it."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        call = background(chat.perform("speak"))
        await settle()
        made.server.cut()
        with pytest.raises(NotConnected, match="disconnected"):
            await call
        await made.welcome()
        made.server.confirm(chat.identifier)
        await chat
        assert sent(made) == []


@pytest.mark.looptime
async def test_perform_that_waits_for_a_dial_that_fails() -> None:
    """The same."""
    made = line()
    chat = made.cable.subscribe("Chat")
    opening = background(made.cable.open())
    await settle()
    call = background(chat.perform("speak"))
    await made.transport.refuse(refusal())
    with pytest.raises(NotConnected, match="nobody is there"):
        await call
    opening.cancel()
    await made.cable.close()


@pytest.mark.looptime
async def test_perform_on_what_is_no_subscription_any_more() -> None:
    """Rejected, unsubscribed, or never answered."""
    async with connected() as made:
        rejected, left, silent = (made.cable.subscribe(name) for name in ("Rejected", "Left", "Silent"))
        calls = [background(handle.perform("speak")) for handle in (rejected, left, silent)]
        await settle()
        made.server.reject(rejected.identifier)
        await left.unsubscribe(flush=False)
        with pytest.raises(SubscriptionRejected):
            await calls[0]
        with pytest.raises(SubscriptionClosed):
            await calls[1]
        for handle, error in ((rejected, SubscriptionRejected), (left, SubscriptionClosed)):
            with pytest.raises(error):
                await handle.perform("speak")
        made.server.confirm(left.identifier)
        await asyncio.sleep(11)
        await made.welcome()
        await asyncio.sleep(11)
        assert isinstance(calls[2].exception(), NotConnected | SubscriptionTimeout)
        with pytest.raises(SubscriptionTimeout):
            await asyncio.wait_for(_perform_again(silent), 300)


async def _perform_again(silent: Any) -> None:
    while True:
        try:
            await silent.perform("speak")
        except NotConnected:
            await asyncio.sleep(1)


# Limits --------------------------------------------------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.parametrize("text", ["x", '"', "ä", "🚂", "\\"])
async def test_the_size_limit_is_exact(text: str) -> None:
    """What fits is sent, one byte more is refused before anything is written, and the text tells size and limit."""
    async with connected(max_command_size=1000) as made:
        chat = await made.live()
        size = 1000
        with pytest.raises(MessageTooLarge):
            await chat.perform("speak", text=text * size)
        errors = []
        while not made.server._inbox.qsize():
            try:
                await chat.perform("speak", text=text * size)
            except MessageTooLarge as error:
                errors.append(error)
                size -= 1
        assert all(error.limit == 1000 and str(error.size) in str(error) for error in errors)
        [command] = made.server.received
        length = len(json.dumps(command, separators=(",", ":"), ensure_ascii=False).encode())
        assert 1000 - 12 < length <= 1000


@pytest.mark.looptime
async def test_the_limit_can_be_lifted() -> None:
    """``None`` sends anything."""
    async with connected(max_command_size=None) as made:
        chat = await made.live()
        await chat.perform("speak", text="x" * 1_000_000)
        assert len(sent(made)[0]["text"]) == 1_000_000


@pytest.mark.looptime
async def test_perform_waits_for_the_network_to_take_more() -> None:
    """It returns when the line is writable again."""
    async with connected() as made:
        chat = await made.live()
        made.server.connection.writable.clear()
        call = background(chat.perform("speak"))
        await asyncio.sleep(5)
        assert not call.done()
        made.server.connection.writable.set()
        await call


@pytest.mark.looptime
async def test_a_line_that_takes_no_data_is_dropped_as_stale() -> None:
    """After ``write_timeout``; every call on it hears so, and the next line serves."""
    async with connected(write_timeout=3) as made:
        chat = await made.live()
        jammed = made.server
        jammed.connection.writable.clear()
        first = background(chat.perform("speak"))
        await asyncio.sleep(1)
        second = background(chat.perform("speak"))
        await asyncio.sleep(1.9)
        assert not jammed.over.is_set()
        with pytest.raises(LineStale, match="took no more data for 3 s"):
            await first
        with pytest.raises(LineStale):
            await second
        assert jammed.over.is_set()
        await made.welcome()
        made.server.confirm(chat.identifier)
        await chat
        await chat.perform("speak")


@pytest.mark.looptime
async def test_a_line_that_takes_some_data_is_slow_and_not_stale() -> None:
    """As long as it does, where the connection can tell; after that the time runs."""
    async with connected(write_timeout=3) as made:
        chat = await made.live()
        jammed: Any = made.server.connection
        jammed.writable.clear()
        jammed.written = 0
        call = background(chat.perform("speak"))
        for _ in range(5):
            await asyncio.sleep(2)
            jammed.written += 1
        assert not call.done()
        with pytest.raises(LineStale, match="took no more data for 3 s"):
            await asyncio.wait_for(call, 6.1)


@pytest.mark.looptime
async def test_commands_that_have_to_wait_are_given_that_time_to_go() -> None:
    """On a line that tells how long that may be."""
    async with connected(write_timeout=3) as made:
        jammed: Any = made.server.connection
        jammed.command_latency = 15.0
        chat = await made.live()
        jammed.writable.clear()
        call = background(chat.perform("speak"))
        await asyncio.sleep(17.9)
        assert not call.done()
        with pytest.raises(LineStale, match="took no more data for 18 s"):
            await call


@pytest.mark.looptime
async def test_an_end_that_many_wait_for_is_told_shortly() -> None:
    """The error that all of them raise does not gather the tracebacks of the others."""
    async with connected() as made:
        chat = await made.live()
        made.server.connection.writable.clear()
        calls = [background(chat.perform("speak")) for _ in range(50)]
        await settle()
        made.server.cut()
        await asyncio.wait(calls)
        for call in calls:
            error = call.exception()
            assert isinstance(error, LineClosed)
            assert len(traceback.extract_tb(error.__traceback__)) < 10


@pytest.mark.looptime
async def test_a_line_that_breaks_during_the_hand_over_is_no_success() -> None:
    """Whether the command arrived cannot be known, and is not reported as fine."""
    async with connected() as made:
        chat = await made.live()
        made.server.connection.writable.clear()
        call = background(chat.perform("speak"))
        await settle()
        made.server.close(1011, "gone")
        with pytest.raises(LineClosed, match="1011"):
            await call


# Cancelled -----------------------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_a_call_cancelled_before_the_hand_over_sends_nothing() -> None:
    """Also when it is cancelled in the turn in which the confirmation comes."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        early, late, kept = (background(chat.perform("speak", n=n)) for n in range(3))
        await settle()
        early.cancel()
        await settle()
        made.server.confirm(chat.identifier)
        late.cancel()
        await kept
        assert [data["n"] for data in sent(made)] == [2]


@pytest.mark.looptime
async def test_a_call_cancelled_while_the_network_is_jammed_may_still_arrive() -> None:
    """It was handed over; the line is not harmed by the cancellation."""
    async with connected() as made:
        chat = await made.live()
        made.server.connection.writable.clear()
        call = background(chat.perform("speak"))
        await settle()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        made.server.connection.writable.set()
        await chat.perform("again")
        assert [data["action"] for data in sent(made)] == ["speak", "again"]
        assert made.transport.dials == 1
