"""What a request for an event stream asks for, by its address (GET) or its body (POST): read as AnyCable does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from cableway.errors import MalformedFrame
from cableway.wire.codecs.json import JSONCodec, dump_text
from cableway.wire.commands import Subscribe
from cableway.wire.dialects.extended_server import ExtendedServerDialect
from cableway.wire.identifiers import PUBSUB_CHANNEL, SIGNED_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TURBO: Final = SIGNED_CHANNELS["turbo"][0]
_SHORT_FORMS: Final[tuple[tuple[str, dict[str, str], str], ...]] = (
    ("channel", {}, "channel"),
    ("stream", {"channel": PUBSUB_CHANNEL}, "stream_name"),
    ("signed_stream", {"channel": PUBSUB_CHANNEL}, "signed_stream_name"),
    ("turbo_signed_stream_name", {"channel": _TURBO}, "signed_stream_name"),
)
"""Parameters in the order in which they count, and what is made of each."""
_GO_ESCAPES: Final = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})
_RAW: Final = frozenset({"1", "t", "true", "y"})
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")

_codec = JSONCodec()
_dialect = ExtendedServerDialect()


def wants_raw(query: Mapping[str, str]) -> bool:
    """Tell whether only messages are wanted, and nothing of the protocol."""
    return query.get("raw", "").lower() in _RAW


def commands_of_query(query: Mapping[str, str], last_event_id: str) -> list[bytes]:
    """Return the subscribe that an address asks for, from the last event on that the client has seen.

    Raises:
        MalformedFrame: It names no channel, or something in it is not what it should be.
    """
    identifier = query.get("identifier") or next(
        (_identifier({**fixed, name: query[given]}) for given, fixed, name in _SHORT_FORMS if query.get(given)), ""
    )
    history: dict[str, Any] = {}
    place = last_event_id.split("/", 2)
    if len(place) == 3:
        if not (place[0].isascii() and place[0].isdecimal()):
            rule = "the id of the last event does not begin with an offset"
            raise MalformedFrame(rule)
        history["streams"] = {place[2]: {"epoch": place[1], "offset": int(place[0])}}
    since = query.get("history_since", "")
    if since:
        if not _WHOLE.fullmatch(since):
            rule = "history_since is not a whole number"
            raise MalformedFrame(rule)
        # As AnyCable: before 1970 there is nothing to ask for.
        history["since"] = max(0, int(since))
    return _checked([{"identifier": identifier, "history": history}])


def commands_of_body(body: bytes) -> list[bytes]:
    """Return what the lines of a body ask for: each is taken for a subscribe, whatever it says it is.

    Raises:
        MalformedFrame: A line cannot be read, names no channel, or names one twice.
    """
    return _checked([_codec.decode(line) or {} for line in body.split(b"\n") if line])


def _checked(mappings: Iterable[Mapping[str, Any]]) -> list[bytes]:
    commands = [{**mapping, "command": "subscribe"} for mapping in mappings]
    asked = [command.identifier for command in map(_dialect.parse, commands) if isinstance(command, Subscribe)]
    if "" in asked or len(set(asked)) < len(asked):
        rule = "a subscribe without a channel, or twice for one"
        raise MalformedFrame(rule)
    return [_codec.encode(command) for command in commands]


def _identifier(params: Mapping[str, str]) -> str:
    # Written as Go does, so that an identifier is the same text on either server.
    return dump_text(dict(params)).translate(_GO_ESCAPES)
