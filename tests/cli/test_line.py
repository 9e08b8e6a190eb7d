"""Options of a line become a cable, or an error that says what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trustme

from cableway.cli.line import LineChoices, tls_context, transports_of
from cableway.errors import InvalidURL, UsageError
from cableway.gateway import Gateway

if TYPE_CHECKING:
    from pathlib import Path

URL = "wss://example.com/cable"


def test_headers_come_from_options_environment_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is named one by one wins over the file, whatever the case of its name."""
    (tmp_path / "headers").write_text("x-jid: from-file\nX-Other: o\n")
    monkeypatch.setenv("TOKEN", "t")
    monkeypatch.setenv("COOKIE", "a=b")
    choices = LineChoices(
        url=URL,
        header=("X-Page: 1",),
        header_env=("X-JID=TOKEN",),
        headers_file=str(tmp_path / "headers"),
        cookie_env="COOKIE",
    )

    assert choices.headers() == {"X-Other": "o", "X-Page": "1", "X-JID": "t", "Cookie": "a=b"}


def test_a_cable_is_built_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed, and nothing is dialled, for a plain address."""
    cable = LineChoices(url=URL).cable()

    assert cable.state.value == "idle"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"url": "wss://user:pw@example.com/cable"}, "env:NAME"),
        ({"url": "wss://example.com/cable?token=s3cret"}, "env:NAME"),
        ({"url": URL, "proxy": "http://user:pw@127.0.0.1:3128"}, "HTTPS_PROXY"),
    ],
)
def test_a_secret_in_an_address_is_warned_of(
    options: dict[str, Any], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It works, but the user learns who can read it, and what to do; the secret is not repeated."""
    LineChoices(**options).cable()

    told = capsys.readouterr().err
    assert hint in told
    assert told.count("\n") == 1
    assert "pw" not in told
    assert "s3cret" not in told


def test_an_address_from_the_environment_is_no_cause_for_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is the way out."""
    monkeypatch.setenv("CABLE_URL", "wss://example.com/cable?token=s3cret")

    LineChoices(url="env:CABLE_URL").cable()

    assert capsys.readouterr().err == ""


def test_an_address_that_cannot_be_dialled_is_refused() -> None:
    """The library's own words reach the user."""
    with pytest.raises(InvalidURL, match="must begin with"):
        LineChoices(url="ftp://example.com").cable()


def test_proxy_and_no_proxy_exclude_each_other() -> None:
    """Nobody can mean both."""
    with pytest.raises(UsageError, match="--no-proxy"):
        LineChoices(url=URL, proxy="http://127.0.0.1:1", no_proxy=True).cable()


def test_certificates_are_read_from_files(tmp_path: Path) -> None:
    """An authority of one's own, and a certificate of one's own."""
    authority = trustme.CA()
    ours = authority.issue_cert("client")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ours.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    ours.private_key_pem.write_to_path(str(tmp_path / "key.pem"))

    context = tls_context(str(tmp_path / "ca.pem"), str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))

    assert context is not None
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] == 1
    assert tls_context(None, None, None) is None


@pytest.mark.parametrize("options", [("missing.pem", None, None), (None, "missing.pem", None), (None, None, "key.pem")])
def test_files_that_cannot_be_used_are_named(options: tuple[str | None, str | None, str | None]) -> None:
    """The text says which file, and what it should be."""
    with pytest.raises(UsageError, match=r"missing\.pem|--cert"):
        tls_context(*options)


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    """Any text will not do."""
    (tmp_path / "ca.pem").write_text("hello")

    with pytest.raises(UsageError, match="PEM"):
        tls_context(str(tmp_path / "ca.pem"), None, None)


def test_a_transport_is_named_by_a_word() -> None:
    """Without one it is up to the library."""
    assert transports_of("auto") == "auto"
    named = {word: transports_of(word) for word in ("websocket", "polling", "events")}
    assert {word: [one.name for one in made if not isinstance(one, str)] for word, made in named.items()} == {
        "websocket": ["websocket"],
        "polling": ["long_polling"],
        "events": ["event_stream"],
    }


async def test_a_message_comes_by_each_transport() -> None:
    """From one gateway, whatever the word."""
    async with Gateway(public=True, poll=True, sse=True, poll_flush_interval=1) as gateway:
        for word in ("auto", "websocket", "polling", "events"):
            async with LineChoices(url=gateway.url, transport=word).cable() as cable, cable.stream(word) as heard:
                await gateway.broadcast(word, 7)
                assert (await heard.receive(timeout=10)).data == 7
