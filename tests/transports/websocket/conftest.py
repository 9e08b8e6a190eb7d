"""What the tests of WebSocket lines share."""

from __future__ import annotations

import asyncio
import os

import pytest
import trustme

from tests.transports.websocket.peers import Recorder


@pytest.fixture(autouse=True, scope="session")
def no_stray_loop() -> None:
    """Say that no loop is set: asked before that, Python 3.11 makes one, which nobody closes.

    The virtual clock's plugin asks in each test, and the warning about the loop would hit some later test.
    """
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def no_environment_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no proxy of the machine that runs the tests come in between."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
async def sink() -> Recorder:
    """A sink that keeps what it is given."""
    return Recorder()
