"""A line that is always up, and how it is found dead."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from cableway.policies.monitors import Check, LineFacts, Look, PersistentMonitor
from cableway.policies.monitors.persistent import UNKNOWN_BEAT_LIMIT

ASKED = LineFacts(probes=True)
MUTE = LineFacts(probes=False)


def beats(monitor: PersistentMonitor, *times: float) -> None:
    """Let beats come at these times."""
    for time in times:
        monitor.heard(time)
        monitor.pinged(time)


def up(facts: LineFacts, *times: float, monitor: PersistentMonitor | None = None) -> PersistentMonitor:
    """Bring a line up at 0, and let beats come."""
    monitor = monitor or PersistentMonitor()
    monitor.line_up(facts, 0.0)
    beats(monitor, *times)
    return monitor


def test_without_a_line_it_is_wanted_and_there_is_nothing_to_watch() -> None:
    """Before the first line and after the last one, the line is wanted and no time is due."""
    monitor = PersistentMonitor()
    assert monitor.look(1e6) == Look(up=True)
    assert monitor.dials_at_once
    up(MUTE, 3.0, monitor=monitor)
    monitor.line_down(4.0)
    assert monitor.look(1e6) == Look(up=True)


def test_a_mute_server_is_dead_after_the_limit() -> None:
    """Two missed beats and the grace are the limit; the look before tells when that is."""
    monitor = up(MUTE, 3.0, 6.0)
    assert monitor.beat == 3.0
    assert monitor.limit == 9.0
    assert monitor.look(14.9) == Look(up=True, check=Check.FINE, again=15.0)
    assert monitor.look(15.0) == Look(up=True, check=Check.DEAD)


def test_any_frame_is_life() -> None:
    """What is heard moves the limit, whether it is a beat or not; what was heard before does not move it back."""
    monitor = up(MUTE, 3.0, 6.0)
    monitor.heard(14.0)
    monitor.heard(10.0)
    assert monitor.look(15.0).again == 23.0


def test_a_server_that_can_be_asked_is_asked_once_before_the_verdict() -> None:
    """Doubt leads to one probe; an answer ends it, and silence is the verdict."""
    monitor = up(ASKED, 3.0, 6.0)
    assert monitor.look(15.0) == Look(up=True, check=Check.PROBE, again=20.0)
    assert monitor.look(16.0) == Look(up=True, check=Check.FINE, again=20.0)
    monitor.heard(17.0)
    assert monitor.look(17.0) == Look(up=True, check=Check.FINE, again=26.0)
    assert monitor.look(26.0).check is Check.PROBE
    assert monitor.look(30.9).check is Check.FINE
    assert monitor.look(31.0) == Look(up=True, check=Check.DEAD)


@pytest.mark.parametrize("beat", [1.0, 3.0, 10.0, 30.0])
@pytest.mark.parametrize("asked", [None, 1, 3, 60])
def test_no_living_server_is_taken_for_dead(beat: float, asked: int | None) -> None:
    """Whatever was asked for, a server that beats by its own interval, its first beat half as late again, is alive."""
    random = Random(3)
    monitor = PersistentMonitor(beat=asked)
    monitor.line_up(MUTE, 0.0)
    now = 0.0
    for count in range(300):
        now += 1.5 * beat if count == 0 else beat * random.uniform(0.8, 1.2)
        assert monitor.look(now).check is Check.FINE
        beats(monitor, now)


def test_each_line_teaches_its_own_beat() -> None:
    """A server that now beats every 30 s is not found dead by the 3 s of the line before."""
    monitor = up(MUTE, 3.0, 6.0)
    monitor.line_down(7.0)
    monitor.line_up(MUTE, 8.0)
    assert monitor.beat is None
    assert monitor.look(8.0 + 45.0).check is Check.FINE
    beats(monitor, 53.0, 83.0)
    assert monitor.limit == 63.0


def test_beats_in_a_heap_teach_nothing() -> None:
    """Beats that waited in a buffer and are read at once do not shrink the limit."""
    monitor = up(MUTE, 30.0, 30.0, 30.001, 30.01)
    assert monitor.beat is None
    assert monitor.limit == UNKNOWN_BEAT_LIMIT == 48.0
    beats(monitor, 60.01, 60.02, 90.0)
    assert monitor.beat == pytest.approx(30.0, abs=0.1)


def test_a_late_beat_widens_at_once_and_an_early_one_narrows_slowly() -> None:
    """The longest gap counts in full, a shorter one by a quarter."""
    monitor = up(MUTE, 10.0, 14.0, 24.0)
    assert monitor.beat == 10.0
    beats(monitor, 28.0)
    assert monitor.beat == 8.5


def test_a_beat_can_be_asked_for() -> None:
    """The beat is asked for in whole seconds as pi, and widens the limit before the server has shown it."""
    monitor = PersistentMonitor(beat=timedelta(minutes=1))
    assert dict(monitor.params) == {"pi": "60"}
    assert monitor.limit == 123.0
    assert dict(PersistentMonitor().params) == {}
    assert PersistentMonitor(beat=60, missed_beats=1).limit == 93.0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"missed_beats": 0.9}, "missed_beats=0.9"),
        ({"missed_beats": float("nan")}, "missed_beats=nan"),
        ({"missed_beats": float("inf")}, "missed_beats=inf"),
        ({"beat": 0}, "beat=0"),
        ({"beat": 2.5}, "beat=2.5"),
        ({"grace": -1}, "grace=-1"),
        ({"probe_timeout": float("inf")}, "probe_timeout=inf"),
    ],
)
def test_values_out_of_range_are_named(options: dict[str, float], text: str) -> None:
    """What cannot be meant is refused, by its name and value."""
    with pytest.raises(ValueError, match=text):
        PersistentMonitor(**options)


def test_a_suspected_line_is_probed_at_once() -> None:
    """After a change of network the server is asked at once, and an answer clears the suspicion."""
    monitor = up(ASKED, 3.0, 6.0)
    monitor.suspect(7.0)
    monitor.heard(6.5)
    assert monitor.look(7.0) == Look(up=True, check=Check.PROBE, again=12.0)
    monitor.suspect(9.0)
    assert monitor.look(9.0) == Look(up=True, check=Check.FINE, again=12.0)
    monitor.heard(9.5)
    assert monitor.look(9.5) == Look(up=True, check=Check.FINE, again=18.5)


@pytest.mark.parametrize(
    ("monitor", "times", "verdict"),
    [
        (PersistentMonitor(), (), 13.0),
        (PersistentMonitor(), (1.0, 6.0), 15.0),
        (PersistentMonitor(beat=30), (), 40.0),
    ],
)
def test_a_suspected_line_that_cannot_be_asked_has_one_beat(
    monitor: PersistentMonitor, times: tuple[float, ...], verdict: float
) -> None:
    """Without a probe the next beat decides: the learned one, else the one asked for, else the usual 3 s."""
    up(MUTE, *times, monitor=monitor)
    monitor.suspect(7.0)
    assert monitor.look(7.0) == Look(up=True, check=Check.FINE, again=verdict)
    assert monitor.look(verdict).check is Check.DEAD
    monitor.heard(verdict)
    assert monitor.look(verdict).check is Check.FINE


def test_a_question_that_has_to_wait_is_given_the_time() -> None:
    """As is the beat of a server that cannot be asked."""
    monitor = up(LineFacts(probes=True, slack=15))
    monitor.suspect(7.0)
    assert monitor.look(7.0) == Look(up=True, check=Check.PROBE, again=27.0)
    assert monitor.look(26.9).check is Check.FINE
    assert monitor.look(27.0).check is Check.DEAD
    mute = up(LineFacts(probes=False, slack=15))
    mute.suspect(7.0)
    assert mute.look(7.0).again == 28.0


def test_suspicion_never_lengthens_the_limit() -> None:
    """A network that changes every second does not put the verdict off."""
    monitor = up(MUTE, 3.0, 6.0)
    for second in range(7, 15):
        monitor.suspect(float(second))
    assert monitor.look(14.9).again == 15.0
    assert monitor.look(15.0).check is Check.DEAD


def test_a_long_sleep_is_the_end_of_a_line() -> None:
    """No server waits out a sleep longer than the limit; the next line begins without a shadow."""
    monitor = up(ASKED, 3.0, 6.0)
    monitor.suspect(7.0, slept=9.1)
    monitor.heard(7.5)
    assert monitor.look(7.5) == Look(up=True, check=Check.DEAD)
    monitor.line_down(7.5)
    monitor.line_up(ASKED, 8.0)
    assert monitor.look(8.0).check is Check.FINE


def test_a_short_sleep_is_asked_about_and_teaches_no_beat() -> None:
    """A sleep within the limit is followed by a probe, and the gap it tore is not learned."""
    monitor = up(ASKED, 3.0, 6.0)
    monitor.suspect(14.0, slept=8.0)
    assert monitor.look(14.0).check is Check.PROBE
    beats(monitor, 14.5)
    assert monitor.beat == 3.0


def test_a_suspicion_without_a_line_casts_no_shadow() -> None:
    """What happens between two lines does not concern the next."""
    monitor = PersistentMonitor()
    monitor.suspect(1.0, slept=1e6)
    assert monitor.look(1.0) == Look(up=True)
    monitor.line_up(ASKED, 2.0)
    assert monitor.look(2.0) == Look(up=True, again=50.0)
