"""How soon the next poll follows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cableway import Pace, UsageError
from cableway.transports.polling.pace import PACES, pace_of


def test_it_grows_while_nothing_comes() -> None:
    """From the time to react, by doubling, up to the longest pause; however long that goes on."""
    pace = Pace(reaction=0.05, longest_pause=1)
    assert [pace.pause(count) for count in (0, 1, 2, 3, 4, 5, 6, 10_000)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1, 1, 1]


def test_ready_made_ones_differ_in_what_they_cost() -> None:
    """The sparing one asks most seldom, the prompt one most often."""
    pauses = [PACES[name].pause(100) for name in ("prompt", "balanced", "sparing")]
    assert pauses == sorted(set(pauses))
    assert pace_of("balanced") == Pace()


def test_durations_may_be_timedeltas() -> None:
    """As everywhere."""
    assert pace_of(Pace(gather=timedelta(seconds=2))).gather == 2.0


@pytest.mark.parametrize("pace", ["slow", "", None, 1.0, Pace])
def test_unknown_names_are_refused_with_the_choice(pace: Any) -> None:
    """The text names all there are."""
    with pytest.raises(UsageError, match="'prompt', 'balanced', 'sparing', or a Pace"):
        pace_of(pace)


def test_one_that_never_rests_is_refused() -> None:
    """A server that answers at once would be asked in a loop."""
    with pytest.raises(UsageError, match="longest_pause=0 would ask in a loop"):
        Pace(longest_pause=0)
    with pytest.raises(ValueError, match="duration of Pace"):
        Pace(gather=-1)
