"""Positions in a file, for programs that are started again."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from cableway.errors import InvalidIdentifier, PositionsFailed, UsageError, WrongLoop
from cableway.positions.database import MEMORY, MOVE_AWAY, Database
from cableway.wire.positions import Bookmark, Position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cableway.positions.database import Statement

_LOAD: Final = (
    'SELECT stream, epoch, "offset" FROM positions WHERE scope = ?1 AND subscription = ?2 '
    "UNION ALL SELECT NULL, NULL, since FROM starts WHERE scope = ?1 AND subscription = ?2"
)
_SAVE: Final = "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?)"
_SAVE_SINCE: Final = "INSERT OR REPLACE INTO starts VALUES (?, ?, ?)"
_FORGET: Final = (
    "DELETE FROM positions WHERE scope = ? AND subscription = ?",
    "DELETE FROM starts WHERE scope = ? AND subscription = ?",
)


@frozen
class Unwritten:
    """What the file does not know yet of one subscription."""

    bookmark: Bookmark = field(factory=Bookmark)
    forgotten: bool = False
    """Whether what the file knows must go first."""


_NOTHING: Final = Unwritten()


class SQLitePositions:
    """Keeps positions in an SQLite file, so that a program that was killed goes on where it left off.

    What :meth:`save` has returned from outlives the end of the process, also by ``kill -9``. It does not wait for the
    disk: a power cut may take the last seconds back, whose messages then come again, but does not damage the file. With
    *durable* each save waits for the disk. The event loop stands still meanwhile. Measured on a virtual machine with a
    fast disk: 11 microseconds a save, with *durable* 0.2 milliseconds. About each thousandth save tidies up and waits
    for the disk in either case: 2 to 4 milliseconds there.

    The file is opened when it is first needed. If it is made here, only its owner may read it (mode 0600): identifiers
    are stored as they are, and one with a signed stream name opens a door. Two more files stand beside it while it is
    in use (``-wal``, ``-shm``), and belong to it. A network file system is no place for it.

    Several processes and several cables may use one file at a time. Where they subscribe to the same identifiers, give
    each a *scope*, or they move each other's place. A store may be used from any thread, though one waits for another.
    After a fork make a new one: SQLite does not bear it.

    A save that fails loses nothing: what it could not write is kept, and the next one writes it too. ``load`` knows it
    already.

    Args:
        path: The file; ``~`` is your home. ``":memory:"`` keeps nothing, for tests.
        scope: Separates servers, cables or programs that share the file.
        durable: Whether each save waits until the disk has it, for power cuts.

    Raises:
        UsageError: *path* is no path, or *scope* no text that can be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, scope: str = "", durable: bool = False) -> None:
        self._scope = _checked_scope(scope)
        self._database = Database(_checked_path(path), durable=durable)
        self._unwritten: dict[str, Unwritten] = {}
        # Two cables of cableway.sync run on a thread each, and may share a store.
        self._lock = threading.Lock()
        self._pid: int | None = None

    def __repr__(self) -> str:
        scope = f", scope={self._scope!r}" if self._scope else ""
        return f"SQLitePositions({self._database.path!r}{scope})"

    def load(self, subscription: str) -> Bookmark:
        """Return what was saved for *subscription*, an empty bookmark if nothing was.

        Raises:
            InvalidIdentifier: *subscription* cannot be written as UTF-8.
            PositionsFailed: The file could not be read.
            WrongLoop: The store was used before this process was forked.
        """
        with self._used():
            unwritten = self._unwritten.get(subscription) or _nothing_yet(subscription)
            kept = Bookmark() if unwritten.forgotten else self._read(subscription)
            return kept.updated(unwritten.bookmark)

    def save(self, subscription: str, bookmark: Bookmark) -> None:
        """Keep *bookmark*: its streams replace those saved, others stay; its ``since`` replaces, unless ``None``.

        Waits at most a tenth of a second, for another process that writes.

        Raises:
            InvalidIdentifier: *subscription* cannot be written as UTF-8.
            PositionsFailed: The file could not be written; the next save tries again to write this one.
            WrongLoop: The store was used before this process was forked.
        """
        with self._used():
            before = self._unwritten.get(subscription) or _nothing_yet(subscription)
            self._unwritten[subscription] = Unwritten(before.bookmark.updated(bookmark), before.forgotten)
            self._write("save")

    def forget(self, subscription: str) -> None:
        """Drop all that was saved for *subscription* in this scope.

        Raises:
            InvalidIdentifier: *subscription* cannot be written as UTF-8.
            PositionsFailed: The file could not be written; the next save tries again.
            WrongLoop: The store was used before this process was forked.
        """
        with self._used():
            _nothing_yet(subscription)
            self._unwritten[subscription] = Unwritten(forgotten=True)
            self._write("forget")

    def close(self) -> None:
        """Write what an earlier save could not, and let go of the file. A store that is used again opens it again.

        Raises:
            PositionsFailed: Something could not be written, and is lost. The file is closed all the same.
            WrongLoop: The store was used before this process was forked.
        """
        with self._used():
            try:
                self._write("close")
            finally:
                self._unwritten.clear()
                self._database.close()
                self._pid = None

    @contextmanager
    def _used(self) -> Iterator[None]:
        # Before the lock: at the fork, a thread that the child does not have may have held it.
        if self._pid is None:
            self._pid = os.getpid()
        elif self._pid != os.getpid():
            msg = f"{self!r} was used before this process was forked: make a new one in each process"
            raise WrongLoop(msg)
        with self._lock:
            yield

    def _read(self, subscription: str) -> Bookmark:
        rows = self._database.read("load", (_LOAD, (self._scope, subscription)))
        try:
            streams = {stream: Position(epoch, offset) for stream, epoch, offset in rows if stream is not None}
            return Bookmark(streams, next((since for stream, _, since in rows if stream is None), None))
        except (TypeError, ValueError) as error:
            what = f"it holds what is no position ({error})"
            raise PositionsFailed(self._database.path, "load", what, hint=MOVE_AWAY) from error

    def _write(self, task: str) -> None:
        statements = [one for key, unwritten in self._unwritten.items() for one in self._statements(key, unwritten)]
        if statements:
            self._database.write(task, statements)
        self._unwritten.clear()

    def _statements(self, subscription: str, unwritten: Unwritten) -> Iterator[Statement]:
        whose = (self._scope, subscription)
        if unwritten.forgotten:
            for statement in _FORGET:
                yield statement, whose
        for stream, position in unwritten.bookmark.streams.items():
            yield _SAVE, (*whose, stream, position.epoch, position.offset)
        if unwritten.bookmark.since is not None:
            yield _SAVE_SINCE, (*whose, unwritten.bookmark.since)


def _nothing_yet(subscription: str) -> Unwritten:
    """Return what is unwritten of a subscription that is new here, if it is one that can be written."""
    try:
        subscription.encode()
    except UnicodeEncodeError as error:
        msg = f"a position cannot be kept for an identifier that is no text: {error.reason}"
        raise InvalidIdentifier(msg) from error
    return _NOTHING


def _checked_scope(scope: str) -> str:
    try:
        scope.encode()
    except (AttributeError, UnicodeEncodeError) as error:
        msg = f"scope={scope!r} is no text that can be written: give a string"
        raise UsageError(msg) from error
    return scope


def _checked_path(path: str | os.PathLike[str]) -> str:
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        msg = f"path={path!r} is no path: give the name of a file"
        raise UsageError(msg) from error
    if not text or "\0" in text:
        msg = f"path={path!r} is no path: give the name of a file"
        raise UsageError(msg)
    # Absolute from now on: a program that changes its folder later must not find another file.
    return text if text == MEMORY else os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 - a plain str
