"""Which transport carries the next line: rule by rule, and as a machine under anything that can happen."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cableway.errors import (
    CableError,
    ConnectError,
    ConnectTimeout,
    HandshakeCut,
    HandshakeRefused,
    HostUnreachable,
    LineClosed,
    LineStale,
    NotAWebSocket,
    NotOffered,
    ProxyFailure,
    ServerDisconnect,
    ServerSilent,
    SourceFailed,
    TLSFailure,
    TokenUnavailable,
    Unauthorized,
    UnsupportedProtocol,
    UsageError,
)
from cableway.policies.ladder import (
    ABSENT_FOR,
    DROPS,
    IN_VAIN,
    NETWORKS,
    SERVERS,
    Blame,
    Ladder,
    LadderTimes,
    blame,
)

URL = "ws://cable.example/cable"
NAMES = ("websocket", "long_polling", "event_stream")
HOME, OFFICE = "home", "office"

SILENT = ServerSilent(URL, 4.0, "the upgrade was not answered")
CUT = LineClosed(None, "")
ABSENT = NotOffered(URL, 404, {})
REFUSED = HostUnreachable(URL, "refused the connection")


def refusal(status: int) -> CableError:
    """Return the error for an answer with *status*."""
    return HandshakeRefused(URL, status, {})


def proxy(status: int | None) -> CableError:
    """Return the error for a proxy that answered with *status*."""
    return ProxyFailure(URL, "the proxy did not let us through", status=status)


def ladder(**times: float) -> Ladder:
    """Make one of three rungs, on a network that is known, that has not dialled yet."""
    made = Ladder(NAMES, LadderTimes(**times), Random(7))
    made.begin(HOME, 0.0)
    return made


def standing(rung: int, now: float = 10.0, **times: float) -> Ladder:
    """Make one whose line is up on *rung*."""
    made = ladder(**times)
    for _ in range(rung):
        made.failed(SILENT, now)
        made.begin(HOME, now)
    assert made.at == rung
    made.came_up(now)
    return made


# What a failure says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        SILENT,
        HandshakeCut(URL, "the connection was cut before the upgrade was answered"),
        NotAWebSocket(URL, "a web page came"),
        *map(refusal, (301, 302, 307, 400, 405, 426, 501, 505)),
        *map(proxy, (400, 403, 404, 405, 501)),
    ],
    ids=str,
)
def test_what_speaks_against_a_transport(error: CableError) -> None:
    """Silence, a cut, a page, a redirect; a server that sees no upgrade, a proxy that allows none."""
    assert blame(error) is Blame.TRANSPORT


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        HostUnreachable(URL, "the host name was not found"),
        ConnectTimeout(URL, 10.0, "the host was not reached"),
        TLSFailure(URL, "the certificate has expired"),
        *map(refusal, (401, 403, 404, 407, 408, 410, 429, 500, 502, 503, 504)),
        *map(proxy, (None, 407, 429, 500, 502, 503, 504)),
        Unauthorized("unauthorized"),
        ServerDisconnect("server_restart"),
        SourceFailed(URL, "headers", KeyError("x")),
        TokenUnavailable("a file", "it is empty"),
        UnsupportedProtocol(URL, None, ["actioncable-v1-json"]),
        ConnectError(URL, "something"),
    ],
    ids=str,
)
def test_what_says_nothing_about_a_transport(error: CableError) -> None:
    """The name, the port, TLS, load, and all that is about us."""
    assert blame(error) is Blame.NOTHING


def test_what_a_transport_cannot_do_with_what_was_given() -> None:
    """The others may: it is left out."""
    error = ConnectError(URL, "it cannot be used")
    error.__cause__ = UsageError("plain requests carry text alone")
    assert blame(error) is Blame.NOT_OFFERED


@pytest.mark.parametrize("status", [404, 405, 501])
def test_what_a_server_does_not_offer(status: int) -> None:
    """It says so where such a line begins."""
    assert blame(NotOffered(URL, status, {})) is Blame.NOT_OFFERED


# Down ----------------------------------------------------------------------------------------------------------------


def test_a_failure_of_the_transport_leads_down_and_round() -> None:
    """Below the last comes the first again, and each change has its reason."""
    made = ladder()
    went = []
    for _ in range(4):
        made.failed(SILENT, 0.0)
        went.append(made.begin(HOME, 0.0))
    assert went == [1, 2, 0, 1]


def test_the_reasons_of_a_way_down_are_told_together() -> None:
    """Each of those that were left, the last reason of each; and no old ones."""
    made = ladder()
    made.failed(SILENT, 0.0)
    assert made.why == "websocket: the upgrade was not answered within 4 s"
    made.failed(ABSENT, 0.0)
    long_polling = "long_polling: the server refused the upgrade with HTTP 404"
    assert made.why == f"websocket: the upgrade was not answered within 4 s; {long_polling}"
    made.failed(SILENT, 0.0)
    made.failed(refusal(426), 0.0)
    assert made.at == 2
    assert made.why == f"{long_polling}; websocket: the server refused the upgrade with HTTP 426"
    made.came_up(0.0)
    made.lost(CUT, 100.0, good=True)
    made.failed(SILENT, 101.0)
    assert made.why == "event_stream: the upgrade was not answered within 4 s"


def test_other_failures_change_nothing() -> None:
    """The first is dialled for ever while the port refuses."""
    made = ladder()
    for now in range(100):
        made.failed(REFUSED, now)
        assert made.begin(HOME, now) == 0


def test_a_lower_one_that_fails_otherwise_is_left_for_the_first() -> None:
    """What was learned may be over; going up is never a fallback."""
    made = standing(1)
    made.lost(CUT, 100.0, good=True)
    for failure in range(IN_VAIN):
        assert made.begin(HOME, 100.0 + failure) == 1
        made.failed(refusal(503), 100.0 + failure)
    assert made.begin(HOME, 110.0) == 0
    assert "tried 3 times" in made.why


def test_what_is_not_offered_is_left_out_for_an_hour() -> None:
    """And asked for again after it."""
    made = ladder()
    made.failed(SILENT, 0.0)
    made.failed(ABSENT, 1.0)
    assert made.at == 2
    made.failed(SILENT, 2.0)
    made.failed(SILENT, 3.0)
    assert made.at == 2
    made.failed(SILENT, ABSENT_FOR)
    made.failed(SILENT, ABSENT_FOR + 2)
    assert made.at == 1


def test_with_nowhere_to_go_it_stays() -> None:
    """A server that has WebSockets alone is dialled as if there were nothing else, with all the time."""
    made = ladder()
    made.failed(SILENT, 0.0)
    made.failed(ABSENT, 0.0)
    made.failed(ABSENT, 0.0)
    assert (made.at, made.limit(10.0, 0.0)) == (0, 10.0)
    made.failed(SILENT, 1.0)
    assert (made.at, made.limit(10.0, 1.0)) == (0, 10.0)
    lone = Ladder(["websocket"], LadderTimes(), Random(1))
    assert (lone.begin(HOME, 0.0), lone.limit(10.0, 0.0)) == (0, 10.0)
    lone.failed(SILENT, 0.0)
    lone.came_up(0.0)
    assert (lone.at, lone.probe_at) == (0, None)


def test_a_first_one_that_is_not_offered_is_no_place_to_go() -> None:
    """Of a list that begins with long polling, where the server has none."""
    made = Ladder(["long_polling", "event_stream"], LadderTimes(), Random(1))
    made.begin(HOME, 0.0)
    made.failed(ABSENT, 0.0)
    made.failed(SILENT, 1.0)
    assert made.at == 1
    made.failed(ABSENT, 2.0)
    assert made.at == 0


# Time ----------------------------------------------------------------------------------------------------------------


def test_a_black_hole_costs_seconds() -> None:
    """Each round over all of them doubles the time, up to that of any dial: some networks are just slow."""
    made = ladder(step_timeout=3.0)
    limits = []
    for _ in range(9):
        limits.append(made.limit(10.0, 0.0))
        made.failed(SILENT, 0.0)
    assert limits == [3.0] * 3 + [6.0] * 3 + [10.0] * 3
    made.came_up(0.0)
    assert made.limit(10.0, 0.0) == 3.0
    assert (made.limit(2.0, 0.0), made.probe_limit(10.0), made.probe_limit(1.0)) == (2.0, 3.0, 1.0)


def test_a_host_far_away_gets_more_time() -> None:
    """Not to be reached in the little time says nothing about the transport, and doubles the time."""
    made = ladder(step_timeout=3.0)
    limits = []
    for _ in range(3):
        limits.append(made.limit(10.0, 0.0))
        made.failed(ConnectTimeout(URL, limits[-1], "the host was not reached"), 0.0)
    assert (limits, made.at) == ([3.0, 6.0, 10.0], 0)


# Lines that do not last ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [CUT, LineClosed(1006, ""), LineStale(10.0)], ids=["cut", "1006", "stale"])
def test_lines_lost_young_speak_against_their_transport(error: CableError) -> None:
    """Three in a row: a way that cuts what it does not know."""
    made = ladder()
    for _ in range(DROPS):
        assert made.begin(HOME, 0.0) == 0
        made.came_up(0.0)
        made.lost(error, 5.0, good=False)
    assert made.begin(HOME, 6.0) == 1
    assert made.why == f"websocket: {DROPS} lines in a row did not last: {getattr(error, 'what', error)}"


def deafened() -> Ladder:
    """Make one whose last rung only listens."""
    made = Ladder(NAMES, LadderTimes(), Random(7), frozenset({2}))
    made.begin(HOME, 0.0)
    return made


def test_what_only_listens_is_the_last_resort() -> None:
    """A flaky network is no reason to go where nothing can be sent: only where no other one comes up."""
    made = deafened()
    for _ in range(DROPS):
        made.came_up(0.0)
        made.lost(CUT, 5.0, good=False)
    assert made.at == 1
    made.failed(ABSENT, 6.0)
    assert made.at == 0
    for _ in range(2 * DROPS):
        made.came_up(7.0)
        made.lost(CUT, 8.0, good=False)
    assert made.at == 0
    made.failed(SILENT, 9.0)
    assert made.at == 2


def test_another_server_without_it_is_no_reason_to_listen_only() -> None:
    """What sends is tried before, though it did not get through to the server before."""
    made = deafened()
    made.meet("one")
    made.failed(SILENT, 0.0)
    made.came_up(1.0)
    made.lost(CUT, 100.0, good=True)
    made.meet("other")
    made.begin(HOME, 101.0)
    made.failed(ABSENT, 102.0)
    assert made.at == 0
    made.meet("one")
    made.failed(SILENT, 103.0)
    assert made.at == 1
    made.meet("other")
    assert made.begin(HOME, 104.0) == 2


def test_the_last_resort_is_gone_to_once_all_others_are_blocked() -> None:
    """Or not offered; a line that came up in between makes it one again."""
    made = deafened()
    for expected in (1, 2, 0, 1, 2):
        made.failed(SILENT, 0.0)
        assert made.at == expected
    made.came_up(0.0)
    made.took_over(1, 50.0)
    made.lost(CUT, 51.0, good=False)
    assert made.at == 0


def test_a_good_line_between_forgets_the_others() -> None:
    """So do a server that sends us away, and lines that nobody needed any more."""
    made = ladder()
    for error, good in [(CUT, False), (CUT, False), (CUT, True), (CUT, False), (ServerDisconnect("restart"), False)]:
        made.came_up(0.0)
        made.lost(error, 5.0, good=good)
    made.lost(None, 5.0, good=True)
    made.lost(CUT, 6.0, good=False)
    made.lost(CUT, 7.0, good=False)
    assert made.begin(HOME, 8.0) == 0


def test_lines_cut_before_the_welcome_count_as_well() -> None:
    """A proxy that lets the upgrade pass, and nothing behind it."""
    made = ladder()
    for expected in (0, 0, 1):
        made.failed(CUT, 0.0)
        assert made.at == expected


def test_what_one_server_does_not_offer_another_one_may() -> None:
    """Of several addresses one may be of Rails, which has no polls, and another one of AnyCable."""
    made = ladder()
    made.meet("rails")
    made.failed(SILENT, 0.0)
    made.failed(ABSENT, 1.0)
    made.failed(ABSENT, 2.0)
    assert made.begin(HOME, 3.0) == 0
    made.meet("anycable")
    made.failed(SILENT, 4.0)
    assert made.begin(HOME, 5.0) == 1
    made.meet("rails")
    assert made.begin(HOME, 6.0) == 0
    assert made.why == "this server does not have long_polling"
    made.failed(SILENT, 7.0)
    assert made.begin(HOME, 8.0) == 0


def test_not_all_servers_are_remembered_for_ever() -> None:
    """A function may give a new address each time: the oldest is forgotten."""
    made = ladder()
    for number in range(SERVERS + 1):
        made.meet(number)
        made.failed(ABSENT, 0.0)
        made.took_over(0, 0.0)
    made.meet(0)
    made.took_over(1, 1.0)
    made.failed(SILENT, 1.0)
    assert made.at == 2
    made.took_over(1, 1.0)
    assert made.probe(1e6) == 0
    made.meet(1)
    made.took_over(1, 2.0)
    assert made.probe(3000.0) is None


# Memory --------------------------------------------------------------------------------------------------------------


def test_what_worked_is_remembered_for_a_while() -> None:
    """Counted from the end of a line beside which better ones were tried in vain; then they have their turn again."""
    made = standing(1, remember=600.0)
    made.probe_failed(0, SILENT, 9_500.0)
    made.lost(CUT, 10_000.0, good=True)
    assert made.begin(HOME, 10_599.0) == 1
    assert made.begin(HOME, 10_600.0) == 0
    assert "600 s old" in made.why


@pytest.mark.parametrize("gap", [20.0, 300.0])
def test_lines_too_short_for_a_try_do_not_prolong_it(gap: float) -> None:
    """However often they come, the best one has its turn again once it was not tried for a while."""
    made = standing(1, now=10.0, remember=600.0)
    now, dials = 10.0, []
    while now < 700.0:
        made.lost(None, now + 5.0, good=True)
        now += gap
        dials.append((now, made.begin(HOME, now)))
        made.came_up(now)
    assert all(rung == (1 if at < 610.0 else 0) for at, rung in dials)


def test_a_try_counts_for_the_line_beside_which_it_was() -> None:
    """The next line, too short for one, does not make what is remembered younger."""
    made = standing(1, remember=600.0)
    made.probe_failed(0, SILENT, 500.0)
    made.lost(CUT, 510.0, good=True)
    made.begin(HOME, 511.0)
    made.came_up(511.0)
    made.lost(CUT, 1000.0, good=True)
    assert made.begin(HOME, 1111.0) == 0


def test_what_failed_in_vain_is_forgotten_for_its_network() -> None:
    """Who leaves meanwhile and comes back begins with the best one."""
    made = standing(1)
    made.lost(CUT, 20.0, good=True)
    for _ in range(IN_VAIN):
        made.begin(HOME, 20.0)
        made.failed(REFUSED, 20.0)
    assert made.begin(OFFICE, 21.0) == 0
    assert made.begin(HOME, 22.0) == 0


def test_a_try_that_was_given_up_proves_nothing() -> None:
    """For a fresh token, say: what is remembered grows no younger by that."""
    made = standing(1, remember=600.0)
    made.probe_failed(0, None, 500.0)
    made.lost(CUT, 600.0, good=True)
    assert made.begin(HOME, 611.0) == 0


def test_each_network_has_its_own_memory() -> None:
    """What is blocked in the office is tried first at home."""
    made = standing(1)
    made.lost(CUT, 20.0, good=True)
    assert made.begin(OFFICE, 30.0) == 0
    made.came_up(30.0)
    made.lost(CUT, 40.0, good=True)
    assert made.begin(HOME, 50.0) == 1
    assert made.why == "the network is another one"


def test_what_failed_since_is_not_remembered() -> None:
    """On the way down memory does not lead back to what just failed."""
    made = standing(1)
    made.lost(CUT, 20.0, good=True)
    made.begin(HOME, 20.0)
    made.failed(SILENT, 24.0)
    assert made.begin(HOME, 25.0) == 2
    made.begin(OFFICE, 26.0)
    assert made.begin(HOME, 27.0) == 0


def test_not_all_networks_are_remembered_for_ever() -> None:
    """A van meets many: the oldest is forgotten."""
    made = ladder()
    for number in range(3 * NETWORKS):
        made.begin(number, number)
        made.failed(SILENT, number)
        made.came_up(number)
        made.lost(CUT, number, good=True)
    assert [made.begin(number, 100.0) for number in (0, 2 * NETWORKS - 1, 3 * NETWORKS - 1)] == [0, 0, 1]


# Up ------------------------------------------------------------------------------------------------------------------


def test_a_server_that_asks_to_be_left_alone_is_for_as_long() -> None:
    """Where it names less than the pace of the tries, that counts."""
    made = standing(1)
    made.probe_failed(0, refusal(503), 10.0, not_before=500.0)
    assert made.probe_at == 510.0
    made.probe_failed(0, refusal(503), 10.0, not_before=1.0)
    assert made.probe_at is not None
    assert made.probe_at > 60.0


def waits(made: Ladder, count: int) -> list[float]:
    """Let *count* tries fail, and return the seconds before each."""
    now, found = 10.0, []
    for _ in range(count):
        assert made.probe_at is not None
        found.append(made.probe_at - now)
        now = made.probe_at
        rung = made.probe(now)
        assert rung is not None
        made.probe_failed(rung, SILENT, now)
    return found


def test_better_ones_are_tried_later_and_later() -> None:
    """From half a minute to ten, spread by half either way."""
    found = waits(standing(1), 8)
    for wait, middle in zip(found, [30, 60, 120, 240, 480, 600, 600, 600], strict=True):
        assert 0.5 * middle <= wait <= 1.5 * middle
    assert len({round(wait / 600, 3) for wait in found[5:]}) == 3


def test_a_crowd_does_not_climb_together() -> None:
    """A thousand clients that fell in one instant: no second of the first minute has more than a tenth of them."""
    times = []
    for seed in range(1000):
        made = Ladder(NAMES, LadderTimes(), Random(seed))
        made.begin(HOME, 0.0)
        made.failed(SILENT, 0.0)
        made.came_up(0.0)
        times.append(made.probe_at or 0.0)
    assert max(sum(second <= time < second + 1 for time in times) for second in range(60)) < 100


def test_it_is_never_too_early() -> None:
    """Nor is there anything above the first, or without a line."""
    made = standing(1)
    assert made.probe((made.probe_at or 0.0) - 0.001) is None
    made.lost(CUT, 20.0, good=True)
    assert (made.probe_at, made.probe(1e9)) == (None, None)
    assert standing(0).probe_at is None


def test_all_better_ones_have_their_turn() -> None:
    """The best first; one that is not offered is left out."""
    made = standing(2)
    turns = []
    for _ in range(4):
        now = made.probe_at or 0.0
        rung = made.probe(now)
        assert rung is not None
        turns.append(rung)
        made.probe_failed(rung, ABSENT if rung else SILENT, now)
    assert turns == [0, 1, 0, 0]


def test_with_nothing_offered_above_it_asks_itself_again_later() -> None:
    """In an hour the server may have it."""
    made = Ladder(["long_polling", "event_stream"], LadderTimes(), Random(1))
    made.begin(HOME, 0.0)
    made.failed(ABSENT, 0.0)
    made.came_up(0.0)
    first = made.probe_at or 0.0
    assert made.probe(first) is None
    assert (made.probe_at or 0.0) > first


def test_a_better_one_that_works_takes_over() -> None:
    """It is remembered, and from a middle one the way goes on."""
    made = standing(2)
    made.took_over(1, 50.0)
    assert (made.at, made.why) == (1, "long_polling works again")
    assert made.probe_at is not None
    made.took_over(0, 90.0)
    assert (made.at, made.probe_at) == (0, None)
    made.lost(CUT, 95.0, good=True)
    assert made.begin(HOME, 96.0) == 0


def test_coming_up_is_no_proof() -> None:
    """One line lost young after a climb leads down again, and the next try comes later than the one before."""
    made = standing(1)
    climbs = []
    now = 10.0
    for _ in range(6):
        climbs.append((made.probe_at or 0.0) - now)
        now = made.probe_at or 0.0
        assert made.probe(now) == 0
        made.took_over(0, now)
        made.lost(CUT, now + 2, good=False)
        now += 3
        assert made.begin(HOME, now) == 1
        assert "websocket: the line did not last: " in made.why
        made.came_up(now)
    for wait, middle in zip(climbs, [30, 60, 120, 240, 480, 600], strict=True):
        assert 0.5 * middle <= wait <= 1.5 * middle
    made.took_over(0, now)
    made.proved()
    made.lost(CUT, now + 60, good=True)
    made.begin(HOME, now + 61)
    made.failed(SILENT, now + 65)
    made.came_up(now + 66)
    assert (made.probe_at or 0.0) - now - 66 <= 45


def test_on_another_network_the_next_try_comes_soon() -> None:
    """Where the line has survived the change."""
    made = standing(1)
    waits(made, 6)
    made.moved(5000.0)
    assert 5015 <= (made.probe_at or 0.0) <= 5045
    made.lost(CUT, 5010.0, good=True)
    made.moved(5011.0)
    assert made.probe_at is None


def test_a_try_that_was_given_up_is_no_failure() -> None:
    """A fresh token had to be handed over first: the next try comes as soon as any."""
    made = standing(1)
    for _ in range(5):
        now = made.probe_at or 0.0
        assert made.probe(now) == 0
        made.probe_failed(0, None, now)
        assert (made.probe_at or 0.0) - now <= 45


# Whatever happens ----------------------------------------------------------------------------------------------------

ERRORS = [SILENT, ABSENT, REFUSED, CUT, refusal(400), refusal(503), proxy(403), Unauthorized("unauthorized")]


class Anything(RuleBasedStateMachine):
    """A cable that lives through all there is, in any order that an engine can bring."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.up = False
        self.made = Ladder(NAMES, LadderTimes(), Random(3))

    @rule(seconds=st.floats(0, 4000))
    def wait(self, seconds: float) -> None:
        """Time goes on."""
        self.now += seconds

    @rule(network=st.sampled_from([HOME, OFFICE, None]), error=st.sampled_from(ERRORS))
    def dial_in_vain(self, network: str | None, error: CableError) -> None:
        """A dial fails."""
        if not self.up:
            rung = self.made.begin(network, self.now)
            assert 0 < self.made.limit(10.0, self.now) <= 10.0
            self.made.failed(error, self.now)
            if blame(error) is Blame.NOTHING:
                assert self.made.at in (rung, 0)

    @rule(network=st.sampled_from([HOME, OFFICE, None]))
    def dial(self, network: str | None) -> None:
        """A dial succeeds."""
        if not self.up:
            self.made.begin(network, self.now)
            self.made.came_up(self.now)
            self.up = True

    @rule(error=st.sampled_from([*ERRORS, None]), good=st.booleans())
    def lose(self, error: CableError | None, *, good: bool) -> None:
        """The line is lost, or let go."""
        if self.up:
            self.made.lost(error, self.now, good=good)
            self.up = False

    @rule(error=st.sampled_from([*ERRORS, None]), works=st.booleans())
    def climb(self, error: CableError | None, *, works: bool) -> None:
        """A better one is tried when it is time."""
        if self.up and self.made.probe_at is not None:
            self.now = max(self.now, self.made.probe_at)
            rung = self.made.probe(self.now)
            if rung is None:
                return
            assert rung < self.made.at
            if works:
                self.made.took_over(rung, self.now)
            else:
                self.made.probe_failed(rung, error, self.now)

    @invariant()
    def there_is_a_way_back_up(self) -> None:
        """A line on a lesser one always has a next try, within a quarter of an hour, and the best one has none."""
        assert 0 <= self.made.at < len(NAMES)
        if self.up and self.made.at > 0:
            assert self.made.probe_at is not None
            assert self.made.probe_at <= self.now + 900
        else:
            assert self.made.probe_at is None


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
