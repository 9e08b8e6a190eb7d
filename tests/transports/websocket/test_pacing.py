"""How much is read at once."""

from __future__ import annotations

import threading

from cableway.transports.websocket.pacing import LARGEST, SMALLEST, ReadSize, receive_buffer


def test_full_reads_that_are_quick_grow() -> None:
    """While there is time, more is read at once, up to 64 KiB."""
    reads = ReadSize()
    for _ in range(10):
        reads.record(reads.size, 0.0001)

    assert reads.size == LARGEST


def test_slow_reads_shrink() -> None:
    """When handling takes more than a millisecond, less is read at once, down to 4 KiB."""
    reads = ReadSize()
    for _ in range(10):
        reads.record(100, 0.005)

    assert reads.size == SMALLEST


def test_small_reads_say_nothing() -> None:
    """A line that brings little keeps its size."""
    reads = ReadSize()
    before = reads.size
    reads.record(before - 1, 0.0001)
    reads.record(before, 0.0007)

    assert reads.size == before


def test_each_thread_has_a_buffer_of_its_own() -> None:
    """Loops on different threads never write into each other's reads."""
    others: list[memoryview] = []
    thread = threading.Thread(target=lambda: others.append(receive_buffer(10)))
    thread.start()
    thread.join()

    assert len(receive_buffer(10)) == 10
    assert receive_buffer(10).obj is receive_buffer(20).obj
    assert receive_buffer(10).obj is not others[0].obj
