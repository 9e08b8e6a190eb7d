"""``cableway token``: what its two commands have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cableway.cli import main

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "canary-of-the-secret-which-nobody-may-see"


@pytest.mark.parametrize(
    "arguments", [["canary"], ["mint", "canary"], ["inspect", "canary"], ["mint", "-i", "a=1", "c-canary"]]
)
def test_nothing_is_taken_from_the_command_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token or secret that was written there is refused, and not repeated."""
    monkeypatch.setenv("CABLEWAY_SECRET", SECRET)
    assert main(["token", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "canary" not in captured.err + captured.out


@pytest.mark.parametrize("name", ["mint", "inspect"])
def test_each_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line to copy."""
    assert main(["token", name, "--help"]) == 0
    assert f"cableway token {name} " in capsys.readouterr().out


def test_alone_it_tells_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """As a usage error."""
    assert main(["token"]) == 2
    told = capsys.readouterr().err
    assert "mint" in told
    assert "inspect" in told


def test_what_one_mints_the_other_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By way of a file."""
    monkeypatch.setenv("CABLEWAY_SECRET", SECRET)
    assert main(["token", "mint", "-i", "user_id=7"]) == 0
    (tmp_path / "token").write_text(capsys.readouterr().out)
    assert main(["token", "inspect", "--token-file", str(tmp_path / "token"), "--secret-env", "CABLEWAY_SECRET"]) == 0
    captured = capsys.readouterr()
    assert '"verdict":"good"' in captured.out
    assert "verified" in captured.err
