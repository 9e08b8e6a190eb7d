"""Tables of transitions."""

from __future__ import annotations

from enum import Enum

import pytest

from cableway.transitions import Transition, UnexpectedEvent, look_up, to


class Light(Enum):
    """A state."""

    RED = "red"
    GREEN = "green"


class Push(Enum):
    """An event."""

    BUTTON = "button"


class Sound(Enum):
    """An action."""

    CLICK = "click"
    BEEP = "beep"


TABLE = {(Light.RED, Push.BUTTON): to(Light.GREEN, Sound.CLICK, Sound.BEEP)}


def test_a_cell_tells_where_to_go_and_what_to_do() -> None:
    """Actions keep their order."""
    assert look_up(TABLE, Light.RED, Push.BUTTON) == Transition(Light.GREEN, (Sound.CLICK, Sound.BEEP))
    assert to(Light.RED) == Transition(Light.RED, ())


def test_a_hole_names_both() -> None:
    """It is a lookup error with the pair as fields, and no chain of causes to wade through."""
    with pytest.raises(UnexpectedEvent, match=r"^no transition from Light.GREEN on Push.BUTTON$") as raised:
        look_up(TABLE, Light.GREEN, Push.BUTTON)
    assert (raised.value.state, raised.value.event) == (Light.GREEN, Push.BUTTON)
    assert isinstance(raised.value, LookupError)
    assert raised.value.__suppress_context__
