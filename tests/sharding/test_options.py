"""Options of the cables of all shards."""

from __future__ import annotations

import pytest

from cableway import UsageError
from cableway.policies.monitors import PersistentMonitor
from cableway.sharding.options import CableOptions


def test_what_can_be_shared_is_shared() -> None:
    """Headers and the like are the same objects for each cable."""
    headers = {"Cookie": "a=b"}
    options = CableOptions({"headers": headers})

    assert options.make() == options.make() == {"headers": headers}
    assert options.make()["headers"] is headers


@pytest.mark.parametrize("factory", [PersistentMonitor, lambda: PersistentMonitor(grace=1)])
def test_each_cable_has_a_monitor_of_its_own(factory: object) -> None:
    """A class, or any function that makes one, is asked once a cable."""
    options = CableOptions({"monitor": factory})
    one, other = options.make()["monitor"], options.make()["monitor"]

    assert isinstance(one, PersistentMonitor)
    assert isinstance(other, PersistentMonitor)
    assert one is not other


def test_no_monitor_is_no_monitor() -> None:
    """None stays for the cable to understand."""
    assert CableOptions({"monitor": None}).make() == {"monitor": None}


def test_one_monitor_for_all_is_refused() -> None:
    """An instance is refused with the way out, also where a function hides it."""
    monitor = PersistentMonitor()
    with pytest.raises(UsageError, match=r"PersistentMonitor\(\.\.\.\) watches one cable.*monitor=lambda: "):
        CableOptions({"monitor": monitor})
    options = CableOptions({"monitor": lambda: monitor})
    options.make()
    with pytest.raises(UsageError, match="returned one monitor twice"):
        options.make()


def test_what_is_no_monitor_is_refused() -> None:
    """A function that makes something else is told so."""
    with pytest.raises(UsageError, match="returned 7, which is no Monitor"):
        CableOptions({"monitor": lambda: 7}).make()
