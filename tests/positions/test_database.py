"""The file beneath: what is taken for ours, what is refused untouched, and what each failure is called."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cableway import PositionsFailed
from cableway.positions.database import APPLICATION, MEMORY, PATIENCE, TROUBLES, Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cableway.positions.database import Statement


def since(value: int, subscription: str = "x") -> Statement:
    """Return a statement that writes a row."""
    return "INSERT OR REPLACE INTO starts VALUES ('', ?, ?)", (subscription, value)


ROWS = "SELECT subscription, since FROM starts ORDER BY subscription", ()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "positions.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """A file of positions."""
    made = Database(str(path), durable=False)
    yield made
    made.close()


def setting(database: Database, name: str) -> object:
    """Return what SQLite has set for the connection."""
    return database.read("load", (f"PRAGMA {name}", ()))[0][0]


def test_it_writes_ahead_and_does_not_wait_for_the_disk(database: Database, path: Path) -> None:
    """NORMAL is 1: safe against the end of the process; FULL is 2: against that of the machine."""
    assert (setting(database, "journal_mode"), setting(database, "synchronous")) == ("wal", 1)
    with closing(Database(str(path), durable=True)) as durable:
        assert (setting(durable, "journal_mode"), setting(durable, "synchronous")) == ("wal", 2)


def test_its_patience_is_short(database: Database) -> None:
    """The event loop stands still meanwhile."""
    assert PATIENCE <= 0.1
    assert setting(database, "busy_timeout") == 1000 * PATIENCE


def test_all_statements_or_none(database: Database) -> None:
    """One that fails takes the others back, and the next write is as good as ever."""
    with pytest.raises(PositionsFailed, match=r"NOT NULL"):
        database.write("save", [since(1, "a"), ("INSERT INTO starts VALUES ('', 'b', NULL)", ())])
    assert database.read("load", ROWS) == []
    database.write("save", [since(1, "a"), since(2, "b")])

    assert database.read("load", ROWS) == [("a", 1), ("b", 2)]


def test_a_file_that_is_no_database_is_refused(database: Database, path: Path) -> None:
    """It is not touched; when it was moved away, the same object makes a new one."""
    path.write_bytes(b"my diary, dear diary " * 100)

    with pytest.raises(PositionsFailed, match=r"the file is no SQLite database. Give another path, or move") as failed:
        database.write("save", [since(1)])
    assert path.read_bytes() == b"my diary, dear diary " * 100
    assert isinstance(failed.value.__cause__, sqlite3.DatabaseError)
    assert (failed.value.path, failed.value.task, failed.value.retryable) == (str(path), "save", False)
    path.rename(path.with_suffix(".txt"))
    database.write("save", [since(1)])
    assert database.read("load", ROWS) == [("x", 1)]


def test_the_database_of_another_program_is_refused(database: Database, path: Path) -> None:
    """Nothing in it is changed, not even how it is written."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE positions (latitude REAL)")
    before = path.read_bytes()

    with pytest.raises(PositionsFailed, match=r"it is the database of another program. Give another path"):
        database.read("load", ROWS)
    assert path.read_bytes() == before


def test_a_later_schema_is_refused(database: Database, path: Path) -> None:
    """A newer Cableway wrote it, whose rows this one may not understand."""
    database.write("save", [since(1)])
    database.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version=2")

    with pytest.raises(
        PositionsFailed, match=r"another version of Cableway wrote it \(schema 2, this one knows 1\). Give another path"
    ):
        database.read("load", ROWS)


def test_the_file_says_whose_it_is(database: Database) -> None:
    """So that it is recognised, also by others."""
    assert (setting(database, "application_id"), setting(database, "user_version")) == (APPLICATION, 1)


def test_a_damaged_file_is_told(database: Database, path: Path) -> None:
    """The error says what to do, and the same object can use the file that takes its place."""
    database.write("save", [since(n, f"{n:05}" * 40) for n in range(200)])
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    with pytest.raises(PositionsFailed, match=r"the file is damaged. Give another path, or move the file away"):
        database.write("save", [since(1, "a"), since(2, "b")])
    path.unlink()
    database.write("save", [since(1)])
    assert database.read("load", ROWS) == [("x", 1)]


def test_a_full_disk_is_told_and_passes(database: Database) -> None:
    """Once there is room, the same connection goes on."""
    database.write("save", [since(1)])
    assert setting(database, "max_page_count=1")

    with pytest.raises(PositionsFailed, match=r"the disk is full. Free some space") as failed:
        database.write("save", [since(n, f"{n:05}" * 40) for n in range(500)])
    assert failed.value.retryable
    setting(database, "max_page_count=100000")
    database.write("save", [since(2)])
    assert database.read("load", ROWS) == [("x", 2)]


LIMITED = """
import resource, sys
from cableway import Bookmark, Position, PositionsFailed, SQLitePositions
store, told, offset = SQLitePositions(sys.argv[1]), None, 0
store.save("x", Bookmark({"a": Position("e", 0)}))
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most))
while told is None and offset < 1000:
    offset += 1
    try:
        store.save("x", Bookmark({"a": Position("e", offset)}))
    except PositionsFailed as error:
        told = error
print(told)
print(store.load("x").streams["a"].offset == offset)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
store.save("y", Bookmark({"a": Position("e", 1)}))
print(SQLitePositions(sys.argv[1]).load("x").streams["a"].offset == offset)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no limits of files")
def test_a_real_limit_of_a_file_passes(path: Path) -> None:
    """A write that the system refuses is told; when it allows it again, the next save brings what was missing."""
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told, *known = done.stdout.splitlines()

    assert told.startswith(f"cannot save positions in {path}: the disk gave an error, or has no room. Look after")
    assert known == ["True", "True"]


def test_a_file_that_may_not_be_written_is_told(database: Database) -> None:
    """The error says who must be allowed what."""
    database.write("save", [since(1)])
    setting_off = ("PRAGMA query_only=1", ())
    database.read("load", setting_off)

    with pytest.raises(
        PositionsFailed, match=r"it cannot be written to. Let this program's user write the file and its"
    ):
        database.write("save", [since(2)])
    # Opened anew, it is as it was.
    database.write("save", [since(3)])
    assert database.read("load", ROWS) == [("x", 3)]


def make_folder(path: Path) -> None:
    """Put a folder in the place of the file."""
    path.mkdir()


def make_parent_a_file(path: Path) -> None:
    """Put a file in the place of the folder."""
    path.parent.rmdir()
    path.parent.touch()


def make_nothing(path: Path) -> None:
    """Take the folder away."""
    path.parent.rmdir()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (make_folder, "it cannot be opened. Let this program's user"),
        (make_parent_a_file, "Not a directory. Let this program's user"),
        (make_nothing, "its folder does not exist. Create the folder"),
    ],
)
def test_a_place_for_no_file_is_told(tmp_path: Path, make: Callable[[Path], None], told: str) -> None:
    """What is wrong with it, and what would be right."""
    path = tmp_path / "folder" / "p.db"
    path.parent.mkdir()
    make(path)

    with closing(Database(str(path), durable=False)) as database, pytest.raises(PositionsFailed, match=told):
        database.read("load", ROWS)


def test_a_link_may_lead_to_a_file_that_is_not_there_yet(path: Path) -> None:
    """The file is made where the link leads, for its owner only."""
    target = path.with_name("target.db")
    path.symlink_to(target)
    with closing(Database(str(path), durable=False)) as database:
        database.write("save", [since(1)])

    assert target.stat().st_mode & 0o777 == 0o600


def test_the_locks_of_another_connection_are_left_alone(database: Database, path: Path) -> None:
    """A second store in this process must not end the locks of the first: nobody may take the log away beneath it."""
    database.write("save", [since(1)])
    with closing(Database(str(path), durable=False)) as second:
        second.read("load", ROWS)
        # A process that opens and closes the file would tidy the log away if it took itself for the last one.
        code = (
            "import sqlite3, sys; one = sqlite3.connect(sys.argv[1]); one.execute('SELECT * FROM starts'); one.close()"
        )
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)
        database.write("save", [since(2)])

        assert path.with_name("positions.db-wal").exists()
    with closing(Database(str(path), durable=False)) as third:
        assert third.read("load", ROWS) == [("x", 2)]


def test_in_memory_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure does not end it either: there would be nothing to open again."""
    monkeypatch.chdir(tmp_path)
    with closing(Database(MEMORY, durable=False)) as database:
        database.write("save", [since(1)])
        with pytest.raises(PositionsFailed):
            database.write("save", [since(2), ("INSERT INTO starts VALUES ('', 'b', NULL)", ())])
        database.write("save", [since(3, "c"), since(4, "d")])

        assert database.read("load", ROWS) == [("c", 3), ("d", 4), ("x", 1)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trouble", TROUBLES.values())
def test_each_failure_has_a_way_out(trouble: object) -> None:
    """No text says only what is wrong."""
    assert getattr(trouble, "what", "")
    assert getattr(trouble, "hint", "")
