"""The command's front door: finds the subcommand, and turns whatever goes wrong into one line and an exit code."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cableway.cli.exits import ExitCode, Failure, exit_code
from cableway.cli.terminal import say_error
from cableway.errors import CableError
from cableway.redact import redact_text

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C ended."""
COMMANDS = {
    "subscribe": "Print what a channel sends, message by message.",
    "history": "Print what a server still has of a channel's messages, and end.",
    "presence": "Print who is present in a channel, and follow who comes and goes.",
    "whisper": "Say something to the other clients of a channel, past the application.",
    "perform": "Call an action of a channel, and be sure that it reached the server.",
    "publish": "Publish to a stream over HTTP, as a back end does.",
    "gateway": "Run a server that behaves as AnyCable does.",
    "token": "Mint tokens by which servers know a client, and see what is in one.",
    "doctor": "Try each transport step by step, and learn what fails, why, and what to do.",
    "demo": "See trackers report positions while their server is killed and comes back.",
}

HELP = """\
Talk to Action Cable and AnyCable servers from the shell.

\b
cableway subscribe wss://example.com/cable ChatChannel -p room=42
cableway perform wss://example.com/cable ChatChannel speak -p room=42 -d '{"text": "hi"}'
cableway demo

Read by a program, stdout carries one JSON line a message and nothing else; status and errors go to stderr.
`cableway COMMAND --help` tells more.
"""

EPILOG = """\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 rejected by the channel, 4 not authorised, 5 timed out,
6 only a fallback works (doctor)."""


class LazyGroup(click.Group):
    """Imports a command when it is run: nobody waits for what is not needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"cableway.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, help=HELP, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cableway")
def app() -> None:
    """Hold the commands together."""


def run_app(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. Errors are one line each on stderr."""
    try:
        result = app.main(arguments, prog_name="cableway", standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - users get a line, not a traceback
        return _explain(error)
    return result if isinstance(result, int) else ExitCode.DONE


def _explain(error: Exception) -> int:
    code = exit_code(error)
    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            code = ExitCode.USAGE
        case click.UsageError():
            where = f"; see `{error.ctx.command_path} --help`" if error.ctx is not None else ""
            say_error(error.format_message().rstrip(".") + where)
            code = ExitCode.USAGE
        case click.ClickException():
            say_error(error.format_message())
        case click.Abort():
            return INTERRUPTED
        case CableError() | Failure() | TimeoutError():
            # That is what the library does, while the command gives up.
            say_error(str(error).removesuffix(". Trying again in the background"))
        case BrokenPipeError():
            _let_go_of_stdout()
            code = ExitCode.DONE
        case _:
            told = redact_text(f"{type(error).__name__}: {error}")
            say_error(f"{told}. That is a fault of cableway: please report it")
    return code


def _let_go_of_stdout() -> None:
    # The interpreter flushes stdout at its end and would complain about the same broken pipe once more.
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - lives until the end
