"""``cableway publish``, as a program of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cableway import Cable
from cableway.auth.signing import broadcast_key
from cableway.gateway import Gateway
from tests.cli.programs import ran

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "k3y-demo"


async def test_a_value_reaches_the_listeners(gateway: Gateway) -> None:
    """The address of the clients will do; stdout stays empty."""
    async with Cable(gateway.url) as cable, cable.stream("news") as news:
        ended = await ran("publish", gateway.url, "news", '{"hot": true}')

        assert (await news.receive(timeout=5)).data == {"hot": True}
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "published to news\n")


async def test_a_value_may_come_from_standard_input(gateway: Gateway) -> None:
    """A minus reads it."""
    async with Cable(gateway.url) as cable, cable.stream("news") as news:
        await ran("publish", gateway.http_url, "news", "-", stdin=b"17\n")

        assert (await news.receive(timeout=5)).data == 17


@pytest.mark.parametrize("way", ["secret", "key", "secret file", "key file"])
async def test_credentials_come_from_environment_or_file(way: str, tmp_path: Path) -> None:
    """The secret, or the key that is derived from it."""
    key = broadcast_key(SECRET)
    environment = {"secret": {"CABLEWAY_SECRET": SECRET}, "key": {"CABLEWAY_BROADCAST_KEY": key}}
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "key").write_text(key)
    options = {"secret file": ["--secret-file", "secret"], "key file": ["--key-file", "key"]}

    async with Gateway(secret=SECRET) as gateway:
        option = [str(tmp_path / word) if word[0] != "-" else word for word in options.get(way, [])]
        ended = await ran("publish", gateway.url, "news", "1", *option, **environment.get(way, {}))

    assert (ended.code, ended.stderr) == (0, "published to news\n")


async def test_a_wrong_secret_is_code_4() -> None:
    """And is not shown."""
    async with Gateway(secret=SECRET) as gateway:
        ended = await ran("publish", gateway.url, "news", "1", CABLEWAY_SECRET="wr0ng")

    assert ended.code == 4
    assert ended.stderr.count("\n") == 1
    assert "wr0ng" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["ws://127.0.0.1:1/cable", "news", "{"],
        ["ws://127.0.0.1:1/cable", "", "1"],
        ["ftp://127.0.0.1", "news", "1"],
        ["ws://127.0.0.1:1/cable", "news", "1", "--secret-file", "a", "--key-file", "b"],
    ],
    ids=["no JSON", "no stream", "no address", "two credentials"],
)
async def test_mistakes_are_usage_errors(arguments: list[str]) -> None:
    """Each is code 2 and one line."""
    ended = await ran("publish", *arguments)

    assert ended.code == 2
    assert ended.stderr.count("\n") == 1


async def test_a_server_that_is_not_there_is_code_1() -> None:
    """A publication is tried once."""
    ended = await ran("publish", "ws://127.0.0.1:1/cable", "news", "1")

    assert ended.code == 1
    assert ended.stderr.count("\n") == 1
