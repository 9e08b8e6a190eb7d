"""What the tests of lines by long polling share."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from tests.transports.websocket.peers import Recorder


@pytest.fixture(autouse=True, scope="session")
def no_stray_loop() -> None:
    """Say that no loop is set: asked before that, Python 3.11 makes one, which nobody closes."""
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def no_environment_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no proxy of the machine that runs the tests come in between."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def unused_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def sink() -> Recorder:
    """A sink that keeps what it is given."""
    return Recorder()
