"""``cableway token inspect``: show what is in a token."""

from __future__ import annotations

import base64
import binascii
import json
import math
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from cableway.auth.jwts import Fault, Refused, Verified, verify_token
from cableway.cli.durations import write_duration
from cableway.cli.exits import ExitCode, Failure
from cableway.cli.messages import json_text, visible
from cableway.cli.terminal import say, wants_json
from cableway.cli.token_mint import read_secret, refuse_arguments
from cableway.cli.values import from_environment, from_file
from cableway.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 128 * 1024
LATEST = 253_402_300_799
_FILE = click.Path(dir_okay=False)
_VERDICTS = {Fault.INVALID: "invalid", Fault.EXPIRED: "expired", Fault.WITHOUT_EXT: "without ext"}

HELP = """\
Show what is in a token: who it is for, and how long it is good.

\b
echo "$TOKEN" | cableway token inspect
cableway token inspect --token-file token.txt
cableway token inspect --token-env TOKEN --secret-env CABLEWAY_SECRET

The token comes from standard input, the environment or a file. Nothing is verified unless the server's secret is given:
then it is checked as the server does when a client connects, and a token that would not be let in ends with 4.
"""


@frozen
class Opened:
    """What a token says, whoever wrote it."""

    header: dict[str, Any]
    claims: dict[str, Any]

    def moment(self, name: str) -> float | None:
        """Return a claim that is a time, in Unix seconds; ``None`` where there is none that a calendar knows."""
        value = self.claims.get(name)
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LATEST
        return value if fits else None

    def left(self, now: float) -> float | None:
        """Tell for how many seconds it is still good; ``None`` where it does not say."""
        end = self.moment("exp")
        return None if end is None else math.trunc(end) - now


@click.command(help=HELP)
@click.option("--token-env", metavar="VARIABLE", help="The token is in this environment variable.")
@click.option("--token-file", type=_FILE, help="The token is in this file.")
@click.option("--secret-env", metavar="VARIABLE", help="Verify it with the secret in this environment variable.")
@click.option("--secret-file", type=_FILE, help="Verify it with the secret in this file.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, also to a terminal.")
@click.argument("surplus", nargs=-1, type=click.UNPROCESSED, metavar="")
def inspect(
    *,
    token_env: str | None,
    token_file: str | None,
    secret_env: str | None,
    secret_file: str | None,
    as_json: bool,
    surplus: tuple[str, ...],
) -> int:
    """Run the command ``token inspect``."""
    refuse_arguments(surplus)
    secret = read_secret(secret_env, secret_file)
    value = _read_token(token_env, token_file)
    opened, now = open_token(value), time.time()
    verdict = None if secret is None else verify_token(value, secret, now)
    if wants_json(asked=as_json):
        click.echo(json_text(_document(opened, verdict, now)))
    else:
        for name, text in _lines(opened, now):
            click.echo(f"{name:<8} {visible(text)}")
    for text in _remarks(opened, verdict, now):
        say(text)
    return ExitCode.UNAUTHORIZED if isinstance(verdict, Refused) else ExitCode.DONE


def _read_token(variable: str | None, path: str | None) -> str:
    if variable and path:
        msg = "--token-env and --token-file are two places for one token: give one of them"
        raise UsageError(msg)
    if variable:
        return from_environment(variable, "--token-env").strip()
    if path:
        return from_file(path, "--token-file").strip()
    if sys.stdin.isatty():
        say("paste the token, then press Enter and Ctrl-D")
    try:
        text = sys.stdin.read(LARGEST + 1).strip()
    except UnicodeDecodeError:
        text = "(not in UTF-8)"
    if not text:
        msg = "there is no token on standard input: pipe it in, or give --token-env or --token-file"
        raise UsageError(msg)
    return text


def open_token(value: str) -> Opened:
    """Read what *value* says of itself.

    Raises:
        Failure: It is no JSON Web Token. The text shows nothing of it.
    """
    parts = value.split(".")
    if len(value) <= LARGEST and len(parts) == 3:
        header, claims = map(_read_part, parts[:2])
        if header is not None and claims is not None:
            return Opened(header, claims)
    msg = "that is no JSON Web Token, so there is nothing in it that could be read here"
    raise Failure(msg)


def _read_part(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error):
        return None
    return value if isinstance(value, dict) else None


def _document(opened: Opened, verdict: Verified | Refused | None, now: float) -> dict[str, Any]:
    left = opened.left(now)
    return {
        "header": opened.header,
        "claims": opened.claims,
        "issued_at": _date(opened.moment("iat")),
        "expires_at": _date(opened.moment("exp")),
        "life_left": None if left is None else math.floor(left),
        "verified": None if verdict is None else isinstance(verdict, Verified),
        "verdict": _VERDICTS[verdict.fault] if isinstance(verdict, Refused) else verdict and "good",
    }


def _lines(opened: Opened, now: float) -> Iterator[tuple[str, str]]:
    others = {name: value for name, value in opened.claims.items() if name not in {"ext", "exp", "iat"}}
    yield "header", json_text(opened.header)
    ext = opened.claims.get("ext")
    yield "ext", "(absent)" if "ext" not in opened.claims else ext if isinstance(ext, str) else json_text(ext)
    if others:
        yield "claims", json_text(others)
    for name, word in (("iat", "issued"), ("exp", "ends")):
        moment = opened.moment(name)
        if moment is not None:
            yield word, f"{_date(moment)}, {_ago(math.trunc(moment) - now)}"
        else:
            yield word, json_text(opened.claims[name]) if name in opened.claims else "(not told)"


def _ago(seconds: float) -> str:
    return f"in {write_duration(seconds)}" if seconds > 0 else f"{write_duration(-seconds)} ago"


def _date(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(math.trunc(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _remarks(opened: Opened, verdict: Verified | Refused | None, now: float) -> Iterator[str]:
    match verdict:
        case Verified():
            yield "verified: a server with this secret lets its bearer in"
            return
        case Refused(_, why):
            yield f"a server with this secret does not let its bearer in: {why}"
        case None:
            yield "nothing was verified: anybody can write such a token; give --secret-env or --secret-file to check it"
    if not isinstance(opened.claims.get("ext"), str):
        yield "warning: without text in its claim ext, AnyCable closes the line with 1011 and no word of why"
    left = opened.left(now)
    if left is not None and left <= 0:
        yield f"warning: it ended {write_duration(-left)} ago"
