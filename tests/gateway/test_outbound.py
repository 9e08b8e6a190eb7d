"""Frames on their way to one client."""

from __future__ import annotations

import asyncio

import pytest

from cableway.gateway.outbound import Outbound


class FakeLine:
    """Takes frames while its gate is open."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.aborted = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: OSError | None = None

    async def send(self, frame: bytes) -> None:
        """Write, or wait, or break."""
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(frame)

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye."""
        await self.gate.wait()
        self.closed = (code, reason)

    def abort(self) -> None:
        """Be gone."""
        self.aborted += 1


class Rig:
    """An outbound over a fake line, its writer running."""

    def __init__(self, limit: int = 100, write_timeout: float | None = 2.0) -> None:
        self.line = FakeLine()
        self.overflows = self.stalls = 0
        self.outbound = Outbound(
            self.line, limit=limit, write_timeout=write_timeout, on_overflow=self.overflow, on_stall=self.stall
        )
        self.writer = asyncio.create_task(self.outbound.run())

    def overflow(self) -> None:
        """Count."""
        self.overflows += 1

    def stall(self) -> None:
        """Count."""
        self.stalls += 1


@pytest.mark.looptime
async def test_frames_are_written_in_order_then_the_line_is_closed() -> None:
    """What was queued before the goodbye goes out, what comes after it does not."""
    rig = Rig()
    for n in range(3):
        rig.outbound.send(b"%d" % n)
    rig.outbound.finish(1001, "Server restart")
    rig.outbound.finish(1000, "too late")
    rig.outbound.send(b"too late")
    await rig.writer
    assert rig.line.sent == [b"0", b"1", b"2"]
    assert rig.line.closed == (1001, "Server restart")
    assert rig.outbound.pending == 0


@pytest.mark.looptime
async def test_the_writer_wakes_for_what_comes_later() -> None:
    """An empty queue is waited on."""
    rig = Rig()
    await asyncio.sleep(1)
    rig.outbound.send(b"later")
    await asyncio.sleep(1)
    assert rig.line.sent == [b"later"]
    rig.writer.cancel()


@pytest.mark.looptime
async def test_too_much_pending_is_told_once() -> None:
    """The limit may be reached, not exceeded; a frame that is being written counts."""
    rig = Rig(limit=10)
    rig.line.gate.clear()
    rig.outbound.send(b"12345")
    await asyncio.sleep(0.1)
    rig.outbound.send(b"67890")
    assert (rig.outbound.pending, rig.overflows) == (10, 0)
    rig.outbound.send(b"1")
    rig.outbound.send(b"2")
    assert rig.overflows == 1
    rig.outbound.discard()
    rig.outbound.send(b"goodbye")
    rig.outbound.finish(1000, "")
    rig.line.gate.set()
    await rig.writer
    assert rig.line.sent == [b"12345", b"goodbye"]


@pytest.mark.looptime
async def test_without_a_limit_any_amount_may_wait() -> None:
    """Zero means any."""
    rig = Rig(limit=0)
    rig.outbound.send(b"x" * 10_000_000)
    assert rig.overflows == 0
    rig.writer.cancel()


@pytest.mark.looptime
async def test_a_stuck_write_cuts_the_line() -> None:
    """Two seconds for one write, then the line is given up."""
    rig = Rig()
    rig.line.gate.clear()
    started = asyncio.get_running_loop().time()
    rig.outbound.send(b"x")
    await rig.writer
    assert asyncio.get_running_loop().time() - started == pytest.approx(2.0)
    assert (rig.line.aborted, rig.stalls, rig.line.sent) == (1, 1, [])


@pytest.mark.looptime
async def test_without_a_time_limit_a_write_may_take_any() -> None:
    """Nor has the goodbye one."""
    rig = Rig(write_timeout=None)
    rig.line.gate.clear()
    rig.outbound.send(b"x")
    rig.outbound.finish(1000, "")
    await asyncio.sleep(1000)
    rig.line.gate.set()
    await rig.writer
    assert (rig.line.sent, rig.line.closed, rig.stalls) == ([b"x"], (1000, ""), 0)


@pytest.mark.looptime
async def test_a_goodbye_that_cannot_be_said_cuts_the_line() -> None:
    """Nobody waits for ever for a client that does not read."""
    rig = Rig()
    rig.line.gate.clear()
    rig.outbound.finish(1000, "")
    await rig.writer
    assert rig.line.aborted == 1


@pytest.mark.looptime
async def test_a_broken_line_ends_the_writer() -> None:
    """Quietly: the reader tells of it."""
    rig = Rig()
    rig.line.error = ConnectionResetError()
    rig.outbound.send(b"x")
    await rig.writer
    assert (rig.line.aborted, rig.stalls) == (1, 0)
