"""What all tests share: seeded randomness, and a network that ends at this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import random
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# In CI the same examples in each run; on a developer's machine new ones, and time to shrink what they find.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_sessionstart() -> None:
    """Keep looptime from opening an event loop for plain tests that nobody would close."""
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def seed() -> None:
    """Make each test's randomness the same in each run."""
    random.seed(20_111)


@pytest.fixture(autouse=True, scope="session")
def no_far_network() -> Iterator[None]:
    """Fail any connection that would leave this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _near_only(getattr(socket.socket, name)))
        yield


def _near_only(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        # Connecting a datagram socket sends nothing: it asks which way out there is.
        far = self.type != socket.SOCK_DGRAM and self.family in (socket.AF_INET, socket.AF_INET6)
        if far and not _is_near(address[0]):
            msg = f"a test tried to leave this machine: {address}"
            raise AssertionError(msg)
        return connect(self, address)

    return guarded


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
