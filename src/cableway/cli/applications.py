"""Finds what ``--app`` names: channel classes, and the class that decides who is let in."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from attrs import define, field

from cableway.errors import UsageError
from cableway.gateway import Channel, Connection
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType


@define
class Application:
    """What a gateway serves."""

    channels: list[type[Channel]] = field(factory=list)
    connection: type[Connection] | None = None

    def add(self, found: Any, where: str) -> None:
        """Take a channel class, a connection class, or a collection of such.

        Raises:
            UsageError: It is something else, or a second connection class.
        """
        if isinstance(found, type) and issubclass(found, Channel):
            if found not in self.channels:
                self.channels.append(found)
        elif isinstance(found, type) and issubclass(found, Connection):
            if self.connection not in (None, found):
                msg = f"--app {where}: a second connection class; a gateway asks one"
                raise UsageError(msg)
            self.connection = found
        elif isinstance(found, list | tuple | set | frozenset):
            for item in found:
                self.add(item, where)
        else:
            msg = (
                f"--app {where}: {printable(repr(found))} is neither a channel class nor a connection class of "
                "cableway.gateway, nor a list of such"
            )
            raise UsageError(msg)


def load_application(names: Iterable[str]) -> Application:
    """Load what the names say: ``module:object``, or ``module`` for all that is defined there.

    Modules of the current folder are found, as by ``python -m``.

    Raises:
        UsageError: A name leads nowhere, or to something that a gateway cannot serve.
    """
    application = Application()
    for name in names:
        if "" not in sys.path:
            sys.path.insert(0, "")
        path, _, attribute = name.partition(":")
        module = _module(path, name)
        application.add(_attribute(module, attribute, name) if attribute else _defined_in(module), printable(name))
    return application


def _module(path: str, name: str) -> ModuleType:
    try:
        return import_module(path)
    except Exception as error:
        # What a user's module raises at import may be anything.
        why = f"{type(error).__name__}: {error}" if path else "write module:object"
        msg = f"--app {printable(name)}: cannot import {printable(path) or 'nothing'} ({printable(why)})"
        raise UsageError(msg) from error


def _attribute(module: ModuleType, path: str, name: str) -> Any:
    found: Any = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            msg = f"--app {printable(name)}: there is no {printable(part)} in {module.__name__}"
            raise UsageError(msg) from None
    return found


def _defined_in(module: ModuleType) -> list[Any]:
    own = [item for item in vars(module).values() if isinstance(item, type) and item.__module__ == module.__name__]
    return [item for item in own if issubclass(item, Channel | Connection)]
