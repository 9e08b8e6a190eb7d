"""``cableway subscribe``, as a program of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest

from cableway import SQLitePositions
from cableway.gateway import Connection, Gateway
from cableway.server import sign_stream
from tests.cli.programs import COMMAND, LIMIT, ran, started, until

if TYPE_CHECKING:
    from pathlib import Path

SUBSCRIBED = "subscribed to"
NOBODY = "ws://127.0.0.1:1/cable"


async def test_stdout_is_one_json_line_a_message_and_nothing_else(gateway: Gateway) -> None:
    """Programs read messages, people read stderr."""
    async with started("subscribe", gateway.url, "RoomChannel", "-p", "room=42", "--count", "3") as program:
        await program.tells(SUBSCRIBED)
        for value in ({"text": "hé"}, None, [1]):
            await gateway.broadcast("room/42", value)
        ended = await program.ends()

    assert ended.code == 0
    assert ended.stdout == '{"text":"hé"}\nnull\n[1]\n'
    assert ended.stderr.splitlines() == [
        f"connecting to {gateway.url}",
        "connected (websocket, actioncable-v1-ext-json)",
        "subscribed to RoomChannel room=42",
    ]


async def test_typed_parameters_make_another_subscription(gateway: Gateway) -> None:
    """``room:=7`` is a number on the server."""
    async with started("subscribe", gateway.url, "RoomChannel", "-p", "room:=7", "-n", "1", "-q") as program:
        await until(lambda: gateway.stats().streams == 1)
        await gateway.broadcast("room/7", "number")
        ended = await program.ends()

    assert (ended.code, ended.stdout, ended.stderr) == (0, '"number"\n', "")


async def test_an_envelope_tells_more(gateway: Gateway) -> None:
    """``--envelope`` puts the time beside the data, and whether it is of the past."""
    async with started("subscribe", gateway.url, "--stream", "news", "-n", "1", "--envelope") as program:
        await program.tells(SUBSCRIBED)
        await gateway.broadcast("news", 1)
        ended = await program.ends()

    told = json.loads(ended.stdout)
    assert told["data"] == 1
    assert told["received_at"].endswith("+00:00")
    assert (told["replayed"], told["stream"], told["offset"]) == (False, "news", 1)


async def test_a_signed_stream_comes_from_the_environment() -> None:
    """A signed name opens a stream, so it has no place on a command line."""
    async with (
        Gateway(secret="k3y") as gateway,
        started(
            "subscribe", gateway.url, "--signed", "env:NAME", "-n", "1", NAME=sign_stream("orders", "k3y")
        ) as program,
    ):
        await program.tells(SUBSCRIBED)
        await gateway.broadcast("orders", "shipped")
        ended = await program.ends()

    assert (ended.code, ended.stdout) == (0, '"shipped"\n')


async def test_a_rejection_is_code_3(gateway: Gateway) -> None:
    """And one line says what was refused."""
    ended = await ran("subscribe", gateway.url, "RoomChannel", "-p", "room=closed", "-q")

    assert (ended.code, ended.stdout) == (3, "")
    assert ended.stderr.count("\n") == 1
    assert "rejected" in ended.stderr


class _Word(Connection):
    async def connect(self) -> None:
        request = self.request
        if "please" not in (request.headers.get("X-Token"), request.query.get("token"), request.cookies.get("word")):
            self.reject()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 4),
        (["--header-env", "X-Token=WORD"], 0),
        (["--query-env", "token=WORD"], 0),
        (["--cookie-env", "COOKIE"], 0),
    ],
    ids=["nothing", "header", "query", "cookie"],
)
async def test_credentials_come_from_the_environment(options: list[str], code: int) -> None:
    """Without them the server turns us away, which is code 4; they are never shown."""
    async with Gateway(connection=_Word, public_streams=True) as gateway:
        ended = await ran(
            "subscribe", gateway.url, "--stream", "s", "--timeout", "0.7", *options, WORD="please", COOKIE="word=please"
        )

    assert ended.code == code
    assert "please" not in ended.stderr


async def test_credentials_come_from_a_file(tmp_path: Path) -> None:
    """A headers file does as well."""
    (tmp_path / "headers").write_text("X-Token: please\n")

    async with Gateway(connection=_Word, public_streams=True) as gateway:
        ended = await ran(
            "subscribe", gateway.url, "--stream", "s", "--timeout", "0.7", "--headers-file", str(tmp_path / "headers")
        )

    assert ended.code == 0


async def test_time_without_enough_messages_is_code_5(gateway: Gateway) -> None:
    """What came before the end was written; the line says how much was missing."""
    async with started("subscribe", gateway.url, "--stream", "s", "-n", "2", "--timeout", "1.5") as program:
        await program.tells(SUBSCRIBED)
        await gateway.broadcast("s", 1)
        ended = await program.ends()

    assert (ended.code, ended.stdout) == (5, "1\n")
    assert ended.stderr.endswith("error: not done within 1.5 s; 1 of 2 messages came\n")


async def test_time_without_a_count_is_success(gateway: Gateway) -> None:
    """Listening for a while is what was asked for."""
    ended = await ran("subscribe", gateway.url, "--stream", "s", "--timeout", "0.7")

    assert ended.code == 0


async def test_time_without_a_server_is_code_5() -> None:
    """It was never subscribed, so it is no success; the reason is told."""
    ended = await ran("subscribe", NOBODY, "--stream", "s", "--timeout", "0.5", "-q")

    assert ended.code == 5
    assert ended.stderr.count("\n") == 1
    assert "refused the connection" in ended.stderr


@pytest.mark.parametrize(
    ("count", "number", "code"),
    [
        ([], signal.SIGINT, 0),
        ([], signal.SIGTERM, 0),
        (["-n", "1"], signal.SIGINT, 130),
        (["-n", "1"], signal.SIGTERM, 143),
    ],
)
async def test_a_signal_ends_it_well(gateway: Gateway, count: list[str], number: signal.Signals, code: int) -> None:
    """Without a count that is how it is meant to end; with one, it was interrupted. The server sees a goodbye."""
    async with started("subscribe", gateway.url, "--stream", "s", *count) as program:
        await program.tells(SUBSCRIBED)
        program.signal(number)
        ended = await program.ends()

    assert ended.code == code
    assert "Traceback" not in ended.stderr
    await until(lambda: not gateway.stats().connections)


async def test_it_survives_a_server_that_dies(gateway: Gateway) -> None:
    """The line comes back by itself, and stderr tells the story."""
    async with started("subscribe", gateway.url, "--stream", "s", "-n", "2") as program:
        await program.tells(SUBSCRIBED)
        await gateway.broadcast("s", "before")
        assert await program.prints() == '"before"\n'
        gateway.kill()
        await gateway.stop()
        await program.tells("the line is down")
        await gateway.start()
        await program.tells("subscribed again")
        await gateway.broadcast("s", "after")
        ended = await program.ends()

    assert (ended.code, ended.stdout) == (0, '"after"\n')


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of other systems")
async def test_a_reader_that_leaves_ends_it_quietly(gateway: Gateway) -> None:
    """``| head -1`` ends it with success and without a word, although no further message comes."""
    reader, writer = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "subscribe", gateway.url, "--stream", "s", "-q", stdout=writer, stderr=PIPE
    )
    os.close(writer)
    await until(lambda: gateway.stats().streams == 1)
    await gateway.broadcast("s", 1)
    assert await asyncio.to_thread(os.read, reader, 100) == b"1\n"
    os.close(reader)
    async with asyncio.timeout(LIMIT):
        _, told = await process.communicate()

    assert (process.returncode, told) == (0, b"")


async def test_a_slow_reader_loses_nothing() -> None:
    """More than pipe, socket and mailbox hold arrives in order once it is read, and the line stays up meanwhile."""
    count, pad = 30_000, "x" * 100
    async with (
        Gateway(public=True, ping_interval=0.1, ws_max_pending_size=0, ws_write_timeout=60) as gateway,
        started("subscribe", gateway.url, "--stream", "s", "-n", str(count)) as program,
    ):
        await program.tells(SUBSCRIBED)
        for number in range(count):
            await gateway.broadcast("s", [number, pad])
            if not number % 100:
                await asyncio.sleep(0)
        # Longer than a line may be silent at this rhythm of pings.
        await asyncio.sleep(3.5)
        ended = await program.ends()

    assert ended.code == 0
    numbers: list[Any] = [json.loads(line)[0] for line in ended.stdout.splitlines()]
    assert numbers == list(range(count))
    assert "the line is down" not in ended.stderr


async def test_since_begins_with_the_past(gateway: Gateway) -> None:
    """What the server still has comes first, told as such; then it goes on live."""
    await gateway.broadcast("s", "past")
    async with started("subscribe", gateway.url, "--stream", "s", "--since", "1h", "-n", "2", "--envelope") as program:
        await program.tells("1 message from the server's history")
        await gateway.broadcast("s", "live")
        ended = await program.ends()

    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(one["data"], one["replayed"]) for one in told] == [("past", True), ("live", False)]


async def test_a_server_without_a_past_says_so_and_goes_on() -> None:
    """Rails has none: what comes is printed, and stderr tells that there may be more."""
    async with (
        Gateway(public=True, flavour="rails", ping_interval=0.1) as gateway,
        started("subscribe", gateway.url, "--stream", "s", "--since", "1h", "-n", "1") as program,
    ):
        await program.tells("may have missed messages")
        await gateway.broadcast("s", "live")
        ended = await program.ends()

    assert (ended.code, ended.stdout) == (0, '"live"\n')


async def test_it_goes_on_where_it_was_killed(gateway: Gateway, tmp_path: Path) -> None:
    """Started again with the same file it prints what came meanwhile, nothing twice and nothing less."""
    again = ("subscribe", gateway.url, "--stream", "s", "--from-position", str(tmp_path / "positions.db"))
    async with started(*again) as program:
        await program.tells(SUBSCRIBED)
        for number in range(3):
            await gateway.broadcast("s", number)
        assert [await program.prints() for _ in range(3)] == ["0\n", "1\n", "2\n"]
        # It is kept right after it was written.
        await until(lambda: _kept(tmp_path / "positions.db") == 3)
        program.signal(signal.SIGKILL)
        await program.ends()
    for number in range(3, 6):
        await gateway.broadcast("s", number)

    two = await ran(*again, "--count", "2")
    rest = await ran(*again, "--count", "1")

    assert (two.code, two.stdout) == (0, "3\n4\n")
    assert (rest.code, rest.stdout) == (0, "5\n")


async def test_a_position_counts_at_any_address_of_the_server(gateway: Gateway, tmp_path: Path) -> None:
    """The address is no part of what is kept: a server that moved is gone on with."""
    file = str(tmp_path / "positions.db")
    await gateway.broadcast("s", 1)
    first = await ran("subscribe", gateway.url, "--stream", "s", "-n", "1", "--since", "1h", "--from-position", file)
    await gateway.broadcast("s", 2)
    moved = gateway.url.replace("127.0.0.1", "localhost")
    second = await ran("subscribe", moved, "--stream", "s", "-n", "1", "--since", "1h", "--from-position", file)

    assert (first.stdout, second.stdout) == ("1\n", "2\n")


async def test_a_file_that_cannot_be_used_is_told_before_anything_is_dialled(tmp_path: Path) -> None:
    """A cable would go on without the past, and the script would not know."""
    (tmp_path / "text").write_text("no database at all, but long enough to look like one to nobody" * 20)

    ended = await ran("subscribe", NOBODY, "--stream", "s", "--from-position", str(tmp_path / "text"))

    assert (ended.code, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert "no SQLite database" in ended.stderr


async def test_data_that_are_too_old_are_told_of(gateway: Gateway) -> None:
    """Whatever the line does; and when they come again."""
    async with started("subscribe", gateway.url, "--stream", "s", "--max-age", "1", "-n", "1") as program:
        await program.tells("no message of the stream s has come for 1 s")
        await gateway.broadcast("s", 1)
        ended = await program.ends()

    assert (ended.code, ended.stdout) == (0, "1\n")


def _kept(path: Path) -> int | None:
    store = SQLitePositions(path)
    streams = store.load('{"channel":"$pubsub","stream_name":"s"}').streams
    store.close()
    return streams["s"].offset if streams else None
