"""Stdout is written in order, without holding up the event loop."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from cableway.cli.outlet import Outlet
from cableway.cli.running import ReaderGone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import RawIOBase


@frozen
class Pipe:
    """Its two ends."""

    reader: RawIOBase
    writer: RawIOBase


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Give a pipe."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as read_end, os.fdopen(writer, "wb", buffering=0) as write_end:
        yield Pipe(read_end, write_end)


async def test_chunks_come_out_in_order(pipe: Pipe) -> None:
    """What is written first is read first."""
    outlet = Outlet(pipe.writer.fileno())

    for number in range(100):
        await outlet.write(f"{number}\n".encode())

    assert (pipe.reader.read(10_000) or b"").decode().split() == [str(number) for number in range(100)]


async def test_a_slow_reader_does_not_hold_up_the_loop(pipe: Pipe) -> None:
    """More than the pipe holds is written once it is read; meanwhile other tasks run, and nothing is lost."""
    outlet = Outlet(pipe.writer.fileno())
    much = os.urandom(1_000_000)
    writing = asyncio.create_task(outlet.write(much))
    await asyncio.sleep(0.05)
    assert not writing.done()

    read = b""
    while len(read) < len(much):
        read += await asyncio.to_thread(pipe.reader.read, 65536) or b""
    await writing

    assert read == much


async def test_a_cancelled_write_is_written_all_the_same(pipe: Pipe) -> None:
    """A message that was taken is not torn in two."""
    outlet = Outlet(pipe.writer.fileno())
    much = b"x" * 200_000
    writing = asyncio.create_task(outlet.write(much))
    await asyncio.sleep(0.05)
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    after = asyncio.create_task(outlet.write(b"end"))

    read = b""
    while len(read) < len(much) + 3:
        read += await asyncio.to_thread(pipe.reader.read, 65536) or b""
    await after

    assert read == much + b"end"


async def test_a_reader_that_left_is_told_by_the_next_write(pipe: Pipe) -> None:
    """A broken pipe has a name of its own."""
    outlet = Outlet(pipe.writer.fileno())
    pipe.reader.close()

    with pytest.raises(ReaderGone):
        await outlet.write(b"x")


async def test_another_failure_comes_out_as_it_is(pipe: Pipe) -> None:
    """A full disk is not mistaken for a reader that left."""
    outlet = Outlet(pipe.reader.fileno())

    with pytest.raises(OSError, match="Bad file descriptor"):
        await outlet.write(b"x")


async def test_a_reader_that_left_is_noticed_while_nothing_is_written(pipe: Pipe) -> None:
    """A quiet channel must not keep ``| head -1`` waiting."""
    gone = asyncio.Event()
    watching = asyncio.create_task(Outlet(pipe.writer.fileno()).watch(gone.set))
    await asyncio.sleep(0)
    assert not gone.is_set()

    pipe.reader.close()

    await asyncio.wait_for(gone.wait(), 5)
    await watching


async def test_a_stdout_without_a_descriptor_works(capsys: pytest.CaptureFixture[str]) -> None:
    """Where Python itself holds stdout, as under a test runner, writing goes through it."""
    outlet = Outlet()

    await outlet.write("ü\n".encode())
    await outlet.watch(lambda: pytest.fail("nobody left"))

    assert capsys.readouterr().out == "ü\n"
