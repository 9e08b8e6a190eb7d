"""What a command listens to."""

from __future__ import annotations

from typing import Any

import pytest

from cableway import Cable, SubscriptionOptions
from cableway.cli.source import SECRETS, Source, signed_name, take_source
from cableway.errors import UsageError
from cableway.server import sign_stream, verify_stream

SIGNED = sign_stream("orders", "k3y")


def given(**options: Any) -> dict[str, Any]:
    """Write options as click hands them on."""
    nothing = {"channel": None, "params": (), "stream": None, "signed": None, "signed_kind": None}
    return {**nothing, "signed_stream_env": None, **options}


def identifier(**options: Any) -> str:
    """Return what the server is asked for."""
    source = Source(**options)
    return source.subscribe(Cable("ws://h/cable"), SubscriptionOptions()).identifier


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"channel": "A", "stream": "s"},
        {"channel": "A", "signed": "env:S"},
        {"stream": "s", "signed": "env:S"},
        {"stream": "s", "params": ("a=1",)},
        {"signed": "env:S", "params": ("a=1",)},
        {"channel": "A", "signed_kind": "turbo"},
    ],
)
def test_one_thing_is_subscribed_to(options: dict[str, Any]) -> None:
    """Nothing, or two things, is a mistake; parameters belong to a channel, a kind to a signed stream."""
    with pytest.raises(UsageError):
        Source(**options)


def test_each_has_its_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel with its parameters, a public stream, or a signed one of each kind."""
    monkeypatch.setenv("S", f"{SIGNED}\n")

    assert identifier(channel="Chat", params=("room=7", "n:=1")) == '{"channel":"Chat","n":1,"room":"7"}'
    assert identifier(stream="news") == '{"channel":"$pubsub","stream_name":"news"}'
    assert identifier(signed="env:S") == f'{{"channel":"$pubsub","signed_stream_name":"{SIGNED}"}}'
    assert identifier(signed="env:S", signed_kind="turbo").startswith('{"channel":"Turbo::StreamsChannel",')
    assert identifier(signed="env:S", signed_kind="cable_ready") == (
        f'{{"channel":"CableReady::Stream","identifier":"{SIGNED}"}}'
    )


def test_it_is_called_by_what_is_no_secret() -> None:
    """Channel and parameters, or the stream's plain name."""
    assert Source(channel="Chat", params=("room=7",)).label == "Chat room=7"
    assert Source(stream="news\x1b").label == "the stream news"
    assert Source(signed="orders").label == "the signed stream orders"
    assert Source(signed=SIGNED).label == Source(signed="env:S").label == "the signed stream"


def test_a_signed_name_on_the_command_line_works_and_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    """Others can read it there; the warning does not repeat it."""
    assert signed_name(SIGNED) == SIGNED

    told = capsys.readouterr().err
    assert "env:NAME" in told
    assert SIGNED not in told


@pytest.mark.parametrize("variable", SECRETS)
def test_a_plain_name_is_signed_with_the_secret_of_the_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    """Whoever has that needs no back end to try it."""
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "k3y")

    assert verify_stream(signed_name("orders"), "k3y") == "orders"
    assert capsys.readouterr().err == ""


def test_a_plain_name_without_a_secret_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text tells both ways out; a variable that is not set is one, too."""
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(UsageError, match=r"CABLEWAY_SECRET.*env:NAME"):
        signed_name("orders")
    with pytest.raises(UsageError, match="NOT_SET_HERE"):
        signed_name("env:NOT_SET_HERE")


def test_the_rest_of_the_options_is_left_for_the_line() -> None:
    """And the older name of the option means the same."""
    options = given(channel="Chat", url="ws://h/cable")

    assert take_source(options) == Source(channel="Chat")
    assert options == {"url": "ws://h/cable"}
    assert take_source(given(signed_stream_env="S")) == Source(signed="env:S")
    with pytest.raises(UsageError, match="--signed"):
        take_source(given(signed="env:S", signed_stream_env="S"))
