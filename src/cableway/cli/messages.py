"""Writes messages: as JSON lines for programs, with time and colours for people."""

from __future__ import annotations

import json
import math
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from cableway.cli.terminal import say, wants_json
from cableway.wire.codecs.json import dump_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cableway import Message

    Writer: TypeAlias = Callable[[Sequence[Message[Any]]], bytes]

INFINITE = 10**309
"""An integer that readers of JSON take for infinite where they know only doubles: JSON has no word for it."""


EARLIER = "earlier "
"""In place of the time, as wide: when a message of the past was published, nobody tells."""

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Write JSON lines, also to a terminal.")
QUIET_OPTION = click.option("-q", "--quiet", is_flag=True, help="No status lines.")
_OPTIONS = (
    JSON_OPTION,
    click.option(
        "--envelope",
        is_flag=True,
        help='Write {"data": ..., "received_at": ..., "replayed": ...} in place of the data alone.',
    ),
    QUIET_OPTION,
)


def message_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how it writes messages: ``as_json``, ``envelope`` and ``quiet``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def writer(*, as_json: bool, envelope: bool) -> Writer:
    """Return the function that writes messages as they were asked for, or as fits what stdout is."""
    if not wants_json(asked=as_json or envelope):
        try:
            return for_people(shutil.get_terminal_size().columns)
        except ImportError:
            say("warning: colours need an optional dependency: pip install 'cableway[cli]'")
    return partial(as_lines, whole=envelope)


def json_text(value: Any) -> str:
    """Write *value* as JSON on one line, whatever a server may have sent."""
    try:
        text = dump_text(value)
        text.encode()
    except UnicodeEncodeError:
        # Half a character can be escaped in JSON, and cannot be written otherwise.
        return json.dumps(value, separators=(",", ":"))
    except ValueError:
        return json_text(_finite(value))
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return INFINITE if value > 0 else -INFINITE
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def envelope(message: Message[Any]) -> dict[str, Any]:
    """Put what is known about *message* around its data."""
    known = {"stream": message.stream, "epoch": message.epoch, "offset": message.offset}
    told = {name: value for name, value in known.items() if value is not None}
    about = {"received_at": message.received_at.isoformat(), "replayed": message.replayed}
    return {"data": message.data, **about, **told}


def as_lines(messages: Sequence[Message[Any]], *, whole: bool) -> bytes:
    """Write JSON lines: the data of each message, or all that is known about it."""
    values = (envelope(message) if whole else message.data for message in messages)
    return "".join(f"{json_text(value)}\n" for value in values).encode()


def for_people(width: int) -> Callable[[Sequence[Message[Any]]], bytes]:
    """Return a function that writes messages for a terminal of *width* columns."""
    from rich.console import Console
    from rich.highlighter import JSONHighlighter
    from rich.text import Text

    console = Console(force_terminal=True, width=width, highlight=False)
    colour = JSONHighlighter()

    def write(messages: Sequence[Message[Any]]) -> bytes:
        with console.capture() as captured:
            for message in messages:
                time = EARLIER if message.replayed else message.received_at.astimezone().strftime("%H:%M:%S")
                text = Text(visible(_fitted(message.data, width - len(time) - 2)))
                colour.highlight(text)
                console.print(Text.assemble((f"{time}  ", "dim"), text), soft_wrap=True)
        return captured.get().encode("utf-8", "backslashreplace")

    return write


def _fitted(data: Any, width: int) -> str:
    line = json_text(data)
    if len(line) <= width or not isinstance(data, dict | list):
        return line
    return json.dumps(json.loads(line), indent=2, ensure_ascii=False)


def visible(text: str) -> str:
    """Escape what could change the terminal or the reading direction."""
    return "".join(char if char.isprintable() or char == "\n" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x9F else f"\\u{ord(char):04x}"
