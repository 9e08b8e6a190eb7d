"""The example programs do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

PRINTED = {
    "chat.py": ["Bob hears: hi Bob"],
    "errors.py": ["turned away: unauthorized", "rejected:", "nobody there: True"],
    "latest_only.py": ["'bus', 'step': 99", "'tram', 'step': 99", "'ferry', 'step': 99"],
    "publish.py": ["order 7 is shipped"],
    "reconnect.py": ["news: before", "down:", "up again", "news: after"],
    "threads.py": ["news: it works from a thread, too"],
    "typed_channel.py": ["the cellar has 11.5 degrees"],
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs_and_prints_what_it_promises(name: str) -> None:
    """Each example ends well, without a warning, and shows what it is about, in this order."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    places = [done.stdout.find(text) for text in PRINTED[name]]
    assert -1 not in places, done.stdout
    assert places == sorted(places)
