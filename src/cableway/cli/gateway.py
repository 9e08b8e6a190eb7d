"""``cableway gateway``: run a server that behaves as AnyCable does."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from cableway.cli.applications import load_application
from cableway.cli.exits import Failure
from cableway.cli.faults import ALL_WORDS, order_faults, tell_faults
from cableway.cli.messages import json_text
from cableway.cli.terminal import say, wants_json
from cableway.cli.values import from_file, read_json
from cableway.errors import UsageError
from cableway.gateway import Gateway, GatewayOptions, option_specs, options_from_mapping
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.cli.running import Run
    from cableway.gateway import OptionSpec

DEFAULT_PORT = 8080
"""AnyCable's, for a program that is started by hand; 0 takes a free one."""
POLICY_EXAMPLE = '{"version": 1, "backoff": {"minimum": 1, "maximum": 60}}'
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

With --accept-rate a crowd that comes at once is let in one after another: the first wait, the rest are told when to
come back. With --policy clients take their backoff from here, and take it anew after SIGHUP. With a --jwt-secret, or
--secret, clients may bring a token, and with --enforce-jwt they must; --token-path /token gives them some to try it.

With --fault things go wrong, to see what a client makes of it. In the end it is told how often they have.

\b
cableway gateway --public --fault cut-after:30s
cableway gateway --public --poll --fault swallow-upgrade --fault drop-poll:3
"""


@click.command(help=HELP)
@click.option(
    "--app", "apps", multiple=True, metavar="MODULE:OBJECT", help="Channel classes to serve; may be repeated."
)
@gateway_options
@click.option(
    "--policy",
    "policy_file",
    type=_FILE,
    help="JSON file with the policy that clients may take from here; SIGHUP reads it again.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:VALUE]",
    help=f"What goes wrong; may be repeated. One of {ALL_WORDS}.",
)
@click.option(
    *_spellings("log_level"),
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What to tell on stderr; debug adds tracebacks.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the line that tells the address to a terminal, too.")
@click.pass_context
def gateway(
    context: click.Context,
    /,
    *,
    apps: tuple[str, ...],
    policy_file: str | None,
    faults: tuple[str, ...],
    log_level: str,
    as_json: bool,
    **given: Any,
) -> int:
    """Run the command ``gateway``."""
    from cableway.cli.running import Run

    options = options_from_mapping(read_options(given, context))
    _log_to_stderr(log_level)
    application = load_application(apps)
    server = Gateway(application.channels, connection=application.connection, options=options)
    if policy_file is not None:
        server.set_policy(read_policy_file(policy_file))
    ordered = order_faults(server.faults, faults)
    code = Run().run(partial(serve, server, wants_json(asked=as_json), policy_file))
    tell_faults(ordered)
    return code


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


def read_policy_file(path: str) -> dict[str, Any]:
    """Read a policy from its file.

    Raises:
        UsageError: It cannot be read, or is no JSON object.
    """
    policy = read_json(from_file(path, "--policy"), "--policy", POLICY_EXAMPLE)
    if not isinstance(policy, dict):
        msg = f"--policy: {printable(path)} holds no JSON object; for example {POLICY_EXAMPLE}"
        raise UsageError(msg)
    return policy


def reread_policy(server: Gateway, path: str) -> None:
    """Serve what is in the file now; where it cannot be served, say why, and go on with the last one."""
    try:
        server.set_policy(read_policy_file(path))
    except UsageError as error:
        say(f"the policy stays what it was: {printable(str(error), 500)}")
    else:
        say(f"serving the policy of {printable(path)} anew")


async def serve(server: Gateway, as_json: bool, policy_file: str | None, run: Run) -> None:  # noqa: FBT001 - filled in by partial
    """Serve until the run is ended."""
    try:
        await server.start()
    except UsageError as error:
        # A port that is taken is no mistake in the command line.
        if isinstance(error.__cause__, OSError):
            raise Failure(str(error)) from error
        raise
    run.satisfied = True
    if policy_file is not None and hasattr(signal, "SIGHUP"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reread_policy, server, policy_file)
    try:
        if as_json:
            print(json_text(_places(server)), flush=True)  # noqa: T201 - this is the answer
        say(f"listening at {server.url}, Ctrl-C ends it")
        await asyncio.Event().wait()
    finally:
        await server.stop()


def _places(server: Gateway) -> dict[str, Any]:
    paths: GatewayOptions = server.options
    tokens = {} if paths.token_path is None else {"token_url": server.http_url + paths.token_path}
    events = {"events_url": server.http_url + paths.sse_path} if paths.sse else {}
    polls = {"poll_url": server.http_url + paths.poll_path} if paths.poll else {}
    return {
        "event": "listening",
        "url": server.url,
        "broadcast_url": server.http_url + paths.http_broadcast_path,
        "health_url": server.http_url + paths.health_path,
        **events,
        **polls,
        **tokens,
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
