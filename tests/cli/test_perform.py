"""``cableway perform``, as a program of its own."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from cableway.gateway import Channel, Gateway, action
from tests.cli.programs import ran, started


class CounterChannel(Channel):
    """Counts what it is asked to."""

    seen: list[tuple[Any, Any]]

    @action
    async def count(self, data: dict[str, Any]) -> None:
        """Take note, a little late: as a server does that is busy."""
        await asyncio.sleep(0.1)
        self.seen.append((self.params.get("run"), data))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Give a list of what the channel was asked for."""
    notes: list[tuple[Any, Any]] = []
    monkeypatch.setattr(CounterChannel, "seen", notes, raising=False)
    return notes


async def test_an_action_has_reached_the_server_when_it_ends(seen: list[tuple[Any, Any]]) -> None:
    """Parameters and data arrive as they were written, and stdout stays empty."""
    async with Gateway([CounterChannel]) as gateway:
        ended = await ran(
            "perform", gateway.url, "CounterChannel", "count", "-p", "run=cli", "-d", '{"n": 1, "t": "hé"}'
        )

        assert seen == [("cli", {"n": 1, "t": "hé"})]
    assert (ended.code, ended.stdout) == (0, "")
    assert ended.stderr.endswith("performed count\n")


async def test_data_may_come_from_standard_input(seen: list[tuple[Any, Any]]) -> None:
    """``-d -`` keeps what is secret or large off the command line."""
    async with Gateway([CounterChannel]) as gateway:
        ended = await ran("perform", gateway.url, "CounterChannel", "count", "-d", "-", "-q", stdin=b'{"n": 2}\n')

        assert seen == [(None, {"n": 2})]
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("data", ['{"a', "[1]", "7", '{"action": "x"}'])
async def test_bad_data_is_a_usage_error(gateway: Gateway, data: str) -> None:
    """What is no JSON object, or names an action itself, is code 2."""
    ended = await ran("perform", gateway.url, "RoomChannel", "speak", "-d", data, "-q")

    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1


async def test_a_rejected_channel_is_code_3(gateway: Gateway) -> None:
    """Nothing was performed."""
    ended = await ran("perform", gateway.url, "RoomChannel", "speak", "-p", "room=closed")

    assert ended.code == 3
    assert "performed" not in ended.stderr


async def test_a_server_that_is_not_there_is_code_5() -> None:
    """It tries until the time is up."""
    ended = await ran("perform", "ws://127.0.0.1:1/cable", "RoomChannel", "speak", "--timeout", "0.5")

    assert ended.code == 5


async def test_a_signal_before_it_is_done_is_told_by_the_code() -> None:
    """An interrupted command has not performed."""
    async with started("perform", "ws://127.0.0.1:1/cable", "RoomChannel", "speak") as program:
        await program.tells("the line is down")
        program.signal(signal.SIGTERM)
        ended = await program.ends()

    assert ended.code == 143


async def test_a_line_that_breaks_too_early_is_no_success() -> None:
    """A command that was written may be lost with the line: the user learns that nobody knows."""

    class FragileChannel(Channel):
        @action
        async def touch(self) -> None:
            gateway.kill()

    async with Gateway([FragileChannel]) as gateway:
        ended = await ran("perform", gateway.url, "FragileChannel", "touch")

    assert ended.code == 1
    assert "may or may not have run" in ended.stderr
