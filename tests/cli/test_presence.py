"""``cableway presence``, as a program of its own."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from cableway import Cable
from cableway.cli.presence import Part
from cableway.gateway import Connection, Gateway
from tests.cli.programs import ran, started, until

if TYPE_CHECKING:
    from tests.cli.programs import Program

ROOM = ("--stream", "room")


async def read(program: Program) -> tuple[str, str, Any]:
    """Read the next news: what happened, to whom, and what is told of them."""
    news = json.loads(await program.prints())
    return news["event"], news["id"], news["info"]


async def test_it_prints_who_is_there_and_ends(gateway: Gateway) -> None:
    """One JSON line each; stderr tells how many, and with --total stdout."""
    async with Cable(gateway.url) as cable, cable.stream("room") as room:
        await room.presence.join("ann", {"name": "Ann"})
        await room.presence.wait_for("ann")
        ended = await ran("presence", gateway.url, *ROOM)
        total = await ran("presence", gateway.url, *ROOM, "--total", "-q")
    nobody = await ran("presence", gateway.url, "--stream", "empty")

    assert (ended.code, ended.stdout) == (0, '{"id":"ann","info":{"name":"Ann"}}\n')
    assert ended.stderr.endswith("1 present in the stream room\n")
    assert (total.code, total.stdout, total.stderr) == (0, "1\n", "")
    assert (nobody.code, nobody.stdout) == (0, "")
    assert nobody.stderr.endswith("0 present in the stream empty\n")


async def test_watching_tells_who_comes_and_goes(gateway: Gateway) -> None:
    """Those who are there come first, each once; a signal ends it with success."""
    async with Cable(gateway.url) as cable, cable.stream("room") as room:
        await room.presence.join("ann")
        await room.presence.wait_for("ann")
        async with started("presence", gateway.url, *ROOM, "--watch") as program:
            assert await read(program) == ("present", "ann", None)
            await room.presence.join("bob", 7)
            assert sorted([await read(program), await read(program)]) == [("joined", "bob", 7), ("left", "ann", None)]
            program.signal(signal.SIGINT)
            ended = await program.ends()

    assert (ended.code, ended.stdout) == (0, "")


async def test_it_is_present_for_as_long_as_it_runs(gateway: Gateway) -> None:
    """Others see it come, with what it tells of itself, and go once it is stopped."""
    async with Cable(gateway.url) as cable, cable.stream("room") as room:
        arguments = ("presence", gateway.url, *ROOM, "--join", "cli", "--info", '{"at": "shell"}')
        async with started(*arguments) as program:
            assert await read(program) == ("present", "cli", {"at": "shell"})
            there = await room.presence.wait_for("cli")
            program.signal(signal.SIGTERM)
            ended = await program.ends()
        await until(lambda: not room.presence.members)

    assert there.info == {"at": "shell"}
    assert ended.code == 0


async def test_it_is_present_again_after_the_server_died(gateway: Gateway) -> None:
    """Who joined is remembered, and nobody is told twice."""
    async with started("presence", gateway.url, *ROOM, "--join", "cli") as program:
        assert await read(program) == ("present", "cli", None)
        gateway.kill()
        await gateway.stop()
        await program.tells("the line is down")
        await gateway.start()
        await program.tells("subscribed again")
        async with Cable(gateway.url) as cable, cable.stream("room") as room:
            await room.presence.wait_for("cli")
        program.signal(signal.SIGINT)
        ended = await program.ends()

    assert ended.code == 0
    assert "Traceback" not in ended.stderr


async def test_a_server_that_cannot_tell_is_code_1() -> None:
    """Without a broker it says so; Rails has no presence."""
    async with Gateway(public=True, broker="none") as without, Gateway(public=True, flavour="rails") as rails:
        failed = await ran("presence", without.url, *ROOM, "-q")
        never = await ran("presence", rails.url, *ROOM, "-q")

    assert (failed.code, failed.stdout) == (1, "")
    assert "broker" in failed.stderr
    assert (never.code, never.stdout) == (1, "")
    assert "presence is not part of actioncable-v1-json" in never.stderr


async def test_a_rejection_is_code_3(gateway: Gateway) -> None:
    """As for all that subscribe."""
    ended = await ran("presence", gateway.url, "RoomChannel", "-p", "room=closed", "--watch")

    assert ended.code == 3


class _Once(Connection):
    lets_in = True

    async def connect(self) -> None:
        if not type(self).lets_in:
            self.reject()


async def test_what_ends_the_line_for_good_ends_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would come or go any more, and a script would wait for ever."""
    monkeypatch.setattr(_Once, "lets_in", True)
    async with (
        Gateway(connection=_Once, public_streams=True) as gateway,
        started("presence", gateway.url, *ROOM, "--join", "cli") as program,
    ):
        await read(program)
        monkeypatch.setattr(_Once, "lets_in", False)
        gateway.kill()
        await gateway.stop()
        await gateway.start()
        ended = await program.ends()

    assert ended.code == 4


@pytest.mark.parametrize(
    "options", [["--info", "1"], ["--total", "--watch"], ["--total", "--join", "a"], ["--join", "a", "--info", "{"]]
)
async def test_what_does_not_go_together_is_a_usage_error(options: list[str]) -> None:
    """Nothing is dialled for it."""
    ended = await ran("presence", "ws://127.0.0.1:1/cable", *ROOM, *options)

    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1


def test_who_joins_stays() -> None:
    """To be there for a moment is of no use."""
    assert [part.stays for part in (Part(), Part(total=True), Part(watch=True), Part(join="a"))] == [
        False,
        False,
        True,
        True,
    ]
