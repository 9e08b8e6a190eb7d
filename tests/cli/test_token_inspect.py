"""``cableway token inspect``."""

from __future__ import annotations

import io
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from cableway.auth.jwts import sign_claims
from cableway.cli import main
from cableway.cli import token_inspect as command
from tests.cli.programs import ran

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "canary-of-the-secret-which-nobody-may-see"
NOTHING = "nothing was verified"


def inspected(
    token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, dict[str, Any], str]:
    """Inspect a token from standard input; give the code, what was printed and what was said."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f" {token}\n"))
    monkeypatch.setenv("SECRET", SECRET)
    code = main(["token", "inspect", *options])
    captured = capsys.readouterr()
    assert SECRET not in captured.out + captured.err
    assert token.rpartition(".")[2] not in captured.out + captured.err
    return code, json.loads(captured.out), captured.err


def test_claims_are_shown_and_nothing_is_vouched_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Header, claims, times as dates, and how long is left."""
    now = int(time.time())
    claims = {"ext": '{"user_id":7}', "exp": now + 3600, "iat": now}
    code, shown, told = inspected(sign_claims(claims, "other"), monkeypatch, capsys)
    assert code == 0
    assert shown["header"] == {"alg": "HS256", "typ": "JWT"}
    assert shown["claims"] == claims
    assert 3590 < shown["life_left"] <= 3600
    assert shown["expires_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 3600))
    assert shown["issued_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    assert (shown["verified"], shown["verdict"]) == (None, None)
    assert told.startswith(NOTHING)
    assert told.count("\n") == 1


JUDGED = [
    (({"ext": "{}"}, SECRET), (0, True, "good"), "verified: "),
    (({"ext": "{}"}, "other"), (4, False, "invalid"), "its signature is not one of this secret"),
    (({"ext": "{}", "nbf": 9e9}, SECRET), (4, False, "invalid"), "not good yet"),
    (({"ext": "{}", "exp": 1}, SECRET), (4, False, "expired"), "it has expired"),
    (({"user_id": 7}, SECRET), (4, False, "without ext"), "AnyCable closes the line with 1011"),
]


@pytest.mark.parametrize(("made", "outcome", "told"), JUDGED)
def test_with_the_secret_it_is_judged_as_a_server_does(
    made: tuple[dict[str, Any], str],
    outcome: tuple[int, bool, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A token that would not let in ends with 4, and says why."""
    code, shown, said = inspected(sign_claims(*made), monkeypatch, capsys, "--secret-env", "SECRET")
    assert (code, shown["verified"], shown["verdict"]) == outcome
    assert told in said
    assert NOTHING not in said


@pytest.mark.parametrize(
    ("claims", "warning"),
    [
        ({"user_id": 7}, "without text in its claim ext"),
        ({"ext": {"user_id": 7}}, "without text in its claim ext"),
        ({"ext": "x", "exp": 1}, "it ended"),
    ],
)
def test_what_will_not_work_is_warned_of(
    claims: dict[str, Any], warning: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where nothing is verified; that is no failure of this command."""
    code, _, told = inspected(sign_claims(claims, SECRET), monkeypatch, capsys)
    assert code == 0
    assert f"warning: {warning}" in told


@pytest.mark.parametrize("exp", [True, "soon", -1, 1e18, None, [1]])
def test_times_that_are_none_are_shown_as_they_are(
    exp: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No calendar knows them."""
    code, shown, _ = inspected(sign_claims({"ext": "x", "exp": exp}, SECRET), monkeypatch, capsys)
    assert (code, shown["expires_at"], shown["life_left"]) == (0, None, None)
    assert shown["claims"]["exp"] == exp


@pytest.mark.parametrize("way", ["env", "file"])
async def test_it_comes_from_environment_or_file(way: str, tmp_path: Path) -> None:
    """As a program of its own."""
    token = sign_claims({"ext": "x"}, SECRET)
    (tmp_path / "token").write_text(token)
    option = {"env": ["--token-env", "TOKEN"], "file": ["--token-file", str(tmp_path / "token")]}[way]
    ended = await ran("token", "inspect", *option, "--secret-env", "SECRET", TOKEN=token, SECRET=SECRET)
    assert ended.code == 0
    assert json.loads(ended.stdout)["claims"] == {"ext": "x"}
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "junk", ["canary", "can.ary", "canary.canary.canary", "e30.WzFd.x", "é.é.é", "e30.e30.x.canary", "!!.e30.x"]
)
def test_what_is_no_token_is_told_without_showing_it(
    junk: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be a secret of another kind."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(junk))
    assert main(["token", "inspect"]) == 1
    captured = capsys.readouterr()
    assert "no JSON Web Token" in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert "canary" not in captured.err


async def test_standard_input_that_is_empty_is_a_usage_error() -> None:
    """With what to do."""
    for given in (b"", b" \n"):
        ended = await ran("token", "inspect", stdin=given)
        assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
        assert "pipe it in" in ended.stderr
    ended = await ran("token", "inspect", stdin=b"\xff\xfe")
    assert (ended.code, ended.stderr.count("\n")) == (1, 1)
    assert "no JSON Web Token" in ended.stderr


def test_two_places_for_one_token_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody can mean both."""
    assert main(["token", "inspect", "--token-env", "A", "--token-file", "b"]) == 2
    assert "two places" in capsys.readouterr().err


def test_people_get_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With what could change the terminal made visible."""
    now = int(time.time())
    claims = {"ext": "me\x1b[2J\u202e", "exp": now + 7200, "role": "driver"}
    monkeypatch.setattr(sys, "stdin", io.StringIO(sign_claims(claims, SECRET)))
    monkeypatch.setattr(command, "wants_json", lambda *, asked: asked)
    assert main(["token", "inspect"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["ext"] == "me\\u001b[2J\\u202e"
    assert lines["claims"] == '{"role":"driver"}'
    assert lines["issued"] == "(not told)"
    assert "in 1 h 59 min" in lines["ends"] or "in 2 h" in lines["ends"]
