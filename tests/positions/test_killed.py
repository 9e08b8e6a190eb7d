"""A program that is killed in the middle of it knows, when it is started again, all that it had saved.

Ten kills by default; ``CABLEWAY_SOAK_SCALE=1`` (``make soak``) kills a hundred times.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cableway import SQLitePositions

if TYPE_CHECKING:
    from pathlib import Path

SCALE = float(os.environ.get("CABLEWAY_SOAK_SCALE", "0.1"))
KILLS = round(100 * SCALE)

# Saves as fast as it can, and says each number only after it was saved; both streams belong to one save.
WRITER = """
import os, sys
from cableway import Bookmark, Position, SQLitePositions
store = SQLitePositions(sys.argv[1])
offset = max((one.offset for one in store.load("x").streams.values()), default=0)
while True:
    offset += 1
    store.save("x", Bookmark({"a": Position("e", offset), "b": Position("e", offset)}))
    os.write(1, b"%d\\n" % offset)
"""


def killed_writer(path: Path, lines: int) -> int:
    """Start a writer, kill it after it has said at least *lines* numbers, and return the last one that it said."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        first = [int(writer.stdout.readline()) for _ in range(lines)]
        writer.kill()
        # The last line may be half a line.
        rest = writer.stdout.read().rpartition(b"\n")[0].split()
    return int(rest[-1]) if rest else first[-1]


@pytest.mark.soak
@pytest.mark.timeout(30 + 2 * KILLS)
def test_what_was_saved_outlives_a_kill(tmp_path: Path) -> None:
    """The file knows the last number that was said, at most the one in the making besides, and never half a save."""
    path, last = tmp_path / "p.db", 0
    for _ in range(KILLS):
        said = killed_writer(path, random.randint(1, 3000))
        with closing(SQLitePositions(path)) as store:
            streams = store.load("x").streams

        assert said <= streams["a"].offset <= said + 1
        assert streams["a"] == streams["b"]
        assert said > last
        last = said
