"""What is written on a command line is read as it was meant, or refused with the way out."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from cableway.cli.values import from_file, read_json, read_object, read_params, read_payload, resolve_address
from cableway.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_parameters_are_text_or_json() -> None:
    """``name=text`` is a string whatever it looks like, ``name:=JSON`` is typed, and only the first sign counts."""
    params = read_params(["room=42", "n:=7", "flag:=true", "list:=[1,2]", "empty=", "eq=a=b", 'text:="x=y"'])

    assert params == {"room": "42", "n": 7, "flag": True, "list": [1, 2], "empty": "", "eq": "a=b", "text": "x=y"}


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        ("room", "name=text"),
        ("=5", "name=text"),
        (":=5", "name=text"),
        ("n:={", "not JSON at character 2"),
        ("n:=NaN", "not JSON"),
        ("n:=", "not JSON"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_refused(item: str, rule: str) -> None:
    """The text names what was written and how to write it."""
    with pytest.raises(UsageError, match=rule):
        read_params([item])


def test_a_parameter_given_twice_is_refused() -> None:
    """Which of the two was meant cannot be known."""
    with pytest.raises(UsageError, match="twice"):
        read_params(["a=1", "a:=2"])


@pytest.mark.parametrize(
    ("text", "kind"), [("[]", "array"), ('"x"', "string"), ("1", "number"), ("true", "boolean"), ("null", "null")]
)
def test_data_of_an_action_is_an_object(text: str, kind: str) -> None:
    """Action Cable sends objects; anything else is refused, and named."""
    with pytest.raises(UsageError, match=kind):
        read_object(text, "-d")


def test_no_data_is_an_empty_object() -> None:
    """Actions without data need no -d."""
    assert read_object(None, "-d") == {}


def test_a_minus_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large or secret can be piped in."""
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"a": 1}\n'))

    assert read_payload("-", "JSON") == {"a": 1}


def test_nesting_without_end_is_no_json() -> None:
    """A text that no reader survives is refused like any other bad one."""
    with pytest.raises(UsageError, match="not JSON"):
        read_json("[" * 100_000, "-d")


def test_an_address_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``env:NAME`` keeps a token in the address off the command line."""
    monkeypatch.setenv("CABLE_URL", "wss://example.com/cable?token=s3cret")

    assert resolve_address("env:CABLE_URL") == "wss://example.com/cable?token=s3cret"
    assert resolve_address("wss://example.com") == "wss://example.com"


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text says which variable is to be set."""
    monkeypatch.delenv("CABLE_URL", raising=False)

    with pytest.raises(UsageError, match="CABLE_URL is not set"):
        resolve_address("env:CABLE_URL")


def test_a_secret_file_is_read_without_its_newline(tmp_path: Path) -> None:
    """Editors end a file with a newline, which belongs to no secret."""
    (tmp_path / "secret").write_text("abc\n")

    assert from_file(str(tmp_path / "secret"), "--secret-file") == "abc"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_file_that_holds_no_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty or binary: an error that names the option, never an empty secret."""
    if content is not None:
        (tmp_path / "secret").write_bytes(content)

    with pytest.raises(UsageError, match="--secret-file"):
        from_file(str(tmp_path / "secret"), "--secret-file")
