"""``cableway gateway``: run a server that behaves as AnyCable does."""

from __future__ import annotations

import asyncio
import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from cableway.cli.applications import load_application
from cableway.cli.exits import Failure
from cableway.cli.messages import json_text
from cableway.cli.terminal import say, wants_json
from cableway.cli.values import from_file
from cableway.errors import UsageError
from cableway.gateway import Gateway, GatewayOptions, option_specs, options_from_mapping
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.cli.running import Run
    from cableway.gateway import OptionSpec

DEFAULT_PORT = 8080
"""AnyCable's, for a program that is started by hand; 0 takes a free one."""
SPECS = {spec.name: spec for spec in option_specs()}
_FILE = click.Path(dir_okay=False)
_METAVARS = {int: "NUMBER", float: "SECONDS"}


def gateway_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a flag for each option of the gateway, to be written with dashes or underscores."""
    for spec in reversed(SPECS.values()):
        if spec.secret:
            command = _file_option(spec)(command)
        command = _option(spec)(command)
    return command


def _option(spec: OptionSpec) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    default = DEFAULT_PORT if spec.name == "port" else spec.default
    shown = "" if default in (None, "", False) else f"  [default: {default}]"
    hint = f" Better in the environment, as CABLEWAY_{spec.name.upper()}." if spec.secret else ""
    return click.option(
        *_spellings(spec.name),
        spec.name,
        help=f"{spec.help}{hint}{shown}",
        envvar=_variables(spec.name),
        **_manner(spec),
    )


def _manner(spec: OptionSpec) -> dict[str, Any]:
    # Flags may also be written --public=true, as AnyCable's may.
    if spec.type is bool:
        return {"is_flag": False, "flag_value": "true", "metavar": "[BOOLEAN]"}
    return {"metavar": _METAVARS.get(spec.type, "TEXT")}


def _file_option(spec: OptionSpec) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    name = f"{spec.name}_file"
    return click.option(*_spellings(name), name, type=_FILE, help="The same, read from a file.")


def _spellings(name: str) -> tuple[str, ...]:
    dashed = f"--{name.replace('_', '-')}"
    return (dashed, f"--{name}") if "_" in name else (dashed,)


def _variables(name: str) -> list[str]:
    upper = name.upper()
    return [f"CABLEWAY_{upper}", f"ANYCABLE_{upper}", *(["PORT"] if name == "port" else [])]


HELP = """\
Serve Action Cable clients; channels are Python classes, or none with --public.

\b
cableway gateway --public
cableway gateway --app myproject.channels:ChatChannel --port 8080
CABLEWAY_SECRET=... cableway gateway --app myproject.channels --host 0.0.0.0 --ping-interval 3

Options have AnyCable's names, with dashes or underscores, and may be set in the environment as CABLEWAY_NAME or
ANYCABLE_NAME. --app names a channel class, a list of such, or a module; a connection class in it decides who is let
in. When it listens, it says where: on stderr, and as a JSON line on stdout if a program reads that. SIGINT or
SIGTERM ends it well, and the clients are told to come back later; a second one ends it at once.
"""


@click.command(help=HELP)
@click.option(
    "--app", "apps", multiple=True, metavar="MODULE:OBJECT", help="Channel classes to serve; may be repeated."
)
@gateway_options
@click.option(
    *_spellings("log_level"),
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What to tell on stderr; debug adds tracebacks.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the line that tells the address to a terminal, too.")
@click.pass_context
def gateway(context: click.Context, /, *, apps: tuple[str, ...], log_level: str, as_json: bool, **given: Any) -> int:
    """Run the command ``gateway``."""
    from cableway.cli.running import Run

    options = options_from_mapping(read_options(given, context))
    _log_to_stderr(log_level)
    application = load_application(apps)
    server = Gateway(application.channels, connection=application.connection, options=options)
    return Run().run(partial(serve, server, wants_json(asked=as_json)))


def read_options(given: Mapping[str, Any], context: click.Context) -> dict[str, Any]:
    """Collect what was said: a file counts more than the command line, that more than the environment.

    Raises:
        UsageError: A file cannot be read.
    """
    options = {name: value for name, value in given.items() if name in SPECS and value is not None}
    options.setdefault("port", DEFAULT_PORT)
    for name, spec in SPECS.items():
        path = given.get(f"{name}_file")
        if path:
            options[name] = from_file(path, f"--{name}-file".replace("_", "-"))
        elif spec.secret and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            dashed = name.replace("_", "-")
            say(
                f"warning: other users of this machine can read --{dashed} on the command line: "
                f"set CABLEWAY_{name.upper()} instead, or give --{dashed}-file"
            )
    return options


async def serve(server: Gateway, as_json: bool, run: Run) -> None:  # noqa: FBT001 - filled in by partial
    """Serve until the run is ended."""
    try:
        await server.start()
    except UsageError as error:
        # A port that is taken is no mistake in the command line.
        if isinstance(error.__cause__, OSError):
            raise Failure(str(error)) from error
        raise
    run.satisfied = True
    try:
        if as_json:
            print(json_text(_places(server)), flush=True)  # noqa: T201 - this is the answer
        say(f"listening at {server.url}, Ctrl-C ends it")
        await asyncio.Event().wait()
    finally:
        await server.stop()


def _places(server: Gateway) -> dict[str, Any]:
    paths: GatewayOptions = server.options
    return {
        "event": "listening",
        "url": server.url,
        "broadcast_url": server.http_url + paths.http_broadcast_path,
        "health_url": server.http_url + paths.health_path,
        "port": server.port,
    }


class _OneLine(logging.Formatter):
    """One line an entry; the traceback only where somebody debugs."""

    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__("%(levelname)s: %(message)s")
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        text = printable(f"{record.levelname.lower()}: {record.getMessage()}", 2000)
        if record.exc_info is None or record.exc_info[1] is None:
            return text
        if self._tracebacks:
            return f"{text}\n{self.formatException(record.exc_info)}"
        error = record.exc_info[1]
        return f"{text}: {printable(f'{type(error).__name__}: {error}')}"


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(tracebacks=level == "debug"))
    logger = logging.getLogger("cableway")
    logger.addHandler(handler)
    logger.setLevel(level.upper())
