"""Positions in a file: restarts, failures, threads, processes. What all stores share is in the contract's tests."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from cableway import Bookmark, Position, PositionsFailed, SQLitePositions
from cableway.errors import InvalidIdentifier, UsageError
from cableway.positions import database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHAT = '{"channel":"ChatChannel","room":42}'
NEWS = '{"channel":"NewsChannel"}'


def at(offset: int, stream: str = "a") -> Bookmark:
    """Return a bookmark in one stream."""
    return Bookmark({stream: Position("e", offset)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "positions.db"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no lock: what a wait would be for is held by the test itself."""
    monkeypatch.setattr(database, "PATIENCE", 0.0)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the file locked, as a process does that hangs in the middle of a write."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def run(code: str, *arguments: object) -> str:
    """Run a program in a process of its own and return what it printed."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize("durable", [False, True])
def test_a_later_store_goes_on(path: Path, durable: bool) -> None:  # noqa: FBT001
    """What one store kept, the next one on that file knows."""
    with closing(SQLitePositions(path, durable=durable)) as store:
        store.save(CHAT, Bookmark({"a": Position("e", 7)}, 100))

    with closing(SQLitePositions(str(path))) as store:
        assert store.load(CHAT) == Bookmark({"a": Position("e", 7)}, 100)


def test_a_closed_store_opens_again(path: Path) -> None:
    """A cable may be opened again after it was closed, and so may its store."""
    store = SQLitePositions(path)
    store.save(CHAT, at(1))
    store.close()
    store.save(CHAT, at(2))

    assert store.load(CHAT) == at(2)
    store.close()


def test_making_one_touches_no_file(tmp_path: Path) -> None:
    """A store can be made before its folder is."""
    with closing(SQLitePositions(tmp_path / "later" / "p.db")) as store:
        with pytest.raises(PositionsFailed, match=r"cannot load positions in .*: its folder does not exist. Create"):
            store.load(CHAT)
        (tmp_path / "later").mkdir()

        assert store.load(CHAT) == Bookmark()


def test_a_change_of_folder_does_not_move_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the folder that the program was in when it said it."""
    monkeypatch.chdir(tmp_path)
    with closing(SQLitePositions("p.db")) as store:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.save(CHAT, at(1))

    assert (tmp_path / "p.db").exists()


def test_a_tilde_is_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with closing(SQLitePositions("~/p.db")) as store:
        store.save(CHAT, at(1))

    assert (tmp_path / "p.db").exists()


@pytest.mark.parametrize("path", ["", "a\0b", None, 7])
def test_what_is_no_path_is_refused(path: Any) -> None:
    """At once, by a text that names it."""
    with pytest.raises(UsageError, match=r"^path=.* is no path: give the name of a file"):
        SQLitePositions(path)


@pytest.mark.parametrize("scope", ["\ud800", None, 7])
def test_what_is_no_scope_is_refused(scope: Any) -> None:
    """At once, by a text that names it."""
    with pytest.raises(UsageError, match=r"^scope=.* is no text that can be written"):
        SQLitePositions("p.db", scope=scope)


def test_scopes_share_a_file_and_nothing_else(path: Path) -> None:
    """The same subscription on two servers has two pasts; one that is forgotten leaves the other."""
    with closing(SQLitePositions(path, scope="a")) as one, closing(SQLitePositions(path, scope="b")) as other:
        one.save(CHAT, Bookmark({"a": Position("e", 1)}, 10))
        other.save(CHAT, Bookmark({"a": Position("e", 2)}, 20))
        assert one.load(CHAT) == Bookmark({"a": Position("e", 1)}, 10)
        one.forget(CHAT)

        assert one.load(CHAT) == Bookmark()
        assert other.load(CHAT) == Bookmark({"a": Position("e", 2)}, 20)


def test_only_the_owner_reads_what_is_made_here(path: Path) -> None:
    """Names of signed streams open doors: the file and the two beside it are for their owner."""
    with closing(SQLitePositions(path)) as store:
        store.save(CHAT, at(1))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == {"positions.db": 0o600, "positions.db-wal": 0o600, "positions.db-shm": 0o600}


def test_the_mode_of_a_file_that_is_there_is_kept(path: Path) -> None:
    """Who may read it was decided by whoever made it."""
    path.touch(0o640)
    path.chmod(0o640)
    with closing(SQLitePositions(path)) as store:
        store.save(CHAT, at(1))

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_its_repr_names_no_subscription(path: Path) -> None:
    """It tells the file and the scope."""
    assert repr(SQLitePositions(path)) == f"SQLitePositions('{path}')"
    assert repr(SQLitePositions(path, scope="b")) == f"SQLitePositions('{path}', scope='b')"


def test_a_failed_save_goes_with_the_next_one(path: Path) -> None:
    """It raises, yet loses nothing: the store knows it, and once the file can be written all of it is there."""
    with closing(SQLitePositions(path)) as store:
        store.save(CHAT, Bookmark({"a": Position("e", 1), "b": Position("e", 1)}, 10))
        with locked(path):
            with pytest.raises(
                PositionsFailed, match=r"cannot save positions in .*: another process has kept it locked"
            ):
                store.save(CHAT, at(2))
            with pytest.raises(PositionsFailed):
                store.save(CHAT, Bookmark({"c": Position("e", 9)}, 20))
            with pytest.raises(PositionsFailed):
                store.save(NEWS, at(5))
            assert store.load(CHAT) == Bookmark(
                {"a": Position("e", 2), "b": Position("e", 1), "c": Position("e", 9)}, 20
            )
        store.save(NEWS, at(6))
        # Seen by another one before this one is closed: it is in the file.
        with closing(SQLitePositions(path)) as other:
            assert other.load(CHAT) == store.load(CHAT)
            assert other.load(NEWS) == at(6)


def test_what_failed_is_written_once(path: Path) -> None:
    """A later save of another process is not overwritten by one that was caught up already."""
    with closing(SQLitePositions(path)) as store, closing(SQLitePositions(path)) as other:
        store.load(CHAT)
        with locked(path), pytest.raises(PositionsFailed):
            store.save(CHAT, at(1))
        store.save(NEWS, at(1))
        other.save(CHAT, at(2))
        store.save(NEWS, at(2))

        assert store.load(CHAT) == at(2)


def test_a_failed_forget_goes_with_the_next_save(path: Path) -> None:
    """What was forgotten stays so, and what is saved after it stays too."""
    with closing(SQLitePositions(path)) as store:
        store.save(CHAT, Bookmark({"a": Position("e", 1), "b": Position("e", 1)}, 10))
        with locked(path):
            with pytest.raises(PositionsFailed, match=r"cannot forget positions"):
                store.forget(CHAT)
            assert store.load(CHAT) == Bookmark()
            with pytest.raises(PositionsFailed):
                store.save(CHAT, at(7))
            assert store.load(CHAT) == at(7)
        store.save(NEWS, at(1))

        with closing(SQLitePositions(path)) as other:
            assert other.load(CHAT) == at(7)


def test_closing_writes_what_is_missing(path: Path) -> None:
    """A program that ends after a failure has not lost its place."""
    store = SQLitePositions(path)
    store.load(CHAT)
    with locked(path), pytest.raises(PositionsFailed):
        store.save(CHAT, at(1))
    store.close()

    with closing(SQLitePositions(path)) as other:
        assert other.load(CHAT) == at(1)


def test_closing_says_what_is_lost(path: Path) -> None:
    """It closes all the same; a store that is used again knows what the file knows."""
    store = SQLitePositions(path)
    store.save(CHAT, at(1))
    with locked(path):
        with pytest.raises(PositionsFailed):
            store.save(CHAT, at(2))
        with pytest.raises(PositionsFailed, match=r"cannot close positions in"):
            store.close()

    assert store.load(CHAT) == at(1)
    store.close()


def test_what_cannot_be_written_spoils_nothing(path: Path) -> None:
    """An identifier with half a character is refused, and the next save is as good as ever."""
    with closing(SQLitePositions(path)) as store:
        for refused in (
            lambda: store.save("\ud800", at(1)),
            *(partial(one, "\ud800") for one in (store.load, store.forget)),
        ):
            with pytest.raises(InvalidIdentifier, match=r"surrogates not allowed"):
                refused()
        store.save(CHAT, at(1))

        assert store.load(CHAT) == at(1)


@pytest.mark.parametrize(
    "statement",
    ['UPDATE positions SET "offset" = -1', "UPDATE positions SET epoch = x'00'", "UPDATE starts SET since = 'soon'"],
)
def test_what_is_no_position_is_told(path: Path, statement: str) -> None:
    """Somebody wrote into the file by hand."""
    with closing(SQLitePositions(path)) as store:
        store.save(CHAT, Bookmark({"a": Position("e", 1)}, 10))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(statement)

        with pytest.raises(PositionsFailed, match=r"it holds what is no position \(.*\). Give another path"):
            store.load(CHAT)


def test_it_may_be_used_from_another_thread(path: Path) -> None:
    """The client for threads makes it in one and uses it in another."""
    store = SQLitePositions(path)
    store.save(CHAT, at(1))
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(store.save, CHAT, at(2)).result()
        assert elsewhere.submit(store.load, CHAT).result() == at(2)
        elsewhere.submit(store.close).result()


def test_two_threads_may_share_it(path: Path) -> None:
    """Two cables for threads have a thread each; what each saved last is there."""
    store = SQLitePositions(path)
    together = threading.Barrier(2)

    def work(name: str) -> None:
        together.wait()
        for offset in range(1, 301):
            store.save(name, Bookmark({"a": Position("e", offset), "b": Position("e", offset)}))

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(work, name) for name in (CHAT, NEWS)]:
            done.result()

    expected = Bookmark({"a": Position("e", 300), "b": Position("e", 300)})
    assert [store.load(CHAT), store.load(NEWS)] == [expected, expected]
    store.close()


WRITER = """
import sys
from cableway import Bookmark, Position, SQLitePositions
path, scope, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
store = SQLitePositions(path, scope=scope)
for offset in range(1, count + 1):
    store.save("x", Bookmark({"a": Position("e", offset)}, offset))
store.close()
"""


def test_two_processes_share_a_file(path: Path) -> None:
    """They make it at the same moment and write as fast as they can, and neither fails nor loses anything."""
    commands = [[sys.executable, "-c", WRITER, str(path), scope, "1500"] for scope in ("a", "b")]
    pipe = subprocess.PIPE
    writers = [subprocess.Popen(one, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for one in commands]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()

    assert [(writer.communicate(timeout=50)[1], writer.returncode) for writer in writers] == [("", 0), ("", 0)]
    for scope in ("a", "b"):
        with closing(SQLitePositions(path, scope=scope)) as store:
            assert store.load("x") == Bookmark({"a": Position("e", 1500)}, 1500)


FORKED = """
import os, sys
from cableway import Bookmark, Position, SQLitePositions, WrongLoop
store, unused, closed = (SQLitePositions(sys.argv[1]) for _ in range(3))
closed.save("x", Bookmark())
closed.load("x")
closed.close()
store.save("x", Bookmark({"a": Position("e", 1)}))
child = os.fork()
if not child:
    for call in (lambda: store.load("x"), lambda: store.save("x", Bookmark()), lambda: store.forget("x"), store.close):
        try:
            call()
        except WrongLoop as error:
            print("refused" if "forked: make a new one in each process" in str(error) else error, flush=True)
    unused.save("x", Bookmark({"b": Position("e", 2)}))
    closed.save("x", Bookmark({"d": Position("e", 4)}))
    os._exit(0)
os.waitpid(child, 0)
store.save("x", Bookmark({"c": Position("e", 3)}))
print(sorted(store.load("x").streams))
store.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_after_a_fork_it_is_refused(path: Path) -> None:
    """The child is told so, and may use one that the parent had closed or not used yet; the parent goes on."""
    assert run(FORKED, path).split("\n") == ["refused"] * 4 + ["['a', 'b', 'c', 'd']"]


def test_importing_the_package_and_the_client_does_not_load_sqlite(path: Path) -> None:
    """Who keeps no positions in a file pays nothing for it."""
    code = "import sys, cableway; cableway.Cable; cableway.MemoryPositions(); print('sqlite3' in sys.modules)"
    assert run(code) == "False"
