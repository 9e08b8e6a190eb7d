"""Secrets are kept off the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cableway.cli.secrecy import (
    is_secret_header,
    read_headers_file,
    read_named_variable,
    read_plain_header,
    secret_in_url,
)
from cableway.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-JID", "X-Api-Key", "X-Auth-Token", "x-session"])
def test_headers_that_carry_secrets_are_known(name: str) -> None:
    """Whatever sounds like a credential is taken for one."""
    assert is_secret_header(name)


@pytest.mark.parametrize("name", ["Accept-Language", "X-Request-ID", "User-Agent"])
def test_other_headers_are_free(name: str) -> None:
    """Harmless headers may be written out."""
    assert not is_secret_header(name)


def test_a_secret_header_is_refused_with_the_way_out() -> None:
    """The text names the option to use instead, and does not repeat the secret."""
    with pytest.raises(UsageError, match="--header-env Authorization=") as caught:
        read_plain_header("Authorization: Bearer s3cret")

    assert "s3cret" not in str(caught.value)


def test_a_plain_header_is_split_at_the_first_colon() -> None:
    """Values may hold colons."""
    assert read_plain_header("X-Page: http://a:1") == ("X-Page", "http://a:1")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("ws://user:pw@host/cable", "user and password"),
        ("ws://host/cable?jid=x", "jid"),
        ("ws://host/cable?room=1&access_token=x", "access_token"),
        ("ws://host/cable?room=1&monkey=2", None),
        ("ws://[broken", None),
    ],
)
def test_secrets_in_an_address_are_found(url: str, found: str | None) -> None:
    """The part is named, its value is not."""
    told = secret_in_url(url)

    assert told is None if found is None else found in str(told)


def test_a_value_comes_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """``NAME=VARIABLE`` gives the name and the variable's value."""
    monkeypatch.setenv("TOKEN", "s3cret=")

    assert read_named_variable("x-jid=TOKEN", "--header-env") == ("x-jid", "s3cret=")


@pytest.mark.parametrize("text", ["x-jid", "=TOKEN", "x-jid="])
def test_a_named_variable_needs_both_parts(text: str) -> None:
    """The text says how it is written."""
    with pytest.raises(UsageError, match="NAME=VARIABLE"):
        read_named_variable(text, "--header-env")


def test_headers_are_read_from_a_file(tmp_path: Path) -> None:
    """One header a line; empty lines and comments are passed over."""
    path = tmp_path / "headers"
    path.write_text("# for staging\nCookie: a=b; c=d\n\nX-JID:  t:k \n")

    assert read_headers_file(str(path)) == {"Cookie": "a=b; c=d", "X-JID": "t:k"}


def test_a_bad_line_of_a_headers_file_is_told_by_number(tmp_path: Path) -> None:
    """Never by its content: that may be the secret."""
    path = tmp_path / "headers"
    path.write_text("Cookie: a=b\ns3cret\n")

    with pytest.raises(UsageError, match="line 2") as caught:
        read_headers_file(str(path))

    assert "s3cret" not in str(caught.value)
