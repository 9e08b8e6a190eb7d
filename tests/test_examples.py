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
    "on_demand.py": [
        "dormant",
        "needed for: positions",
        "up",
        "the server takes 3 positions",
        "dormant",
        "needed for: positions",
        "the server takes 3 positions",
        "needed for: a command",
        "the server takes 1 positions",
        "dormant",
    ],
    "own_backoff.py": ["dial 2 in", "dial 5 in", "given up after 5 failures; the last one: HostUnreachable"],
    "own_monitor.py": ["08:30 dormant", "09:30 connected", "17:30 dormant"],
    "presence.py": [
        "came: bob",
        "Bob is here",
        "still here: ['ann', 'bob']",
        "whispered: {'event': 'typing'}",
    ],
    "publish.py": ["order 7 is shipped"],
    "reconnect.py": ["news: before", "down:", "up again", "news: after"],
    "recovery.py": ["one", "two", "recovered: complete", "recovered: unknown", "loading all orders", "three"],
    "threads.py": ["news: it works from a thread, too"],
    "tokens.py": [
        "a token for 4 seconds",
        "news: 0",
        "none this time:",
        "a token for 4 seconds",
        "handed over",
        "refused by the server: 0",
    ],
    "typed_channel.py": ["the cellar has 11.5 degrees"],
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs_and_prints_what_it_promises(name: str) -> None:
    """Each example ends well, without a warning, and shows what it is about, in this order."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    place = 0
    for text in PRINTED[name]:
        place = done.stdout.find(text, place)
        assert place >= 0, f"{text!r} is not there, or too early:\n{done.stdout}"
        place += len(text)
