"""Texts for people go to stderr, a line each."""

from __future__ import annotations

import sys

import pytest

from cableway.cli.terminal import one_line, say, say_error, shows_colours, wants_json


def test_a_text_becomes_one_line_without_control_characters() -> None:
    """A server's text can neither break the line nor drive the terminal; alignment stays."""
    assert one_line("a  b\nc\x1b[31md") == "a  b c [31md"


def test_a_long_text_is_cut() -> None:
    """A line stays bearable."""
    assert len(one_line("x" * 100_000)) == 2001


def test_status_and_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Stdout stays free for messages."""
    say("connected")
    say_error("gone")

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "connected\nerror: gone\n")


def test_a_stderr_that_nobody_reads_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Status lines into a closed pipe are dropped."""

    class Broken:
        def write(self, _: str) -> None:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Broken())

    say("nobody hears this")


@pytest.mark.parametrize(
    ("terminal", "term", "colours"), [(True, "xterm", True), (True, "dumb", False), (False, "xterm", False)]
)
def test_colours_need_a_terminal_that_has_them(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, term: str, colours: bool
) -> None:
    """A pipe, a file and a dumb terminal get lines."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("TERM", term)

    assert shows_colours() is colours
    assert wants_json(asked=False) is not colours
    assert wants_json(asked=True)
