"""Positions in a file against positions in memory, with failures, restarts and kills in between."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cableway import Bookmark, MemoryPositions, Position, PositionsFailed, SQLitePositions
from cableway.positions import database

texts = st.sampled_from(["", "a", "b", "ß🚠", "a\0"]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
positions = st.builds(Position, texts, st.integers(0, 2**63 - 1))
bookmarks = st.builds(Bookmark, st.dictionaries(texts, positions, max_size=3), st.none() | st.integers(1, 2**63 - 1))
scopes = st.sampled_from(["", "other"])


def copied(store: MemoryPositions) -> MemoryPositions:
    """Return another one that knows the same."""
    other = MemoryPositions()
    other._kept = dict(store._kept)
    return other


class Files(RuleBasedStateMachine):
    """Two scopes in one file. Each has what its store knows, and what the file knows after a kill."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "p.db"
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(database, "PATIENCE", 0.0)
        self.stores = {scope: SQLitePositions(self.path, scope=scope) for scope in ("", "other")}
        self.known = {scope: MemoryPositions() for scope in self.stores}
        self.written = {scope: MemoryPositions() for scope in self.stores}
        for store in self.stores.values():
            store.load("")
        self.killed: list[SQLitePositions] = []
        self.lock: sqlite3.Connection | None = None

    @rule(scope=scopes, subscription=texts, bookmark=bookmarks)
    def save(self, scope: str, subscription: str, bookmark: Bookmark) -> None:
        """Save, which fails while the file is locked."""
        self.known[scope].save(subscription, bookmark)
        self.attempt(scope, lambda: self.stores[scope].save(subscription, bookmark))

    @rule(scope=scopes, subscription=texts)
    def forget(self, scope: str, subscription: str) -> None:
        """Forget, which fails while the file is locked."""
        self.known[scope].forget(subscription)
        self.attempt(scope, lambda: self.stores[scope].forget(subscription))

    def attempt(self, scope: str, call: Any) -> None:
        """Write; when that went well the file knows all."""
        if self.lock is not None:
            with suppress(PositionsFailed):
                call()
                self.written[scope] = copied(self.known[scope])
        else:
            call()
            self.written[scope] = copied(self.known[scope])

    @precondition(lambda self: self.lock is None)
    @rule()
    def begin_lock(self) -> None:
        """Let another process hang in the middle of a write."""
        self.lock = sqlite3.connect(self.path, isolation_level=None)
        self.lock.execute("BEGIN IMMEDIATE")

    @precondition(lambda self: self.lock is not None)
    @rule()
    def end_lock(self) -> None:
        """Let it go on."""
        assert self.lock is not None
        self.lock.close()
        self.lock = None

    @precondition(lambda self: self.lock is None)
    @rule(scope=scopes)
    def close(self, scope: str) -> None:
        """Close a store, which writes what is missing, and use it again."""
        self.stores[scope].close()
        self.written[scope] = copied(self.known[scope])

    @precondition(lambda self: self.lock is None)
    @rule(scope=scopes)
    def kill(self, scope: str) -> None:
        """Go on with a new store, as after a kill: what the old one had not written is lost."""
        self.killed.append(self.stores[scope])
        self.stores[scope] = SQLitePositions(self.path, scope=scope)
        self.known[scope] = copied(self.written[scope])

    @invariant()
    def they_know_the_same(self) -> None:
        """Each store knows what the plain one knows, and nothing of the other scope."""
        for scope, store in self.stores.items():
            if store._database._connection is None and self.lock is not None:
                continue  # It cannot be opened now.
            for subscription in {"", "a", "b", *self.known[scope]._kept}:
                assert store.load(subscription) == self.known[scope].load(subscription)

    def teardown(self) -> None:
        """Close all."""
        if self.lock is not None:
            self.lock.close()
        for store in self.stores.values():
            store.close()
        for store in self.killed:
            with suppress(PositionsFailed):
                store._database.close()
        self.patch.undo()
        shutil.rmtree(self.folder)


TestFiles = Files.TestCase
TestFiles.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
