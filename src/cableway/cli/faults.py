"""Faults of the gateway as a command line orders them: ``cut-after:30s``, ``drop-poll:3``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from cableway.cli.terminal import say
from cableway.errors import UsageError
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cableway.gateway import Fault, Faults

    Order = Callable[[Faults, str], Fault]

_UNITS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_SIZES: Final[Mapping[str, int]] = {"b": 1, "kb": 1024, "mb": 1024 * 1024}
_AMOUNT: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([a-z]*)", re.IGNORECASE)


def order_faults(faults: Faults, words: Iterable[str]) -> list[tuple[str, Fault]]:
    """Order what *words* say, in their order.

    Raises:
        UsageError: A word is not known, its value is none, or it strikes what the gateway does not serve.
    """
    return [(word, _order(faults, word)) for word in words]


def tell_faults(ordered: Iterable[tuple[str, Fault]]) -> None:
    """Say how often each has happened."""
    for word, fault in ordered:
        say(f"--fault {_shown(word)}: {fault.fired} {'time' if fault.fired == 1 else 'times'}")


def _order(faults: Faults, word: str) -> Fault:
    name, _, value = word.partition(":")
    if name not in _ORDERS:
        msg = f"--fault {_shown(word)}: there is no such fault: give one of {ALL_WORDS}"
        raise UsageError(msg)
    try:
        return _ORDERS[name](faults, value)
    except UsageError as error:
        msg = f"--fault {_shown(word)}: {error}"
        raise UsageError(msg) from None


def _shown(word: str) -> str:
    # An address may hold what is nobody's business.
    return printable(word.partition(":")[0] if "://" in word else word)


# What stands behind a name -------------------------------------------------------------------------------------------


def _refuse(on: Any) -> Order:
    return lambda faults, value: faults.refuse(_number(value, "a status", "503", 503), on=on)


def _swallow(on: Any) -> Order:
    return lambda faults, value: _bare(value, lambda: faults.swallow(on=on))


def _withdraw(transport: Any) -> Order:
    return lambda faults, value: _bare(value, lambda: faults.withdraw(transport))


def _cut(on: Any) -> Order:
    def cut(faults: Faults, value: str) -> Fault:
        number, unit = _amount(value)
        if unit in _SIZES:
            return faults.cut(after_bytes=int(number * _SIZES[unit]), on=on)
        if unit in _UNITS:
            return faults.cut(after=number * _UNITS[unit], on=on)
        msg = f"{printable(value)!r} is neither a time nor a size: give such as 30s, 500ms, 64kb"
        raise UsageError(msg)

    return cut


def _silence(faults: Faults, value: str) -> Fault:
    return faults.silence(_seconds(value) if value else 0.0)


def _drop(faults: Faults, value: str) -> Fault:
    every, colon, moment = value.partition(":")
    more: dict[str, Any] = {"moment": moment} if colon else {}
    return faults.drop_polls(_number(every, "a number of polls", "3", 3), **more)


def _late(faults: Faults, value: str) -> Fault:
    return faults.answer_late(_number(value, "a number of polls", "3", 1))


def _bare(value: str, order: Callable[[], Fault]) -> Fault:
    if value:
        msg = "it takes no value: leave the colon and what follows out"
        raise UsageError(msg)
    return order()


_ORDERS: Final[Mapping[str, Order]] = {
    "refuse-upgrade": _refuse("websocket"),
    "refuse-polling": _refuse("polling"),
    "refuse-events": _refuse("events"),
    "captive-portal": lambda faults, value: faults.captive_portal(location=value or None),
    "swallow-upgrade": _swallow("websocket"),
    "swallow-polling": _swallow("polling"),
    "swallow-events": _swallow("events"),
    "no-polling": _withdraw("polling"),
    "no-events": _withdraw("events"),
    "delay": lambda faults, value: faults.delay(_seconds(value)),
    "silence": _silence,
    "cut-after": _cut("websocket"),
    "cut-events-after": _cut("events"),
    "drop-poll": _drop,
    "answer-late": _late,
}

_VALUES: Final = {
    "refuse-upgrade": "[:STATUS]",
    "refuse-polling": "[:STATUS]",
    "refuse-events": "[:STATUS]",
    "captive-portal": "[:URL]",
    "delay": ":TIME",
    "silence": "[:TIME]",
    "cut-after": ":TIME or :SIZE",
    "cut-events-after": ":TIME or :SIZE",
    "drop-poll": "[:NUMBER[:arrived|taken|answered]]",
    "answer-late": "[:NUMBER]",
}

ALL_WORDS: Final = ", ".join(f"{name}{_VALUES.get(name, '')}" for name in _ORDERS)
"""All faults, and what may stand behind the colon."""


# Values --------------------------------------------------------------------------------------------------------------


def _number(value: str, what: str, example: str, default: int) -> int:
    if not value:
        return default
    if value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    msg = f"{printable(value)!r} is not {what}: give such as {example}"
    raise UsageError(msg)


def _amount(value: str) -> tuple[float, str]:
    found = _AMOUNT.fullmatch(value)
    return (0.0, "?") if found is None else (float(found[1]), found[2].lower() or "s")


def _seconds(value: str) -> float:
    number, unit = _amount(value)
    if unit not in _UNITS:
        msg = f"{printable(value)!r} is not a time: give such as 2s, 500ms, 1.5m"
        raise UsageError(msg)
    return number * _UNITS[unit]
