"""The options of every command that opens a line, and the cable that they describe."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import click
from attrs import frozen

from cableway.cli.secrecy import read_headers_file, read_named_variable, read_plain_header, secret_in_url
from cableway.cli.terminal import say
from cableway.cli.tokens import TOKEN_OPTIONS, token_source, token_way
from cableway.cli.values import FROM_ENVIRONMENT, from_environment, resolve_address
from cableway.errors import UsageError
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from cableway import Cable, PositionStore, Transport
    from cableway.auth.providers.base import TokenProvider

OPEN_TIMEOUT = 30.0

TIMEOUT_OPTION = click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=OPEN_TIMEOUT,
    show_default=True,
    help="Give up after so many seconds.",
)

_FILE = click.Path(dir_okay=False)

_OPTIONS = (
    click.option("-H", "--header", "header", multiple=True, metavar="'NAME: VALUE'", help="A request header."),
    click.option(
        "--header-env",
        multiple=True,
        metavar="NAME=VARIABLE",
        help="A request header whose value is in an environment variable: for tokens.",
    ),
    click.option("--headers-file", type=_FILE, help="A file with a request header a line."),
    click.option("--cookie-env", metavar="VARIABLE", help="The Cookie header is in this environment variable."),
    click.option(
        "--query-env",
        multiple=True,
        metavar="NAME=VARIABLE",
        help="A query parameter of the address whose value is in an environment variable: for ?token=, ?jid=.",
    ),
    *TOKEN_OPTIONS,
    click.option(
        "--transport",
        type=click.Choice(["auto", "websocket", "polling", "events"]),
        default="auto",
        show_default=True,
        help="What carries the line: polling and events pass where WebSockets do not; events cannot send.",
    ),
    click.option("--origin", metavar="ORIGIN", help="The Origin header; that of the URL by default, as Rails wants."),
    click.option("--proxy", metavar="URL", help="Go through this proxy; by default as the environment says."),
    click.option("--no-proxy", is_flag=True, help="Go through no proxy, whatever the environment says."),
    click.option("--cacert", type=_FILE, help="Trust the certificates in this file (PEM), and no others."),
    click.option("--cert", type=_FILE, help="Our own certificate (PEM), where the server asks for one."),
    click.option("--key", type=_FILE, help="The private key of our own certificate (PEM)."),
)


def line_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of :class:`LineChoices`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@frozen(kw_only=True)
class LineChoices:
    """What was said about the line."""

    url: str
    header: tuple[str, ...] = ()
    header_env: tuple[str, ...] = ()
    headers_file: str | None = None
    cookie_env: str | None = None
    query_env: tuple[str, ...] = ()
    token_env: str | None = None
    token_file: str | None = None
    token_endpoint: str | None = None
    token_command: str | None = None
    token_as: str | None = None
    transport: str = "auto"
    origin: str | None = None
    proxy: str | None = None
    no_proxy: bool = False
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None

    def cable(self, open_timeout: float | None = None, *, positions: PositionStore | None = None) -> Cable:
        """Build the cable; it tries for *open_timeout* seconds to come up, by default 30.

        With *positions* its subscriptions go on where those kept there left off.

        Raises:
            UsageError: Something does not fit.
        """
        from cableway import Cable

        return Cable(
            **self.dialing(),
            transports=transports_of(self.transport),
            open_timeout=open_timeout or OPEN_TIMEOUT,
            positions=positions,
        )

    def dialing(self) -> dict[str, Any]:
        """Return what was said of where to dial and how, as the keywords of a cable. May hold secrets.

        Raises:
            UsageError: Something does not fit.
        """
        if self.proxy is not None and self.no_proxy:
            msg = "--proxy and --no-proxy exclude each other: give one of them"
            raise UsageError(msg)
        return {
            "url": self._address(),
            "token": self.token(),
            "token_as": token_way(self.token_as),
            "headers": self.headers() or None,
            "params": dict(read_named_variable(item, "--query-env") for item in self.query_env) or None,
            "origin": self.origin,
            "proxy": False if self.no_proxy else self.proxy or True,
            "ssl": tls_context(self.cacert, self.cert, self.key),
        }

    def headers(self) -> dict[str, str]:
        """Collect the headers; what is named one by one wins over the file.

        Raises:
            UsageError: One cannot be read, or has no place on a command line.
        """
        headers = read_headers_file(self.headers_file) if self.headers_file else {}
        plain = (read_plain_header(item) for item in self.header)
        secret = (read_named_variable(item, "--header-env") for item in self.header_env)
        for name, value in (*plain, *secret):
            _replace(headers, name, value)
        if self.cookie_env:
            _replace(headers, "Cookie", from_environment(self.cookie_env, "--cookie-env"))
        return headers

    def token(self) -> TokenProvider | None:
        """Return the source of tokens, if one was named.

        Raises:
            UsageError: There are several, or it cannot be used.
        """
        named = {
            "token_env": self.token_env,
            "token_file": self.token_file,
            "token_endpoint": self.token_endpoint,
            "token_command": self.token_command,
        }
        if self.token_as is not None and not any(named.values()):
            msg = "--token-as tells how a token travels, but there is none: give --token-env, or another source"
            raise UsageError(msg)
        return token_source(named)

    def _address(self) -> str:
        for option, written in (("the URL", self.url), ("--proxy", self.proxy or "")):
            found = None if written.startswith(FROM_ENVIRONMENT) else secret_in_url(written)
            if found:
                readable = "that other users of this machine can read"
                say(f"warning: {option} holds a secret ({found}) {readable}: {_way_out(option)}")
        return resolve_address(self.url)


def _way_out(option: str) -> str:
    if option == "--proxy":
        return "set HTTPS_PROXY or HTTP_PROXY instead"
    return "write env:NAME in its place, and keep the address in that environment variable"


def _replace(headers: dict[str, str], name: str, value: str) -> None:
    for known in [known for known in headers if known.lower() == name.lower()]:
        del headers[known]
    headers[name] = value


def transports_of(word: str) -> Literal["auto"] | list[Transport]:
    """Return the transports that ``--transport`` names."""
    from cableway import EventStreamTransport, LongPollingTransport, WebSocketTransport

    kinds = {"websocket": WebSocketTransport, "polling": LongPollingTransport, "events": EventStreamTransport}
    return "auto" if word == "auto" else [kinds[word]()]


def tls_context(cacert: str | None, cert: str | None, key: str | None) -> ssl.SSLContext | None:
    """Build a TLS context from files, ``None`` where the default one will do.

    Raises:
        UsageError: A file cannot be read, or holds something else.
    """
    if key and not cert:
        msg = "--key goes with --cert: give both"
        raise UsageError(msg)
    if not cacert and not cert:
        return None
    try:
        context = ssl.create_default_context(cafile=cacert)
        if cert:
            context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:
        files = " and ".join(printable(name) for name in (cacert, cert, key) if name)
        why = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
        msg = f"cannot use {files}: {why}; certificates and keys are files in PEM form"
        raise UsageError(msg) from None
    return context


def _no_password() -> str:
    msg = "the key is encrypted, and there is nobody to ask for its password"
    raise ValueError(msg)


@asynccontextmanager
async def opened(cable: Cable) -> AsyncIterator[None]:
    """Have *cable* open inside of the block, and close it well."""
    try:
        await cable.open()
        yield
    finally:
        await cable.close(timeout=1)


def split_choices(options: Mapping[str, Any]) -> LineChoices:
    """Make the choices out of a command's options."""
    return LineChoices(**options)
