"""The line of a client that polls, on virtual time."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest

from cableway.gateway.poll_line import ANSWER_SIZE, HELD_LINES, PollLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.looptime


class Rig:
    """A line whose session writes what it is told, and keeps what it hears."""

    def __init__(self) -> None:
        self.line = PollLine(keepalive=5)
        self.heard: list[bytes] = []
        self.aborted = 0
        self._frames: asyncio.Queue[bytes | int] = asyncio.Queue()
        self.writer = asyncio.create_task(self._write())
        self.reader = asyncio.create_task(self._read())

    def say(self, *frames: bytes | int) -> None:
        """Have the session say something, or close with a code."""
        for frame in frames:
            self._frames.put_nowait(frame)

    async def poll(self, *commands: bytes, patience: float | None = 15, flush: float = 0.5) -> bytes:
        """Do as a request does."""
        with self.line.request(self.abort) as turn:
            await self.line.ask(turn, commands)
            return b"".join(await self.line.fetch(turn, patience=patience, flush=flush))

    def abort(self) -> None:
        """Count."""
        self.aborted += 1

    async def _write(self) -> None:
        while True:
            frame = await self._frames.get()
            if isinstance(frame, int):
                await self.line.close(frame, "")
            else:
                await self.line.send(frame)

    async def _read(self) -> None:
        async for command in self.line.messages():
            self.heard.append(command)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """Give one, and see to it that nothing goes on after the test."""
    given = Rig()
    yield given
    given.line.end()
    given.writer.cancel()
    await asyncio.wait([given.writer, given.reader])


def now() -> float:
    """Tell the time."""
    return asyncio.get_running_loop().time()


async def test_a_poll_waits_for_something_and_a_little_for_more(rig: Rig) -> None:
    """What is said within the flush interval comes along, and what is said later with the next."""
    loop, start = asyncio.get_running_loop(), now()
    for delay, frame in [(3, b"1"), (3.4, b"2"), (3.6, b"3")]:
        loop.call_later(delay, rig.say, frame)
    assert await rig.poll() == b"1\n2\n"
    assert now() == pytest.approx(start + 3.5)
    assert await rig.poll() == b"3\n"


async def test_a_poll_with_nothing_to_say_ends_after_its_time(rig: Rig) -> None:
    """And not later: there is nothing to wait for more of."""
    start = now()
    assert await rig.poll() == b""
    assert now() == pytest.approx(start + 15)


async def test_what_is_said_while_nobody_asks_waits_with_the_session(rig: Rig) -> None:
    """One frame at a time is out of its queue, so that the queue's limit counts."""
    rig.say(b"1", b"2")
    await asyncio.sleep(1)
    assert rig._frames.qsize() == 1
    assert await rig.poll() == b"1\n2\n"


async def test_line_ends_between_tokens_are_blanks(rig: Rig) -> None:
    """A frame is one line."""
    rig.say(b'{\r\n"a":\n1}')
    assert await rig.poll() == b'{  "a": 1}\n'


async def test_a_full_answer_goes_at_once(rig: Rig) -> None:
    """What does not fit comes with the next."""
    frame, start = b"x" * (ANSWER_SIZE // 2), now()
    rig.say(frame, frame, b"rest")
    assert await rig.poll(flush=60) == frame + b"\n" + frame + b"\n"
    assert now() == pytest.approx(start)
    assert await rig.poll() == b"rest\n"


async def test_commands_are_heard_in_order_blank_lines_are_not(rig: Rig) -> None:
    """At once, while the poll waits on."""
    poll = asyncio.create_task(rig.poll(b"one", b"", b" \r", b"two"))
    await asyncio.sleep(0.1)
    assert (rig.heard, poll.done()) == ([b"one", b"two"], False)
    await poll


async def test_a_later_request_takes_over(rig: Rig) -> None:
    """The earlier is answered at once, with nothing, even if it had something already."""
    start = now()
    first = asyncio.create_task(rig.poll(flush=10))
    await asyncio.sleep(1)
    rig.say(b"1")
    await asyncio.sleep(1)
    second = asyncio.create_task(rig.poll())
    assert await first == b""
    assert now() == pytest.approx(start + 2)
    rig.say(b"2")
    assert await second == b"1\n2\n"


async def test_an_earlier_request_that_ends_late_does_not_disturb(rig: Rig) -> None:
    """Its writing may take a while; the later one gets all the same what is said."""
    with rig.line.request(rig.abort) as turn:
        first = asyncio.create_task(rig.line.fetch(turn, patience=15, flush=0))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(rig.poll())
        assert await first == []
    rig.say(b"1")
    assert await second == b"1\n"


async def test_a_request_that_is_gone_takes_nothing_along(rig: Rig) -> None:
    """What was said to it is for the next one, and so is what could not be written."""
    with rig.line.request(rig.abort) as turn:
        rig.say(b"1")
        waiting = asyncio.create_task(rig.line.fetch(turn, patience=15, flush=10))
        await asyncio.sleep(1)
        rig.line.leave(turn)
        assert await waiting == []
        await rig.line.ask(turn, [b"late"])
        assert await rig.line.fetch(turn, patience=15, flush=10) == []
    with rig.line.request(rig.abort) as turn:
        said = await rig.line.fetch(turn, patience=15, flush=0)
        rig.say(b"2")
        rig.line.put_back(said)
    assert (said, await rig.poll(), rig.heard) == ([b"1\n"], b"1\n2\n", [])


async def test_what_is_put_back_goes_before_what_came_since(rig: Rig) -> None:
    """Though a later request has taken that up already."""
    rig.say(b"1")
    with rig.line.request(rig.abort) as turn:
        said = await rig.line.fetch(turn, patience=15, flush=0)
        later = asyncio.create_task(rig.poll(flush=1))
        rig.say(b"2")
        await asyncio.sleep(0.5)
        rig.line.put_back(said)
    assert await later == b"1\n2\n"


async def test_what_is_put_back_fills_the_next_answer(rig: Rig) -> None:
    """It counts for its size: that one goes at once, and takes nothing more."""
    rig.say(b"x" * ANSWER_SIZE, b"2")
    with rig.line.request(rig.abort) as turn:
        rig.line.put_back(await rig.line.fetch(turn, patience=15, flush=60))
    start = now()
    assert await rig.poll(flush=60) == b"x" * ANSWER_SIZE + b"\n"
    assert now() == pytest.approx(start)


async def test_once_a_request_is_gone_nothing_is_taken_for_it(rig: Rig) -> None:
    """It stays in the session's queue, whose limit counts."""
    with rig.line.request(rig.abort) as turn:
        waiting = asyncio.create_task(rig.line.fetch(turn, patience=15, flush=10))
        await asyncio.sleep(1)
        rig.line.leave(turn)
        await waiting
        rig.say(b"1", b"2", b"3")
        await asyncio.sleep(1)
        assert rig._frames.qsize() == 2


async def test_a_line_that_is_closed_without_a_word_waits_for_one_more_poll(rig: Rig) -> None:
    """So that its id is not stale before the client has heard anything of the end."""
    rig.say(1000)
    await asyncio.sleep(1)
    assert (rig.line.close_code, rig.line.over) == (1000, False)
    assert await rig.poll() == b""
    await asyncio.wait([rig.reader])
    assert rig.line.over


async def test_who_does_not_poll_is_gone(rig: Rig) -> None:
    """After the keepalive time, which counts between requests, from the end of the last one on."""
    start = now()
    for _ in range(2):
        await rig.poll()
        await asyncio.sleep(4.9)
    assert not rig.line.over
    await asyncio.wait([rig.reader])
    assert rig.line.over
    assert now() == pytest.approx(start + 15 + 4.9 + 15 + 5)


async def test_who_polls_twice_is_there_until_both_are_answered(rig: Rig) -> None:
    """The end of the earlier request starts no clock."""
    first = asyncio.create_task(rig.poll())
    await asyncio.sleep(1)
    second = asyncio.create_task(rig.poll())
    await first
    assert rig.line.asking
    assert await second == b""
    assert (rig.line.over, rig.line.asking) == (False, False)


async def test_who_is_expected_no_more_is_gone_with_the_last_request(rig: Rig) -> None:
    """Hung up or answered makes no difference, and no time passes."""
    with rig.line.request(rig.abort), rig.line.request(rig.abort):
        rig.line.keepalive = 0
    assert rig.line.over


async def test_the_end_is_told_with_the_next_poll(rig: Rig) -> None:
    """All that was said comes along, at once, and then there is no line any more."""
    rig.say(b"last", b"goodbye", 1000)
    await asyncio.sleep(1)
    assert (rig.line.close_code, rig.line.over) == (None, False)
    start = now()
    assert await rig.poll(flush=10) == b"last\ngoodbye\n"
    assert now() == pytest.approx(start)
    await asyncio.wait([rig.reader])
    assert (rig.line.close_code, rig.line.over) == (1000, True)


async def test_the_opening_request_waits_for_as_long_as_it_takes(rig: Rig) -> None:
    """To let the client in or not; what is said then comes without a further wait."""
    loop, start = asyncio.get_running_loop(), now()
    loop.call_later(100, rig.line.let_in)
    loop.call_later(100, rig.say, b"welcome")
    assert await rig.poll(patience=None, flush=0) == b"welcome\n"
    assert (now(), rig.line.accepted) == (pytest.approx(start + 100), True)


async def test_a_refusal_without_a_word_answers_the_opening_request(rig: Rig) -> None:
    """As a bare close does for a WebSocket."""
    rig.say(1011)
    assert await rig.poll(patience=None, flush=0) == b""
    assert (rig.line.close_code, rig.line.accepted) == (1011, False)


async def test_many_commands_wait_for_a_slow_session(rig: Rig) -> None:
    """A request that comes while too many wait has to wait, too, with its body; another does not get ahead of it."""
    rig.reader.cancel()
    await rig.poll(*[b"x"] * HELD_LINES, patience=0)
    late = asyncio.create_task(rig.poll(b"late"))
    await asyncio.sleep(30)
    assert not late.done()
    heard = rig.line.messages()
    for _ in range(HELD_LINES):
        assert await anext(heard) == b"x"
    assert await anext(heard) == b"late"
    assert await late == b""
    await heard.aclose()  # type: ignore[attr-defined]


async def test_an_abort_cuts_the_requests_off(rig: Rig) -> None:
    """And ends the line."""
    poll = asyncio.create_task(rig.poll())
    await asyncio.sleep(1)
    rig.line.abort()
    await poll
    assert (rig.aborted, rig.line.over) == (1, True)
    await asyncio.sleep(10)
    assert rig.reader.done()


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_requests_do_each_frame_is_told_once_and_in_order(rig: Rig, seed: int) -> None:
    """They come two at a time, hang up, and fail to be written, in any order."""
    dice, told, said = Random(seed), list[bytes](), 0

    async def ask(stay: float, *, lost: bool) -> None:
        with rig.line.request(rig.abort) as turn:
            asyncio.get_running_loop().call_later(stay, rig.line.leave, turn)
            lines = await rig.line.fetch(turn, patience=3, flush=dice.choice([0, 0.5]))
            if lost:
                rig.line.put_back(lines)
            else:
                told.extend(lines)

    polls = []
    for _ in range(60):
        for _ in range(dice.choice([0, 0, 1, 3])):
            rig.say(b"%d" % said)
            said += 1
        polls.append(asyncio.create_task(ask(dice.uniform(0, 5), lost=dice.random() < 0.3)))
        await asyncio.sleep(dice.uniform(0, 1))
    await asyncio.gather(*polls)
    await ask(60, lost=False)

    assert told == [b"%d\n" % n for n in range(said)]
