"""What a cable was built with, and what it refuses."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from cableway import Cable, ConstantBackoff, ExponentialBackoff, MemoryTransport, PersistentMonitor, UsageError
from cableway.engine.gate import DialGate, default_gate
from cableway.engine.settings import Settings, checked_backoff
from cableway.host.watch import host_watch
from cableway.remote import RemotePolicy
from tests.scripted import URL


def built(**options: Any) -> Settings:
    """Return what a cable made of *options* was built with."""
    settings: Settings = Cable(URL, transports=[MemoryTransport()], **options)._engine.settings
    return settings


def test_the_defaults_are_those_of_the_documentation() -> None:
    """Persistent, exponential, one gate for the process, thirty seconds to open."""
    settings = built()
    assert isinstance(settings.monitor, PersistentMonitor)
    assert settings.backoff == ExponentialBackoff()
    assert settings.dial_gate is default_gate()
    assert (settings.gate, settings.policy, settings.watch) == (None, None, host_watch)
    assert (settings.open_timeout, settings.write_timeout, settings.welcome_timeout) == (30.0, 10.0, 10.0)
    assert settings.max_command_size == 65536


def test_a_monitor_of_one_cable_is_not_that_of_another() -> None:
    """Each default one is made anew."""
    assert built().monitor is not built().monitor


@pytest.mark.parametrize("value", [5, "x", object()])
@pytest.mark.parametrize("name", ["gate", "dial_gate", "policy", "backoff"])
def test_what_is_not_of_its_kind_is_refused(name: str, value: Any) -> None:
    """At once, with the argument's name; it would fail at the first dial, or never."""
    with pytest.raises(UsageError, match=f"^{name}="):
        built(**{name: value})


def test_what_is_of_its_kind_is_taken() -> None:
    """Also what only looks like it: a backoff is whatever has a delay, a gate whatever can be called."""

    class Own:
        def delay(self, failures: int, random: Any) -> float:
            return 1.0

    gate, policy = DialGate(1, 1), RemotePolicy("https://example.com/policy")
    settings = built(backoff=Own(), gate=bool, dial_gate=gate, policy=policy)
    assert (settings.gate, settings.dial_gate, settings.policy) == (bool, gate, policy)
    assert checked_backoff(ConstantBackoff(3)) == ConstantBackoff(3)


def test_settings_do_not_change() -> None:
    """What may change while a cable runs is kept elsewhere."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        built().open_timeout = 1.0  # type: ignore[misc]
