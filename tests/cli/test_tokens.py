"""The options that name a source of tokens, and the commands that use them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from cableway.auth.carriage import TokenCarriage, in_header, in_query, in_subprotocol
from cableway.auth.providers.command import CommandToken
from cableway.auth.providers.endpoint import EndpointToken
from cableway.auth.providers.file import FileToken
from cableway.auth.providers.static import StaticToken
from cableway.auth.token import Token
from cableway.cli import main
from cableway.cli.line import LineChoices
from cableway.cli.tokens import TOKEN_OPTIONS, token_source, token_way
from cableway.errors import UsageError
from cableway.gateway import Gateway
from cableway.server import mint_token
from tests.cli.programs import RoomChannel, ran

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "canary-of-the-secret-which-nobody-may-see"


def named(**given: str) -> dict[str, str | None]:
    """Give the options as click does: all of them."""
    return {name: given.get(name) for name in ("token_env", "token_file", "token_endpoint", "token_command")}


async def value_of(source: Any) -> str:
    """Fetch a token."""
    token = await source.fetch()
    return token.value if isinstance(token, Token) else token


def test_without_one_there_is_none() -> None:
    """Then the line has no token."""
    assert token_source(named()) is None


async def test_a_variable_holds_one_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot change, so it is not asked again; its line end does not count."""
    monkeypatch.setenv("TOKEN", "canary\n")
    source = token_source(named(token_env="TOKEN"))
    assert isinstance(source, StaticToken)
    assert not source.renewable
    assert await value_of(source) == "canary"


async def test_a_file_is_read_anew(tmp_path: Path) -> None:
    """Each time."""
    source = token_source(named(token_file=str(tmp_path / "token")))
    assert isinstance(source, FileToken)
    for value in ("canary-1", "canary-2"):
        (tmp_path / "token").write_text(f"{value}\n")
        assert await value_of(source) == value


async def test_an_address_gives_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Named, or kept in the environment, as one with a secret should be."""
    async with Gateway(jwt_secret=SECRET, token_path="/token") as gateway:
        source = token_source(named(token_endpoint=f"{gateway.http_url}/token"))
        assert isinstance(source, EndpointToken)
        assert (await value_of(source)).startswith("eyJ")
        assert capsys.readouterr().err == ""
        address = f"{gateway.http_url}/token?api_key=canary"
        assert (await value_of(token_source(named(token_endpoint=address)))).startswith("eyJ")
        told = capsys.readouterr().err
        assert "write env:NAME" in told
        assert "canary" not in told
        monkeypatch.setenv("ADDRESS", address)
        assert (await value_of(token_source(named(token_endpoint="env:ADDRESS")))).startswith("eyJ")
        assert capsys.readouterr().err == ""


async def test_a_program_prints_it() -> None:
    """Its words are split as by a shell, and there is none."""
    source = token_source(named(token_command=f'{sys.executable} -c \'print("can" + "ary $HOME")\''))
    assert isinstance(source, CommandToken)
    assert await value_of(source) == "canary $HOME"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"token_env": "TOKEN", "token_file": "t"}, "--token-env and --token-file are two sources"),
        ({"token_endpoint": "http://127.0.0.1/", "token_command": "x"}, "--token-endpoint and --token-command"),
        ({"token_env": "NO_SUCH"}, "NO_SUCH is not set"),
        ({"token_env": "BROKEN"}, "line break"),
        ({"token_endpoint": "ftp://127.0.0.1/?k=canary"}, "must begin with|http"),
        ({"token_endpoint": "env:NO_SUCH"}, "NO_SUCH is not set"),
        ({"token_command": "canary 'unclosed"}, "no closing quotation"),
        ({"token_command": " "}, "it is empty"),
    ],
)
def test_what_names_no_source_is_refused(given: dict[str, str], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the option's name, and without what it holds."""
    monkeypatch.setenv("TOKEN", "canary")
    monkeypatch.setenv("BROKEN", "canary\ncanary")
    with pytest.raises(UsageError, match=text) as caught:
        token_source(named(**given))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("command", [["subscribe", "ws://127.0.0.1:1/cable", "C"], ["perform", "ws://h/c", "C", "a"]])
@pytest.mark.parametrize("written", [["--token", "canary"], ["--token=canary"]])
def test_no_token_is_taken_from_the_command_line(
    command: list[str], written: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names what there is instead, and does not repeat it."""
    assert main([*command, *written]) == 2
    told = capsys.readouterr().err
    assert "--token-env" in told
    assert "canary" not in told


@pytest.mark.parametrize("command", ["subscribe", "perform"])
def test_each_command_that_dials_has_them(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them."""
    assert main([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"--token-{way}" in told for way in ("env", "file", "endpoint", "command", "as"))
    assert len(TOKEN_OPTIONS) == 5


@pytest.mark.parametrize("way", ["env", "file", "endpoint", "command"])
async def test_a_token_opens_a_guarded_server(way: str, tmp_path: Path) -> None:
    """From wherever it comes."""
    token = mint_token({"user_id": 7}, secret=SECRET)
    (tmp_path / "token").write_text(token)
    async with Gateway([RoomChannel], jwt_secret=SECRET, enforce_jwt=True, token_path="/token") as gateway:
        options = {
            "env": "TOKEN",
            "file": str(tmp_path / "token"),
            "endpoint": f"{gateway.http_url}/token",
            "command": f"cat {tmp_path / 'token'}",
        }
        line = [gateway.url, "RoomChannel", "speak", "-d", '{"text": "hi"}']
        ended = await ran("perform", *line, f"--token-{way}", options[way], TOKEN=token)
        assert (ended.code, ended.stdout) == (0, "")
        assert gateway.stats().unauthorized == 0
        assert token not in ended.stderr


async def test_a_wrong_token_is_code_4_and_not_shown() -> None:
    """And a source that has none is told by its name."""
    token = mint_token({"canary": 7}, secret=f"not {SECRET}")
    async with Gateway([RoomChannel], jwt_secret=SECRET, enforce_jwt=True) as gateway:
        ended = await ran("perform", gateway.url, "RoomChannel", "speak", "--token-env", "TOKEN", TOKEN=token)
    assert ended.code == 4
    assert token not in ended.stderr
    assert "canary" not in ended.stderr


@pytest.mark.parametrize(
    ("written", "way"),
    [
        (None, None),
        ("header:X-Token", in_header("X-Token")),
        ("bearer", in_header("Authorization", "Bearer")),
        ("query:token", in_query("token")),
        ("subprotocol", in_subprotocol()),
    ],
)
def test_it_travels_as_was_said(written: str | None, way: TokenCarriage | None) -> None:
    """Or as the cable does it."""
    assert token_way(written) == way


@pytest.mark.parametrize("written", ["", "header", "header:", "query", "cookie:x", "bearer:", "bearer:x", "header:a b"])
def test_another_way_is_refused(written: str) -> None:
    """With those that there are, or why not."""
    with pytest.raises(
        UsageError, match=r"write header:NAME, bearer, query:NAME or subprotocol|needs a name of letters"
    ):
        token_way(written)


def test_a_way_without_a_token_is_a_mistake() -> None:
    """It would do nothing."""
    with pytest.raises(UsageError, match="--token-as tells how"):
        LineChoices(url="ws://127.0.0.1/cable", token_as="bearer").cable()


@pytest.mark.parametrize("way", ["header:x-token", "query:token", "subprotocol"])
async def test_each_way_arrives(way: str) -> None:
    """At a server that calls its tokens so."""
    token = mint_token({"user_id": 7}, secret=SECRET)
    async with Gateway([RoomChannel], jwt_secret=SECRET, enforce_jwt=True, jwt_param="token") as gateway:
        line = ["perform", gateway.url, "RoomChannel", "speak"]
        ended = await ran(*line, "--token-env", "TOKEN", "--token-as", way, TOKEN=token)
    assert ended.code == 0
    assert token not in ended.stderr


@pytest.mark.parametrize("way", ["file", "endpoint", "command"])
async def test_a_source_that_has_none_is_told(way: str) -> None:
    """As it happens, and when the command gives up."""
    async with Gateway([RoomChannel], jwt_secret=SECRET, enforce_jwt=True, token_path="/token") as gateway:
        gateway.tokens.fail(503)
        options = {"file": "/no/such/file", "endpoint": f"{gateway.http_url}/token", "command": "false"}
        line = ["perform", gateway.url, "RoomChannel", "speak", "--timeout", "1"]
        ended = await ran(*line, f"--token-{way}", options[way])
    assert ended.code == 5
    told = ended.stderr.splitlines()
    assert any(text.startswith("no token from ") and "asking again in" in text for text in told)
    assert "no token from " in told[-1]
