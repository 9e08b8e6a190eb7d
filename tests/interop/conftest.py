"""The peers as fixtures. A missing one skips its tests, or fails them if ``CABLEWAY_REQUIRE_PEERS`` is set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers import node as node_peer
from tests.interop.peers import rails as rails_peer

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
# Real peers take real time: npm may have to install, Ruby to boot on a busy machine.
SECONDS = 240


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.interop)
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def rails_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rails_peer.Rails]:
    """One Action Cable server for all tests."""
    yield from rails_peer.running(tmp_path_factory.mktemp("rails"))


@pytest.fixture
def rails(rails_server: rails_peer.Rails) -> Iterator[rails_peer.Rails]:
    """A running Action Cable server; what it logs is shown with a failure."""
    # A test that failed may have left it frozen.
    rails_server.server.thaw()
    rails_server.start()
    before = len(rails_server.server.logged())
    yield rails_server
    print("The log of the Action Cable server:", rails_server.server.logged(before), sep="\n")  # noqa: T201


@pytest.fixture(scope="session")
def anycable_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[anycable_peer.AnyCable]:
    """One AnyCable server for all tests."""
    yield from anycable_peer.running(tmp_path_factory.mktemp("anycable"))


@pytest.fixture
def anycable(anycable_server: anycable_peer.AnyCable) -> Iterator[anycable_peer.AnyCable]:
    """A running AnyCable server; what it logs is shown with a failure."""
    anycable_server.server.thaw()
    anycable_server.start()
    before = len(anycable_server.server.logged())
    yield anycable_server
    print("The log of the AnyCable server:", anycable_server.server.logged(before), sep="\n")  # noqa: T201


@pytest.fixture
def telling_anycable(tmp_path: Path) -> Iterator[anycable_peer.AnyCable]:
    """An AnyCable server of the test's own, which logs each command and how each line ends."""
    yield from anycable_peer.running(tmp_path, "--debug")


@pytest.fixture(scope="session")
def node() -> None:
    """The JavaScript clients are installed."""
    node_peer.demand_node()
