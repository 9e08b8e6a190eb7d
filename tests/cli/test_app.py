"""The front door: help, versions, and errors as one line with the right code."""

from __future__ import annotations

import sys

import pytest

from cableway import __version__
from cableway.cli import app as front
from cableway.cli import main
from tests.cli.programs import ran

COMMANDS = sorted(front.COMMANDS)


async def test_the_program_tells_its_commands() -> None:
    """``python -m cableway`` is the command, and help names each subcommand."""
    done = await ran("--help")

    assert done.code == 0
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help shows a line to copy, not only options."""
    assert main([name, "--help"]) == 0

    assert f"  cableway {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_usage_errors_are_one_line_and_code_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option is named, with the way to help."""
    assert main([name, "--no-such-option"]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert f"cableway {name} --help" in captured.err


def test_no_command_shows_the_help_as_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Who types the name alone learns what there is."""
    assert main([]) == 2

    assert "subscribe" in capsys.readouterr().err


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """It is named."""
    assert main(["frobnicate"]) == 2

    assert "frobnicate" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The installed one."""
    assert main(["--version"]) == 0

    assert __version__ in capsys.readouterr().out


def test_a_missing_click_is_told_with_the_install_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command exists without its extra, and says how to get it."""
    monkeypatch.setitem(sys.modules, "click", None)

    assert main(["demo"]) == 1

    told = capsys.readouterr().err
    assert "pip install 'cableway[cli]'" in told
    assert told.count("\n") == 1


def test_a_missing_gateway_is_told_with_the_install_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands that need another extra name that one."""
    for name in [name for name in sys.modules if name.startswith(("cableway.gateway", "cableway.cli.gateway"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "cableway.cli.applications", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)

    assert main(["gateway"]) == 1

    assert "pip install 'cableway[gateway]'" in capsys.readouterr().err


def test_a_fault_of_our_own_is_one_line_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, whatever happens, and no token from an address in it."""

    def fail(*_: object, **__: object) -> None:
        msg = "wss://h/cable?token=s3cret\nbroke"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr(front.app, "main", fail)

    assert main([]) == 1

    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "ZeroDivisionError" in told
    assert "s3cret" not in told


@pytest.mark.parametrize(("error", "code"), [(front.click.Abort(), 130), (BrokenPipeError(), 0)])
def test_ends_from_outside_are_silent(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C at a prompt and a reader that left need no explanation."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(front.app, "main", fail)

    assert main([]) == code
    sys.stdout.close() if code == 0 else None
    assert capsys.readouterr().err == ""


async def test_help_loads_nothing_heavy() -> None:
    """Looking something up must be quick: neither the client nor the server nor colours are imported for it."""
    import asyncio

    program = (
        "import sys\nfrom cableway.cli import main\nmain(['--help'])\n"
        "print(sorted({'aiohttp', 'websockets', 'httpx2', 'rich', 'asyncio'} & set(sys.modules)))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    stdout, _ = await process.communicate()

    assert stdout.decode().splitlines()[-1] == "[]"
