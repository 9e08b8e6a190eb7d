"""What a command listens to: the options of every command that names a channel or a stream, and what they mean."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click
from attrs import fields_dict, frozen

from cableway.cli.terminal import say
from cableway.cli.values import FROM_ENVIRONMENT, from_environment, read_params
from cableway.errors import UsageError
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway import Cable, Subscription, SubscriptionOptions

KINDS = ("pubsub", "turbo", "cable_ready")
SECRETS = tuple(f"{product}_{name}" for product in ("CABLEWAY", "ANYCABLE") for name in ("STREAMS_SECRET", "SECRET"))
"""Where the secret is that plain names are signed with: those of the gateway, and of AnyCable."""
_SIGNED = re.compile(r"[\w+/=-]+--[0-9a-f]{40,}", re.ASCII)

PARAM_OPTION = click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=TEXT",
    help="A parameter of the channel; NAME:=JSON for other types.",
)
_OPTIONS = (
    click.argument("channel", required=False),
    PARAM_OPTION,
    click.option("--stream", metavar="NAME", help="In place of CHANNEL: a public stream (AnyCable)."),
    click.option(
        "--signed",
        metavar="NAME",
        help="In place of CHANNEL: a signed stream. env:VARIABLE takes its signed name from the environment; a plain "
        "name is signed here, if CABLEWAY_SECRET is set.",
    ),
    click.option("--signed-kind", type=click.Choice(KINDS), help="Whose signed stream it is.  [default: pubsub]"),
    # As it was called first.
    click.option("--signed-stream-env", metavar="VARIABLE", hidden=True),
)


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument and the options of :class:`Source`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@frozen(kw_only=True)
class Source:
    """What to subscribe to: a channel, or a stream.

    Raises:
        UsageError: Nothing is named, or several things are, or something that does not go with it.
    """

    channel: str | None = None
    params: tuple[str, ...] = ()
    stream: str | None = None
    signed: str | None = None
    signed_kind: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what does not fit together."""
        if sum(name is not None for name in (self.channel, self.stream, self.signed)) != 1:
            msg = "name one thing to subscribe to: a CHANNEL, --stream NAME or --signed env:VARIABLE"
            raise UsageError(msg)
        if self.params and self.channel is None:
            msg = "-p goes with a CHANNEL: streams have no parameters"
            raise UsageError(msg)
        if self.signed_kind is not None and self.signed is None:
            msg = "--signed-kind goes with --signed: give both"
            raise UsageError(msg)

    @property
    def label(self) -> str:
        """What to call it."""
        if self.channel is not None:
            return printable(" ".join((self.channel, *self.params)))
        if self.stream is not None:
            return f"the stream {printable(self.stream)}"
        # Only a plain name, which is signed here, is no secret.
        plain = self.signed if self.signed is not None and _is_plain(self.signed) else ""
        return printable(f"the signed stream {plain}")

    def subscribe(self, cable: Cable, options: SubscriptionOptions) -> Subscription[Any]:
        """Subscribe to it.

        Raises:
            UsageError: A parameter cannot be read, or a signed name is not to be had.
        """
        if self.stream is not None:
            return cable.stream(self.stream, options=options)
        if self.signed is not None:
            kind: Any = self.signed_kind or "pubsub"
            return cable.signed_stream(signed_name(self.signed), kind=kind, options=options)
        return cable.subscribe(self.channel or "", read_params(self.params), options=options)


def _is_plain(written: str) -> bool:
    return not written.startswith(FROM_ENVIRONMENT) and not _SIGNED.fullmatch(written)


def take_source(options: dict[str, Any]) -> Source:
    """Take what is the source's out of *options*, and leave the rest.

    Raises:
        UsageError: It does not fit together.
    """
    older = options.pop("signed_stream_env")
    given = {name: options.pop(name) for name in fields_dict(Source)}
    if older is not None:
        if given["signed"] is not None:
            msg = "--signed and --signed-stream-env are two names for one stream: give --signed"
            raise UsageError(msg)
        given["signed"] = f"{FROM_ENVIRONMENT}{older}"
    return Source(**given)


def signed_name(written: str) -> str:
    """Return the signed name that *written* means: what ``env:NAME`` holds, itself, or the plain name signed.

    Raises:
        UsageError: A plain name cannot be signed here, for want of a secret.
    """
    if written.startswith(FROM_ENVIRONMENT):
        return from_environment(written.removeprefix(FROM_ENVIRONMENT), "--signed").strip()
    if not _is_plain(written):
        say(
            "warning: --signed holds a secret (a signed name opens its stream) that other users of this machine can "
            "read: write env:NAME in its place, and keep the signed name in that environment variable"
        )
        return written
    from cableway.server import sign_stream

    secret = next(filter(None, map(os.environ.get, SECRETS)), None)
    if secret is None:
        msg = (
            f"--signed {printable(written)}: that is no signed name, and cannot be signed here: set {SECRETS[1]} to "
            "the server's secret, or give what the back end signed as env:NAME"
        )
        raise UsageError(msg)
    return sign_stream(written, secret)
