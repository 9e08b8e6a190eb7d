"""The SQLite file that positions are kept in: made, checked, opened, and what its failures mean."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from cableway.errors import PositionsFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MEMORY: Final = ":memory:"
"""SQLite's name for a database without a file."""

PATIENCE: Final = 0.1
"""Seconds to wait for another process that is writing. A save holds its lock for microseconds."""

APPLICATION: Final = 0x43577073
"""Marks a file as ours ("CWps"), so that no other program's database is written to."""

SCHEMA: Final = 1

_TABLES: Final = (
    """
    CREATE TABLE positions (
        scope TEXT NOT NULL, subscription TEXT NOT NULL, stream TEXT NOT NULL,
        epoch TEXT NOT NULL, "offset" INTEGER NOT NULL,
        PRIMARY KEY (scope, subscription, stream)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE starts (
        scope TEXT NOT NULL, subscription TEXT NOT NULL, since INTEGER NOT NULL,
        PRIMARY KEY (scope, subscription)
    ) WITHOUT ROWID
    """,
    f"PRAGMA application_id={APPLICATION}",
    f"PRAGMA user_version={SCHEMA}",
)

Statement = tuple[str, tuple[object, ...]]


@frozen
class Trouble:
    """What a failure means: what happened, the way out, and whether waiting is one."""

    what: str
    hint: str
    passes: bool = False


MOVE_AWAY: Final = "Give another path, or move the file away: subscriptions then start without a past"

_ALLOW: Final = "Let this program's user write the file and its folder: SQLite keeps two more files there"

TROUBLES: Final = {
    sqlite3.SQLITE_FULL: Trouble(
        "the disk is full", "Free some space: the next save writes what is missing", passes=True
    ),
    sqlite3.SQLITE_BUSY: Trouble(
        f"another process has kept it locked for {PATIENCE:g} s",
        "The next save writes what is missing; end the other process, or give each a file of its own",
        passes=True,
    ),
    sqlite3.SQLITE_IOERR: Trouble(
        "the disk gave an error, or has no room",
        "Look after the disk: the next save writes what is missing",
        passes=True,
    ),
    sqlite3.SQLITE_NOTADB: Trouble("the file is no SQLite database", MOVE_AWAY),
    sqlite3.SQLITE_CORRUPT: Trouble("the file is damaged", MOVE_AWAY),
    sqlite3.SQLITE_READONLY: Trouble("it cannot be written to", _ALLOW),
    sqlite3.SQLITE_CANTOPEN: Trouble("it cannot be opened", _ALLOW),
}

KEEPS_THE_CONNECTION: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY}
"""After any other failure the file is opened anew: it may be another one by then."""


class Unfit(Exception):
    """The file is a database, but not one to be used."""


class Database:
    """One connection to the file, opened when it is first needed, and again after a failure."""

    def __init__(self, path: str, *, durable: bool) -> None:
        self.path = path
        self._durable = durable
        self._connection: sqlite3.Connection | None = None

    def read(self, task: str, statement: Statement) -> list[tuple[Any, ...]]:
        """Return the rows of one statement.

        Raises:
            PositionsFailed: They could not be read.
        """
        try:
            return self._opened().execute(*statement).fetchall()
        except (sqlite3.Error, OSError, Unfit) as error:
            raise self._failure(task, error) from error

    def write(self, task: str, statements: Sequence[Statement]) -> None:
        """Carry out all statements or none.

        Raises:
            PositionsFailed: None was carried out.
        """
        try:
            connection = self._opened()
            if len(statements) == 1:
                connection.execute(*statements[0])
            else:
                with _transaction(connection):
                    for statement in statements:
                        connection.execute(*statement)
        except (sqlite3.Error, OSError, Unfit) as error:
            raise self._failure(task, error) from error

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # What was committed is safe; a failure here is only about tidying up.
            with suppress(sqlite3.Error):
                connection.close()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _open(self.path, durable=self._durable)
        return self._connection

    def _failure(self, task: str, error: Exception) -> PositionsFailed:
        code = getattr(error, "sqlite_errorcode", -1) & 0xFF
        if code not in KEEPS_THE_CONNECTION and self.path != MEMORY:
            self.close()
        trouble = TROUBLES.get(code) or _trouble(error)
        return PositionsFailed(self.path, task, trouble.what, hint=trouble.hint, retryable=trouble.passes)


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, Unfit):
        return Trouble(str(error), MOVE_AWAY)
    if isinstance(error, FileNotFoundError):
        return Trouble("its folder does not exist", "Create the folder")
    if isinstance(error, OSError):
        return Trouble(error.strerror or type(error).__name__, _ALLOW)
    return Trouble(str(error), MOVE_AWAY)


def _open(path: str, *, durable: bool) -> sqlite3.Connection:
    if path != MEMORY:
        _create(path)
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        _claim(connection)
        # With a write-ahead log a save is one write to a file and outlives the process; NORMAL leaves it to the system
        # when that reaches the disk, FULL waits for it.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: str) -> None:
    """Make the file readable by its owner only, as SQLite would not; its own two files then get the same mode.

    A file that is there must not be opened: closing it would end the locks that SQLite has on it in this process.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    with suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), flags, 0o600))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have ended it already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _claim(connection: sqlite3.Connection) -> None:
    """Make the tables in a file that is empty; refuse one that is not ours before anything is changed in it."""
    with _transaction(connection):
        if _is_new(connection):
            for statement in _TABLES:
                connection.execute(statement)


def _is_new(connection: sqlite3.Connection) -> bool:
    application, version = (_value(connection, f"PRAGMA {name}") for name in ("application_id", "user_version"))
    if (application, version) == (APPLICATION, SCHEMA):
        return False
    if application == APPLICATION:
        msg = f"another version of Cableway wrote it (schema {version}, this one knows {SCHEMA})"
        raise Unfit(msg)
    if application or version or _value(connection, "SELECT count(*) FROM sqlite_master"):
        msg = "it is the database of another program"
        raise Unfit(msg)
    return True


def _value(connection: sqlite3.Connection, statement: str) -> Any:
    return connection.execute(statement).fetchone()[0]
