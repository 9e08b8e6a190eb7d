"""Where each public name lives."""

from __future__ import annotations

from importlib import import_module

import cableway
from cableway.homes import HOMES


def test_every_public_name_has_a_home() -> None:
    """And nothing else has one."""
    assert set(HOMES) == set(cableway.__all__)


def test_each_is_at_home() -> None:
    """What is imported lazily is what its module defines."""
    assert [name for name, home in HOMES.items() if not hasattr(import_module(home), name)] == []
