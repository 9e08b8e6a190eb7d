"""The gateway's options, under AnyCable's names: one class for keywords and command line."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, TypedDict

from attrs import fields, frozen

from cableway.errors import UsageError
from cableway.gateway.option_kinds import (
    CLEARED,
    converted,
    flag,
    identifiers,
    number,
    one_of,
    option,
    optional,
    optional_path,
    path_of,
    precision,
    seconds,
    secret_of,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.types import JSONValue, Seconds

API = "/api"
"""Below this address the gateway's own API answers."""

_PATHS = ("path", "health_path", "http_broadcast_path", "policy_path", "token_path")


def _refuse_twins(paths: Mapping[str, str | None]) -> None:
    taken: dict[str, str] = {}
    for name, path in paths.items():
        if path is None:
            continue
        if path in taken:
            msg = f"{name} and {taken[path]} are both {path!r}: give each an address of its own"
            raise UsageError(msg)
        if path == API or path.startswith(f"{API}/"):
            msg = f"{name}={path!r} is where the API for back ends is: give another address"
            raise UsageError(msg)
        taken[path] = name


@frozen(kw_only=True, field_transformer=converted)
class GatewayOptions:
    """What a :class:`~cableway.gateway.Gateway` may be told.

    The names are those of AnyCable, so that one command line starts either; dashes and underscores mean the same.

    Raises:
        UsageError: A value is not what its option takes; the text names both.
    """

    host: str = option("Address to listen on.", default="127.0.0.1", convert=text)
    port: int = option("Port to listen on; 0 takes a free one.", default=0, convert=number)
    path: str = option("Where WebSocket clients connect.", default="/cable", convert=path_of)
    health_path: str = option("Where GET answers 200.", default="/health", convert=path_of)
    http_broadcast_path: str = option("Where publications are posted.", default="/_broadcast", convert=path_of)
    policy_path: str = option("Where clients get their policy, if one is set.", default="/policy", convert=path_of)
    secret: str | None = option(
        "The one secret: signs streams and tokens, and gives the broadcast key.",
        default=None,
        convert=secret_of,
        secret=True,
    )
    streams_secret: str | None = option(
        "Signs stream names, in place of the secret.", default=None, convert=secret_of, secret=True
    )
    broadcast_key: str | None = option(
        "Bearer key of publications, in place of the derived one.", default=None, convert=secret_of, secret=True
    )
    policy_secret: str | None = option("Signs the policy.", default=None, convert=secret_of, secret=True)
    jwt_secret: str | None = option(
        "Signs the tokens of clients (JWT), in place of the secret; none: tokens are not looked at.",
        default=None,
        convert=optional,
        secret=True,
    )
    jwt_param: str = option(
        "Name of the token: a query parameter, and with x- before it a header.", default="jid", convert=text
    )
    enforce_jwt: bool = option("Turn away who has no token.", default=False, convert=flag)
    token_path: str | None = option(
        "Where a POST gives a token to any program on this machine, for demos and tests; empty: nowhere.",
        default=None,
        convert=optional_path,
    )
    token_life: float = option("Seconds that such a token is good.", default=3600.0, convert=seconds)
    token_ext: str = option("Identifiers in such a token, as JSON.", default='{"user_id":"demo"}', convert=identifiers)
    token_remote: bool = option("Give tokens to other machines, too.", default=False, convert=flag)
    public: bool = option(
        "Pub/sub that needs no code: noauth, public streams, open broadcast, any origin.", default=False, convert=flag
    )
    noauth: bool = option("Let every client in, without asking a connection class.", default=False, convert=flag)
    public_streams: bool = option("Allow $pubsub streams by plain name.", default=False, convert=flag)
    norpc: bool = option(
        "Without a connection class, let in nobody but by a token (or noauth); channels are Python here either way.",
        default=False,
        convert=flag,
    )
    allowed_origins: str = option(
        "Host[:port] of pages that may connect, by commas; *.example.com for all below, * for any. "
        "Empty: pages of this very host, and of this machine.",
        default="",
        convert=text,
    )
    ping_interval: float = option("Seconds between pings; 0 means none.", default=3.0, convert=seconds)
    ping_timestamp_precision: str = option("Unit of the time in pings: s, ms or ns.", default="s", convert=precision)
    max_message_size: int = option("Largest message taken from a client, in bytes.", default=65_536, convert=number)
    ws_max_pending_size: int = option(
        "Bytes that may wait for a slow reader before it is cut; 0 means any.", default=1_048_576, convert=number
    )
    ws_write_timeout: float = option(
        "Seconds that one write may take before the line is cut.", default=2.0, convert=seconds
    )
    sse: bool = option("Serve event streams (server-sent events).", default=False, convert=flag)
    sse_path: str = option("Where event streams are asked for.", default="/events", convert=path_of)
    poll: bool = option("Serve long polling.", default=False, convert=flag)
    poll_path: str = option("Where clients poll.", default="/lp", convert=path_of)
    poll_interval: float = option("Seconds that a poll waits for something to say.", default=15.0, convert=seconds)
    poll_flush_interval: int = option(
        "Milliseconds that a poll waits for more once there is something to say.", default=500, convert=number
    )
    poll_max_request_size: int = option("Largest request of a poll, in bytes.", default=65_536, convert=number)
    poll_keepalive_timeout: float = option(
        "Seconds between two polls after which a client counts as gone.", default=5.0, convert=seconds
    )
    max_conn: int = option("Most clients at a time, further ones get HTTP 503; 0 means any.", default=0, convert=number)
    accept_rate: int = option(
        "New sessions a second, further clients wait for their turn; 0 means any.", default=0, convert=number
    )
    accept_wait: float = option(
        "Longest wait for that turn, in seconds; further clients get HTTP 503 with Retry-After.",
        default=2.0,
        convert=seconds,
    )
    presets: str = option("broker: as --broker=memory, as AnyCable has it.", default="", convert=one_of("", "broker"))
    broker: str = option(
        "memory keeps messages and sessions for clients that come back; none keeps nothing.",
        default="memory",
        convert=one_of("memory", "none"),
    )
    history_limit: int = option("Messages kept of each stream.", default=100, convert=number)
    history_ttl: float = option("Seconds that a message is kept.", default=300.0, convert=seconds)
    sessions_ttl: float = option(
        "Seconds that the session of a client that is gone is kept; 0 keeps none.", default=300.0, convert=seconds
    )
    presence_ttl: float = option(
        "Seconds that somebody who is gone still counts as present.", default=15.0, convert=seconds
    )
    pong_timeout: float = option(
        "Seconds for a client of the extended protocol to answer a ping; 0: it need not.",
        default=0.0,
        convert=seconds,
    )
    streams_whisper: bool = option("Let clients whisper on signed streams.", default=False, convert=flag)
    streams_presence: bool = option("Let clients be present on signed streams.", default=True, convert=flag)
    turbo_streams: bool = option("Serve Turbo's signed streams.", default=False, convert=flag)
    turbo_streams_secret: str | None = option(
        "Signs Turbo's streams, in place of the secret.", default=None, convert=secret_of, secret=True
    )
    cable_ready: bool = option("Serve CableReady's signed streams.", default=False, convert=flag)
    cable_ready_secret: str | None = option(
        "Signs CableReady's streams, in place of the secret.", default=None, convert=secret_of, secret=True
    )
    api_secret: str | None = option(
        "Bearer key of the API, in place of the derived one.", default=None, convert=secret_of, secret=True
    )
    flavour: str = option(
        "Where servers differ: strict answers as AnyCable and goes on after a frame that makes no sense; anycable "
        "copies AnyCable to the letter; rails knows the base protocol alone.",
        default="strict",
        convert=one_of("strict", "anycable", "rails"),
    )
    ignore_config_path: bool = option("No effect: AnyCable's, taken for its sake.", default=False, convert=flag)
    broadcast_adapter: str = option("No effect: AnyCable's, taken for its sake.", default="", convert=text)
    http_broadcast_port: int = option("No effect: AnyCable's, taken for its sake.", default=0, convert=number)
    enable_ws_compression: bool = option("Offer permessage-deflate.", default=False, convert=flag)
    ssl_cert: str | None = option("File with the TLS certificate chain (PEM).", default=None, convert=optional)
    ssl_key: str | None = option("File with the TLS private key (PEM).", default=None, convert=optional)
    shutdown_timeout: float = option(
        "Seconds that channels get to finish when the gateway stops.", default=5.0, convert=seconds
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be meant together."""
        if bool(self.ssl_cert) != bool(self.ssl_key):
            msg = "TLS needs both files: give ssl_cert and ssl_key"
            raise UsageError(msg)
        served = [*_PATHS, *(f"{name}_path" for name in ("sse", "poll") if getattr(self, name))]
        _refuse_twins({name: getattr(self, name) for name in served})

    @property
    def open_to_all(self) -> bool:
        """Whether every client is let in."""
        return self.public or self.noauth

    @property
    def token_secret(self) -> str | None:
        """What tokens are signed with; ``None`` where they are not looked at."""
        # As in AnyCable, the word clears it though there is the one secret.
        return None if self.jwt_secret == CLEARED else self.jwt_secret or self.secret

    @property
    def has_broker(self) -> bool:
        """Whether messages and sessions are kept."""
        return self.flavour != "rails" and self.broker == "memory"

    @property
    def pubsub_secret(self) -> str | None:
        """The key of signed stream names, ``None`` where they are not allowed."""
        return self.streams_secret or self.secret


class GatewayKeywords(TypedDict, total=False):
    """The same options as keywords, for those who check types."""

    host: str
    port: int
    path: str
    health_path: str
    http_broadcast_path: str
    policy_path: str
    secret: str | None
    streams_secret: str | None
    broadcast_key: str | None
    policy_secret: str | None
    jwt_secret: str | None
    jwt_param: str
    enforce_jwt: bool
    token_path: str | None
    token_life: Seconds
    token_ext: str | Mapping[str, JSONValue]
    token_remote: bool
    public: bool
    noauth: bool
    public_streams: bool
    norpc: bool
    allowed_origins: str
    ping_interval: Seconds
    ping_timestamp_precision: str
    max_message_size: int
    ws_max_pending_size: int
    ws_write_timeout: Seconds
    sse: bool
    sse_path: str
    poll: bool
    poll_path: str
    poll_interval: Seconds
    poll_flush_interval: int
    poll_max_request_size: int
    poll_keepalive_timeout: Seconds
    max_conn: int
    accept_rate: int
    accept_wait: Seconds
    presets: str
    broker: str
    history_limit: int
    history_ttl: Seconds
    sessions_ttl: Seconds
    presence_ttl: Seconds
    pong_timeout: Seconds
    streams_whisper: bool
    streams_presence: bool
    turbo_streams: bool
    turbo_streams_secret: str | None
    cable_ready: bool
    cable_ready_secret: str | None
    api_secret: str | None
    flavour: str
    ignore_config_path: bool
    broadcast_adapter: str
    http_broadcast_port: int
    enable_ws_compression: bool
    ssl_cert: str | None
    ssl_key: str | None
    shutdown_timeout: Seconds


@frozen
class OptionSpec:
    """One option, for those who build a command line from it."""

    name: str
    type: type
    default: Any
    help: str
    secret: bool
    """Whether the value must not be given on a command line, which other users of the machine can read."""


def option_specs() -> tuple[OptionSpec, ...]:
    """List all options of the gateway, in the order in which to show them."""
    return tuple(
        OptionSpec(
            attribute.name,
            str if attribute.default is None else type(attribute.default),
            attribute.default,
            attribute.metadata["help"],
            attribute.metadata["secret"],
        )
        for attribute in fields(GatewayOptions)
    )


def options_from_mapping(mapping: Mapping[str, Any]) -> GatewayOptions:
    """Build options from names with dashes or underscores, and values that may be text.

    Raises:
        UsageError: A name is not known, is given twice, or a value does not fit.
    """
    known = {attribute.name for attribute in fields(GatewayOptions)}
    given: dict[str, Any] = {}
    for written, value in mapping.items():
        name = written.lstrip("-").replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            msg = f"{written!r} is no option of the gateway" + (f"; did you mean {near[0]!r}?" if near else "")
            raise UsageError(msg)
        if name in given:
            msg = f"the option {name!r} is given twice"
            raise UsageError(msg)
        given[name] = value
    return GatewayOptions(**given)
