"""What faults do to one line, on virtual time and without a socket."""

from __future__ import annotations

import asyncio

import pytest

from cableway.gateway.faults.effects import Asked, Cut, Silence
from cableway.gateway.faults.impairment import Impairment
from cableway.gateway.faults.rules import Order

pytestmark = pytest.mark.looptime


class Line:
    """Keeps what is written; a frame has a header of one byte."""

    def __init__(self) -> None:
        self.impairment: Impairment | None = None
        self.written = b""
        self.aborted_at: float | None = None
        self._began = asyncio.get_running_loop().time()

    async def send(self, frame: bytes) -> None:
        """Do as lines do."""
        if self.impairment is None:
            await self.write(frame)
        else:
            await self.impairment.send(frame)

    def suffer(self, effect: Cut | Silence) -> Order:
        """Have a fault strike it."""
        order = Order("fault", effect, frozenset({Asked.UPGRADE}))
        self.impairment = self.impairment or Impairment(self)
        self.impairment.suffer(order)
        return order

    def wire_size(self, frame: bytes) -> int:
        """Tell it."""
        return 1 + len(frame)

    async def write(self, frame: bytes) -> None:
        """Keep it."""
        self.written += b"#" + frame

    async def write_part(self, frame: bytes, size: int) -> None:
        """Keep as much."""
        self.written += (b"#" + frame)[:size]

    def abort(self) -> None:
        """Note when."""
        assert self.aborted_at is None
        self.aborted_at = asyncio.get_running_loop().time() - self._began


async def test_a_line_is_cut_in_the_middle_of_a_frame() -> None:
    """The writer learns that it is gone."""
    line = Line()
    order = line.suffer(Cut(None, 7))
    await line.send(b"abc")
    with pytest.raises(ConnectionResetError):
        await line.send(b"defg")
    assert (line.written, line.aborted_at, order.fired) == (b"#abc#de", 0, 1)


async def test_a_line_is_cut_by_its_bytes_where_they_end_first() -> None:
    """Once: its time does not count any more."""
    line = Line()
    order = line.suffer(Cut(3, 4))
    with pytest.raises(ConnectionResetError):
        await line.send(b"abc")
    await asyncio.sleep(10)
    assert (line.written, line.aborted_at, order.fired) == (b"#abc", 0, 1)


async def test_a_line_is_cut_by_its_time_where_that_ends_first() -> None:
    """Whether anything is sent or not."""
    line = Line()
    order = line.suffer(Cut(3, 5))
    await line.send(b"abc")
    await asyncio.sleep(10)
    assert (line.written, line.aborted_at, order.fired) == (b"#abc", 3, 1)


async def test_the_smallest_budget_counts() -> None:
    """Each fault has its own, and what it lets through counts for all."""
    line = Line()
    large, small = line.suffer(Cut(None, 100)), line.suffer(Cut(None, 6))
    await line.send(b"abc")
    with pytest.raises(ConnectionResetError):
        await line.send(b"abc")
    assert (line.written, large.fired, small.fired) == (b"#abc#a", 0, 1)


async def test_no_time_is_at_once() -> None:
    """As the line comes up."""
    line = Line()
    order = line.suffer(Cut(0, None))
    assert (line.aborted_at, order.fired, line.impairment) == (0, 1, None)


async def test_a_line_falls_silent_after_its_time() -> None:
    """What is written then is gone, and nobody is told."""
    line = Line()
    order = line.suffer(Silence(2))
    await line.send(b"a")
    await asyncio.sleep(3)
    await line.send(b"b")
    assert (line.written, line.aborted_at, order.fired) == (b"#a", None, 1)


async def test_a_silent_line_is_cut_when_its_fault_is_lifted() -> None:
    """Its client has missed what nobody can send again. Who waits to say goodbye need not."""
    line = Line()
    order = line.suffer(Silence(0))
    assert line.impairment is not None
    waiting = asyncio.create_task(line.impairment.stay_silent())
    await asyncio.sleep(60)
    assert not waiting.done()
    order.lift()
    await waiting
    assert line.aborted_at == 60


async def test_another_fault_s_end_does_not_end_a_silence() -> None:
    """Not even that of a second silence."""
    line = Line()
    first, second, cut = line.suffer(Silence(0)), line.suffer(Silence(0)), line.suffer(Cut(9, None))
    second.lift()
    cut.lift()
    assert (line.aborted_at, second.fired, line.impairment is not None) == (None, 0, True)
    first.lift()
    assert line.aborted_at == 0


@pytest.mark.parametrize("effect", [Cut(5, None), Cut(None, 3), Silence(5)])
async def test_what_was_to_come_does_not_once_the_fault_is_lifted(effect: Cut | Silence) -> None:
    """And the line is as it was before, at no cost."""
    line = Line()
    order = line.suffer(effect)
    order.lift()
    await line.send(b"abc")
    await asyncio.sleep(10)
    assert (line.written, line.aborted_at, order.fired, line.impairment) == (b"#abc", None, 0, None)


@pytest.mark.parametrize("effect", [Cut(5, None), Silence(5)])
async def test_a_line_that_is_gone_suffers_no_more(effect: Cut | Silence) -> None:
    """No timer is left, and the fault does not count it."""
    line = Line()
    order = line.suffer(effect)
    assert line.impairment is not None
    line.impairment.end()
    assert order._holds == {}
    await asyncio.sleep(10)
    order.lift()
    assert (line.aborted_at, order.fired) == (None, 0)
