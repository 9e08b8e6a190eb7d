"""The gateway's options, under AnyCable's names: one class for keywords and command line."""

from __future__ import annotations

import difflib
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar

from attrs import Attribute, field, fields, frozen

from cableway.auth.minting import identifiers_text
from cableway.errors import UsageError
from cableway.types import JSONValue, Seconds, to_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

_CLEARED: Final = "none"
"""In place of a secret: as in AnyCable, the word clears one that a file or the environment set."""
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def _option(help_text: str, *, default: T, convert: Callable[[str, Any], T], secret: bool = False) -> T:
    metadata = {"help": help_text, "convert": convert, "secret": secret}
    result: T = field(default=default, metadata=metadata, repr=not secret)
    return result


def _text(_name: str, value: object) -> str:
    return str(value)


def _path(name: str, value: object) -> str:
    path = str(value)
    if not path.startswith("/") or any(char in path for char in "{}?# "):
        msg = f"{name}={path!r} is not a path: give one such as '/cable', without query or placeholder"
        raise UsageError(msg)
    return path


def _optional(_name: str, value: object) -> str | None:
    return str(value) if value else None


def _optional_path(name: str, value: object) -> str | None:
    return _path(name, value) if value else None


def _identifiers(_name: str, value: Any) -> str:
    return identifiers_text(value)


def _secret(_name: str, value: object) -> str | None:
    return None if value in (None, "", _CLEARED) else str(value)


def _flag(name: str, value: object) -> bool:
    word = str(value).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    msg = f"{name}={value!r} is neither true nor false"
    raise UsageError(msg)


def _number(name: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or (isinstance(value, float) and value != number):
        msg = f"{name}={value!r} is not a whole number"
        raise UsageError(msg)
    if number < 0:
        msg = f"{name}={number} is negative: give 0 or more"
        raise UsageError(msg)
    return number


def _seconds(name: str, value: Any) -> float:
    try:
        return to_seconds(float(value) if isinstance(value, str) else value, name)
    except (TypeError, ValueError):
        msg = f"{name}={value!r} is not a duration: give seconds, 0 or more"
        raise UsageError(msg) from None


def _precision(name: str, value: object) -> str:
    if value not in {"s", "ms", "ns"}:
        msg = f"{name}={value!r} is not a unit of time: give s, ms or ns"
        raise UsageError(msg)
    return str(value)


def _converted(_cls: type, attributes: list[Attribute[Any]]) -> list[Attribute[Any]]:
    return [
        attribute.evolve(converter=partial(attribute.metadata["convert"], attribute.name)) for attribute in attributes
    ]


_PATHS = ("path", "health_path", "http_broadcast_path", "policy_path", "token_path")


def _refuse_twins(paths: Mapping[str, str | None]) -> None:
    taken: dict[str, str] = {}
    for name, path in paths.items():
        if path is None:
            continue
        if path in taken:
            msg = f"{name} and {taken[path]} are both {path!r}: give each an address of its own"
            raise UsageError(msg)
        taken[path] = name


@frozen(kw_only=True, field_transformer=_converted)
class GatewayOptions:
    """What a :class:`~cableway.gateway.Gateway` may be told.

    The names are those of AnyCable, so that one command line starts either; dashes and underscores mean the same.

    Raises:
        UsageError: A value is not what its option takes; the text names both.
    """

    host: str = _option("Address to listen on.", default="127.0.0.1", convert=_text)
    port: int = _option("Port to listen on; 0 takes a free one.", default=0, convert=_number)
    path: str = _option("Where WebSocket clients connect.", default="/cable", convert=_path)
    health_path: str = _option("Where GET answers 200.", default="/health", convert=_path)
    http_broadcast_path: str = _option("Where publications are posted.", default="/_broadcast", convert=_path)
    policy_path: str = _option("Where clients get their policy, if one is set.", default="/policy", convert=_path)
    secret: str | None = _option(
        "The one secret: signs streams and tokens, and gives the broadcast key.",
        default=None,
        convert=_secret,
        secret=True,
    )
    streams_secret: str | None = _option(
        "Signs stream names, in place of the secret.", default=None, convert=_secret, secret=True
    )
    broadcast_key: str | None = _option(
        "Bearer key of publications, in place of the derived one.", default=None, convert=_secret, secret=True
    )
    policy_secret: str | None = _option("Signs the policy.", default=None, convert=_secret, secret=True)
    jwt_secret: str | None = _option(
        "Signs the tokens of clients (JWT), in place of the secret; none: tokens are not looked at.",
        default=None,
        convert=_optional,
        secret=True,
    )
    jwt_param: str = _option(
        "Name of the token: a query parameter, and with x- before it a header.", default="jid", convert=_text
    )
    enforce_jwt: bool = _option("Turn away who has no token.", default=False, convert=_flag)
    token_path: str | None = _option(
        "Where a POST gives a token to any program on this machine, for demos and tests; empty: nowhere.",
        default=None,
        convert=_optional_path,
    )
    token_life: float = _option("Seconds that such a token is good.", default=3600.0, convert=_seconds)
    token_ext: str = _option(
        "Identifiers in such a token, as JSON.", default='{"user_id":"demo"}', convert=_identifiers
    )
    token_remote: bool = _option("Give tokens to other machines, too.", default=False, convert=_flag)
    public: bool = _option(
        "Pub/sub that needs no code: noauth, public streams, open broadcast, any origin.", default=False, convert=_flag
    )
    noauth: bool = _option("Let every client in, without asking a connection class.", default=False, convert=_flag)
    public_streams: bool = _option("Allow $pubsub streams by plain name.", default=False, convert=_flag)
    norpc: bool = _option(
        "Without a connection class, let in nobody but by a token (or noauth); channels are Python here either way.",
        default=False,
        convert=_flag,
    )
    allowed_origins: str = _option(
        "Host[:port] of pages that may connect, by commas; *.example.com for all below, * for any. "
        "Empty: pages of this very host, and of this machine.",
        default="",
        convert=_text,
    )
    ping_interval: float = _option("Seconds between pings; 0 means none.", default=3.0, convert=_seconds)
    ping_timestamp_precision: str = _option("Unit of the time in pings: s, ms or ns.", default="s", convert=_precision)
    max_message_size: int = _option("Largest message taken from a client, in bytes.", default=65_536, convert=_number)
    ws_max_pending_size: int = _option(
        "Bytes that may wait for a slow reader before it is cut; 0 means any.", default=1_048_576, convert=_number
    )
    ws_write_timeout: float = _option(
        "Seconds that one write may take before the line is cut.", default=2.0, convert=_seconds
    )
    max_conn: int = _option(
        "Most clients at a time, further ones get HTTP 503; 0 means any.", default=0, convert=_number
    )
    accept_rate: int = _option(
        "New sessions a second, further clients wait for their turn; 0 means any.", default=0, convert=_number
    )
    accept_wait: float = _option(
        "Longest wait for that turn, in seconds; further clients get HTTP 503 with Retry-After.",
        default=2.0,
        convert=_seconds,
    )
    enable_ws_compression: bool = _option("Offer permessage-deflate.", default=False, convert=_flag)
    ssl_cert: str | None = _option("File with the TLS certificate chain (PEM).", default=None, convert=_optional)
    ssl_key: str | None = _option("File with the TLS private key (PEM).", default=None, convert=_optional)
    shutdown_timeout: float = _option(
        "Seconds that channels get to finish when the gateway stops.", default=5.0, convert=_seconds
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be meant together."""
        if bool(self.ssl_cert) != bool(self.ssl_key):
            msg = "TLS needs both files: give ssl_cert and ssl_key"
            raise UsageError(msg)
        _refuse_twins({name: getattr(self, name) for name in _PATHS})

    @property
    def open_to_all(self) -> bool:
        """Whether every client is let in."""
        return self.public or self.noauth

    @property
    def token_secret(self) -> str | None:
        """What tokens are signed with; ``None`` where they are not looked at."""
        # As in AnyCable, the word clears it though there is the one secret.
        return None if self.jwt_secret == _CLEARED else self.jwt_secret or self.secret

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
    max_conn: int
    accept_rate: int
    accept_wait: Seconds
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
