"""``cableway whisper``, as a program of its own."""

from __future__ import annotations

import pytest

from cableway import Cable
from cableway.gateway import Gateway
from cableway.server import sign_stream
from tests.cli.programs import ran

ROOM = ("--stream", "room")


async def test_others_hear_it(gateway: Gateway) -> None:
    """Any JSON value but null; stdout stays empty."""
    async with Cable(gateway.url) as cable, cable.stream("room") as room:
        ended = await ran("whisper", gateway.url, *ROOM, "-d", '{"typing": "ann"}')
        piped = await ran("whisper", gateway.url, *ROOM, "-d", "-", "-q", stdin=b"[1]\n")
        heard = [(await room.receive(timeout=5)).data for _ in range(2)]

    assert heard == [{"typing": "ann"}, [1]]
    assert (ended.code, ended.stdout) == (0, "")
    assert ended.stderr.endswith("whispered to the stream room\n")
    assert (piped.code, piped.stdout, piped.stderr) == (0, "", "")


@pytest.mark.parametrize(("allowed", "code"), [(True, 0), (False, 1)], ids=["allowed", "ignored"])
async def test_a_check_finds_out_whether_the_server_ignores_it(*, allowed: bool, code: int) -> None:
    """Without it, the server's silence is taken for success: that is all that is known."""
    async with Gateway(secret="k3y", streams_whisper=allowed) as gateway:
        arguments = ("whisper", gateway.url, "--signed", "env:S", "-d", "1")
        checked = await ran(*arguments, "--check", S=sign_stream("room", "k3y"))
        unchecked = await ran(*arguments, S=sign_stream("room", "k3y"))

    assert (checked.code, unchecked.code) == (code, 0)
    assert ("a second line heard it" in checked.stderr) is allowed
    assert ("does not allow whispers" in checked.stderr) is not allowed


@pytest.mark.parametrize("data", ["null", "{", ""])
async def test_what_cannot_be_whispered_is_a_usage_error(gateway: Gateway, data: str) -> None:
    """It is no JSON, or one that servers do not carry."""
    ended = await ran("whisper", gateway.url, *ROOM, "-d", data, "-q")

    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1


async def test_a_server_without_whispers_is_code_1() -> None:
    """Rails has none."""
    async with Gateway(public=True, flavour="rails") as rails:
        ended = await ran("whisper", rails.url, *ROOM, "-d", "1", "-q")

    assert ended.code == 1
    assert "a whisper is not part of actioncable-v1-json" in ended.stderr


async def test_a_server_that_is_not_there_is_code_5() -> None:
    """It tries until the time is up."""
    ended = await ran("whisper", "ws://127.0.0.1:1/cable", *ROOM, "-d", "1", "--timeout", "0.5")

    assert ended.code == 5
