"""``--app`` finds channels, or says why not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from cableway.cli.applications import load_application
from cableway.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
from cableway.gateway import Channel, Connection

class AChannel(Channel): pass
class BChannel(Channel): pass
class Door(Connection): pass
class OtherDoor(Connection): pass

class Names:
    inner = BChannel

ALL = [AChannel, BChannel, Door]
DOORS = (Door, OtherDoor)
NUMBER = 7
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put modules where the program would find them."""
    (tmp_path / "fleet_app.py").write_text(MODULE)
    (tmp_path / "one_door.py").write_text(MODULE.replace("class OtherDoor(Connection): pass", "OtherDoor = Door"))
    (tmp_path / "broken_app.py").write_text("raise RuntimeError('half\\ndone')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    for name in ("fleet_app", "one_door", "broken_app"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize(
    ("names", "channels", "connection"),
    [
        (["fleet_app:AChannel"], ["AChannel"], None),
        (["fleet_app:AChannel", "fleet_app:BChannel", "fleet_app:AChannel"], ["AChannel", "BChannel"], None),
        (["fleet_app:ALL"], ["AChannel", "BChannel"], "Door"),
        (["fleet_app:Names.inner", "fleet_app:Door"], ["BChannel"], "Door"),
        (["one_door"], ["AChannel", "BChannel"], "Door"),
        ([], [], None),
    ],
)
def test_classes_are_found(names: list[str], channels: list[str], connection: str | None) -> None:
    """By their name, in a list, within a class, or all of a module; each once."""
    application = load_application(names)

    assert [channel.__name__ for channel in application.channels] == channels
    assert (application.connection.__name__ if application.connection else None) == connection


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_app:X", "No module named"),
        (":X", "module:object"),
        ("broken_app", "RuntimeError: half done"),
        ("fleet_app:Missing", "no Missing"),
        ("fleet_app:NUMBER", "neither a channel class"),
        ("fleet_app:Names", "neither a channel class"),
        ("fleet_app:DOORS", "second connection class"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(name: str, why: str) -> None:
    """The text names what was asked for and what is wrong with it."""
    with pytest.raises(UsageError, match=why) as caught:
        load_application([name])

    assert "\n" not in str(caught.value)
