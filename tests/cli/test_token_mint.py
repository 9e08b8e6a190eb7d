"""``cableway token mint``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from cableway.auth.jwts import Verified, verify_token
from cableway.cli import main
from cableway.cli.token_mint import VARIABLES
from tests.cli.programs import ran

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "canary-of-the-secret-which-nobody-may-see"


@pytest.fixture(autouse=True)
def no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without one."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def claims_of(token: str) -> dict[str, Any]:
    """Read a token."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_it_prints_the_token_alone() -> None:
    """One line on stdout, nothing on stderr; ready for a variable or a file."""
    ended = await ran("token", "mint", "-i", "user_id:=7", "-i", "role=driver", "--life", "15m", CABLEWAY_SECRET=SECRET)
    assert (ended.code, ended.stderr, ended.stdout.count("\n")) == (0, "", 1)
    verdict = verify_token(ended.stdout.strip(), SECRET, time.time())
    assert isinstance(verdict, Verified)
    assert verdict.identifiers == '{"user_id":7,"role":"driver"}'
    claims = claims_of(ended.stdout.strip())
    assert claims["exp"] - claims["iat"] == 900


@pytest.mark.parametrize("way", ["env", "file", *VARIABLES])
def test_the_secret_comes_from_environment_or_file(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is said now goes before what the environment holds."""
    monkeypatch.setenv(way if way in VARIABLES else "MY_SECRET", SECRET)
    monkeypatch.setenv(VARIABLES[-1], "other" * 10) if way not in VARIABLES else None
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    options = {"env": ["--secret-env", "MY_SECRET"], "file": ["--secret-file", str(tmp_path / "secret")]}
    assert main(["token", "mint", "-i", "a=1", *options.get(way, [])]) == 0
    captured = capsys.readouterr()
    assert isinstance(verify_token(captured.out.strip(), SECRET, time.time()), Verified)
    assert captured.err == ""


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_other_algorithms_may_be_asked_for(
    algorithm: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a warning in one line where the secret is too short for them; it is not shown."""
    monkeypatch.setenv("CABLEWAY_SECRET", SECRET)
    assert main(["token", "mint", "-i", "a=1", "--algorithm", algorithm]) == 0
    captured = capsys.readouterr()
    assert jwt.get_unverified_header(captured.out.strip())["alg"] == algorithm
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("warning: the secret has 41 bytes")
    assert "canary" not in captured.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "say who the client is"),
        (["-i", "user_id"], "write name=text"),
        (["-i", "a=1", "--life", "0"], "at least a second"),
        (["-i", "a=1", "--life", "soon"], "15m, 1h, 7d"),
        (["-i", "a=1", "--algorithm", "none"], "HS256"),
        (["-i", "a=1", "--secret-env", "NO_SUCH"], "NO_SUCH is not set"),
        (["-i", "a=1", "--secret-file", "/no/such"], "/no/such"),
        (["-i", "a=1", "--secret-env", "A", "--secret-file", "b"], "two places"),
        (["-i", "a=1", "--secret=canary"], "--secret-env"),
    ],
)
def test_mistakes_are_usage_errors(
    arguments: list[str], text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each."""
    monkeypatch.setenv("CABLEWAY_SECRET", SECRET)
    assert main(["token", "mint", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert text in captured.err
    assert "canary" not in captured.err


def test_without_a_secret_it_says_where_to_put_it(capsys: pytest.CaptureFixture[str]) -> None:
    """And mints nothing."""
    assert main(["token", "mint", "-i", "a=1"]) == 2
    assert "set CABLEWAY_SECRET" in capsys.readouterr().err
