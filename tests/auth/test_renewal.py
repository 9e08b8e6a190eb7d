"""What is decided about the token of a source."""

from __future__ import annotations

import math
import random
from typing import Any

import jwt
import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from cableway.auth.renewal import (
    REMEMBERED,
    SLOW,
    Held,
    Refusal,
    Renewal,
    TokenFailed,
    TokenFresh,
    TokenRenewal,
)
from cableway.auth.token import Token
from cableway.errors import Unauthorized
from cableway.errors.tokens import TokenUnavailable
from cableway.policies.backoff import ConstantBackoff

UNIX = 1.8e9
SECRET = "a secret that is long enough for the algorithm"
LABEL = "the source"
ABSENT = TokenUnavailable(LABEL, "HTTP 500", status=500)


def signed(number: int, **claims: float) -> Token:
    """Return a JWT that differs by *number*."""
    return Token(jwt.encode({"ext": "{}", "number": number, **claims}, SECRET, "HS256"))


@define
class Scene:
    """A machine, and the clocks around it. The server's clock is right; the wall clock may not be."""

    options: TokenRenewal = field(factory=TokenRenewal)
    renewable: bool = True
    wrong: float = 0.0
    now: float = 0.0
    made: int = 0
    slept: float = 0.0
    plan: Renewal = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.plan = Renewal(self.options, LABEL, self.renewable, random.Random(5))

    @property
    def unix(self) -> float:
        return UNIX + self.slept + self.now

    @property
    def wall(self) -> float:
        return self.unix + self.wrong

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.plan.slept(seconds)

    def token(self, life: float = 60.0, age: float = 0.0) -> Token:
        """Make a token as an issuer does whose clock is right."""
        self.made += 1
        issued = int(self.unix - age)
        return signed(self.made, iat=issued, exp=issued + life)

    def gives(self, token: Token, *, took: float = 0.0) -> TokenFresh | TokenFailed:
        self.plan.begin(self.now)
        self.now += took
        return self.plan.landed(token, self.now, self.wall)

    def fresh(self, life: float = 60.0) -> Held:
        """Fetch a good token, as soon as it may be, and return it."""
        self.now = max(self.now, self.plan.next_at(asked=True, wanted=True) or self.now)
        assert isinstance(self.gives(self.token(life)), TokenFresh)
        held = self.plan.fit(self.now)
        assert held is not None
        return held

    def fails(self) -> TokenFailed:
        self.plan.begin(self.now)
        return self.plan.failed(ABSENT, self.now)

    def refused(self, held: Held, *, expired: bool = False) -> Refusal:
        return self.plan.refused(held, self.now, self.wall, expired=expired)

    def hear(self) -> None:
        self.plan.clock.heard(float(int(self.unix)), self.now)

    def next_at(self, *, asked: bool = False, wanted: bool = True) -> float | None:
        return self.plan.next_at(asked=asked, wanted=wanted)


# Options -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"at": 0}, "at=0.0"),
        ({"at": 1}, "at=1.0"),
        ({"at": math.nan}, "at=nan"),
        ({"leeway": -1}, "leeway=-1"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": math.inf}, "timeout=inf"),
        ({"on_renewal": "now"}, "on_renewal='now'"),
        ({"refusals": -1}, "refusals=-1"),
        ({"refusals": 1.5}, "refusals=1.5"),
        ({"refusals": True}, "refusals=True"),
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any], told: str) -> None:
    """The text names the option and its value."""
    with pytest.raises(ValueError, match=told):
        TokenRenewal(**wrong)


# Keeping -------------------------------------------------------------------------------------------------------------


def test_at_first_there_is_nothing_to_do() -> None:
    """Until somebody asks."""
    scene = Scene()
    assert scene.plan.fit(0) is None
    assert not scene.plan.alive(0)
    assert scene.next_at() is None
    assert scene.next_at(asked=True) == -math.inf


def test_the_first_renewal_is_earlier_than_the_later_ones() -> None:
    """Due at U(0.5, 0.8) of the first life, at 0.8 * U(0.95, 1) of the next."""
    for seed in range(50):
        scene = Scene()
        scene.plan = Renewal(TokenRenewal(), LABEL, True, random.Random(seed))
        scene.fresh(life=101)
        first = scene.next_at()
        assert first is not None
        assert 50 <= first <= 80
        scene.now = first
        assert isinstance(news := scene.gives(scene.token(101)), TokenFresh)
        assert news.renewed
        later = scene.plan.due_at()
        assert later is not None
        assert 76 <= later - first <= 80


def test_nothing_is_done_while_no_line_is_wanted() -> None:
    """A dormant device does not wake to renew."""
    scene = Scene()
    scene.fresh()
    assert scene.next_at(wanted=False) is None
    scene.now += 50
    scene.fails()
    assert scene.next_at(wanted=False) is None
    assert scene.next_at(asked=True, wanted=False) is not None


def test_a_dial_in_the_leeway_waits_for_the_request_under_way() -> None:
    """And takes the old token if that fails, for as long as it lives."""
    scene = Scene()
    old = scene.fresh(life=61)
    scene.now = 53.9
    assert scene.plan.fit(scene.now) == old
    scene.now = 54.5
    assert scene.plan.fit(scene.now) is None
    assert scene.next_at(asked=True) == pytest.approx(1)
    scene.fails()
    assert scene.plan.fit(scene.now) == old
    scene.plan.begin(scene.now)
    assert scene.plan.fit(scene.now) is None
    scene.plan.abandon()
    scene.now = 60.1
    assert scene.plan.fit(scene.now) is None
    assert not scene.plan.alive(scene.now)


def test_a_token_that_has_just_come_is_sent() -> None:
    """However short its life is by its claims, or however long its source took."""
    scene = Scene()
    scene.gives(scene.token(life=1))
    assert scene.plan.fit(scene.now) is not None
    scene.now += 1.5
    assert scene.plan.fit(scene.now) is None
    scene.gives(scene.token(life=4), took=9)
    assert scene.plan.fit(scene.now) is not None


@pytest.mark.parametrize("wrong", [-2 * 86_400.0, 2 * 86_400.0])
def test_a_wrong_wall_clock_changes_nothing(wrong: float) -> None:
    """The schedule is the same to the second, with and without a server's time."""
    for heard in (False, True):
        points = []
        for error in (0.0, wrong):
            scene = Scene(wrong=error)
            if heard:
                scene.hear()
            scene.fresh()
            points.append(scene.next_at())
        assert points[0] == points[1]


def test_the_servers_time_moves_the_schedule_of_a_token_that_is_held() -> None:
    """One from a cache turns out to be half over."""
    scene = Scene()
    scene.gives(scene.token(life=61, age=30))
    before = scene.plan.due_at()
    scene.hear()
    after = scene.plan.due_at()
    assert before is not None
    assert after is not None
    assert before >= 30
    assert 14 <= after <= 24


def test_a_token_of_unknown_life_is_kept_until_it_is_refused() -> None:
    """There is nothing to plan by."""
    scene = Scene()
    news = scene.gives(Token("opaque"))
    assert news == TokenFresh(Token("opaque"), renewed=False, life=None)
    scene.now = 1e7
    held = scene.plan.fit(scene.now)
    assert held is not None
    assert scene.next_at() is None
    scene.refused(held)
    assert scene.plan.fit(scene.now) is None


def test_a_short_lived_token_is_not_asked_for_without_a_pause() -> None:
    """A second lies between a token and the next request, at least."""
    scene = Scene(options=TokenRenewal(at=0.01))
    scene.fresh(life=3)
    assert scene.next_at() == scene.now + 1
    assert scene.next_at(asked=True) == scene.now + 1


# Failing -------------------------------------------------------------------------------------------------------------


def test_failures_are_retried_with_growing_waits_for_ever() -> None:
    """1 s, 2 s, 4 s, up to 60 s, give or take half; after an hour it is still tried."""
    scene = Scene()
    waits = []
    while scene.now < 7200:
        news = scene.fails()
        assert news.error is ABSENT
        assert news.expired
        assert news.retry_in is not None
        waits.append(news.retry_in)
        assert scene.next_at() == scene.now + news.retry_in
        scene.now += news.retry_in
    assert all(0.5 * min(2**n, 60) <= wait <= 1.5 * min(2**n, 60) for n, wait in enumerate(waits))
    assert len([wait for wait in waits if wait > 20]) > 60


def test_the_end_of_the_old_token_is_told_once_while_the_source_fails() -> None:
    """Between two tries, at the moment itself."""
    scene = Scene(options=TokenRenewal(backoff=ConstantBackoff(1000.0, jitter=0)))
    scene.fresh(life=61)
    scene.now = 48
    assert not scene.fails().expired
    assert scene.next_at() == 60
    assert scene.plan.lapsed(59.9) is None
    told = scene.plan.lapsed(60)
    assert told == TokenFailed(ABSENT, expired=True, retry_in=988)
    assert scene.plan.lapsed(61) is None
    assert scene.next_at() == 1048


def test_a_good_token_ends_the_series() -> None:
    """The next failure waits a second again, and its end is told again."""
    scene = Scene()
    for _ in range(6):
        scene.fails()
    scene.fresh()
    assert scene.plan.error is None
    scene.now += 48
    news = scene.fails()
    assert not news.expired
    assert news.retry_in is not None
    assert news.retry_in <= 1.5


def test_a_source_that_asks_to_be_left_alone_is() -> None:
    """Within reason."""
    scene = Scene()
    for hint, least in ((120.0, 120.0), (9e9, 600.0)):
        scene.plan.begin(scene.now)
        news = scene.plan.failed(TokenUnavailable(LABEL, "busy", retry_after=hint), scene.now)
        assert news.retry_in is not None
        assert least <= news.retry_in <= 1.2 * least


@pytest.mark.parametrize("hint", [math.nan, math.inf, -1.0, 0.0])
def test_a_senseless_hint_is_ignored(hint: float) -> None:
    """The backoff stays."""
    scene = Scene()
    scene.plan.begin(0)
    news = scene.plan.failed(TokenUnavailable(LABEL, "busy", retry_after=hint), 0)
    assert news.retry_in is not None
    assert 0.5 <= news.retry_in <= 1.5


@pytest.mark.parametrize("nonsense", [-1.0, math.nan, math.inf, "soon", ZeroDivisionError()])
def test_a_backoff_that_answers_nonsense_is_replaced(nonsense: Any) -> None:
    """The source is spared all the same."""

    class Broken:
        def delay(self, failures: int, random: random.Random) -> float:
            if isinstance(nonsense, Exception):
                raise nonsense
            return nonsense

    scene = Scene(options=TokenRenewal(backoff=Broken()))
    news = scene.fails()
    assert news.retry_in is not None
    assert 0.5 <= news.retry_in <= 1.5


def test_a_token_that_was_dead_when_it_came_is_a_failure() -> None:
    """By the server's clock; the wall clock's word is not enough."""
    scene = Scene()
    assert isinstance(scene.gives(scene.token(age=600)), TokenFresh)
    scene = Scene(wrong=3 * 86_400)
    scene.hear()
    news = scene.gives(scene.token(age=600))
    assert isinstance(news, TokenFailed)
    assert news.error.retryable
    assert "already expired" in str(news.error)
    assert scene.plan.fit(scene.now) is None


def test_the_same_token_again_is_not_a_renewal() -> None:
    """Its life does not begin anew; the source is asked again with growing waits, and the end is told."""
    scene = Scene()
    token = scene.token(61)
    scene.gives(token)
    scene.now = 48
    news = scene.gives(token)
    assert isinstance(news, TokenFailed)
    assert not news.expired
    assert scene.plan.fit(scene.now) is not None
    scene.now = 60.5
    assert scene.plan.fit(scene.now) is None
    assert isinstance(news := scene.gives(token), TokenFailed)
    assert news.expired
    assert scene.plan.fit(scene.now) is None


def test_the_same_token_with_a_later_end_is_one() -> None:
    """An opaque one whose life the source prolongs."""
    scene = Scene()
    scene.gives(Token("opaque", life=60))
    scene.now = 48
    assert isinstance(scene.gives(Token("opaque", life=60)), TokenFresh)
    scene.now += 48
    assert isinstance(scene.gives(Token("opaque", expires_at=UNIX + 200)), TokenFresh)


def test_a_token_that_ends_by_the_wall_clock_alone_may_be_sent_if_the_source_stands_by_it() -> None:
    """A clock that is wrong must not keep a line down; and the source goes on being asked."""
    scene = Scene(wrong=3600.0)
    token = Token("opaque", expires_at=UNIX + 3661)
    scene.gives(token)
    scene.now = 60.5
    assert scene.plan.fit(scene.now) is None
    assert isinstance(scene.gives(token), TokenFailed)
    assert scene.plan.fit(scene.now) is not None
    for _ in range(3):
        scene.now = scene.next_at() or math.nan
        assert isinstance(scene.gives(token), TokenFailed)
        assert scene.plan.fit(scene.now + 5) is not None


def test_a_source_that_will_never_give_one_is_left_alone() -> None:
    """Unless somebody asks. The end of the last token is told still."""
    scene = Scene()
    scene.fresh(life=61)
    scene.now = 48
    scene.plan.begin(scene.now)
    never = Unauthorized("signed out")
    assert scene.plan.failed(never, scene.now) == TokenFailed(never, expired=False, retry_in=None)
    assert scene.plan.is_over
    assert scene.next_at() == 60
    assert scene.plan.lapsed(60) == TokenFailed(never, expired=True, retry_in=None)
    assert scene.next_at() is None
    assert scene.next_at(asked=True) is not None


# Refusals ------------------------------------------------------------------------------------------------------------


def test_a_fixed_token_is_final_at_its_first_refusal() -> None:
    """It is never renewed, and never called dead by us: who opens anew may try it again."""
    scene = Scene(renewable=False)
    scene.gives(scene.token(age=600))
    held = scene.plan.fit(scene.now)
    assert held is not None
    assert scene.next_at() is None
    refusal = scene.refused(held)
    assert refusal.final
    assert "cannot be renewed" in refusal.tried
    assert scene.plan.fit(9e9) == held
    assert scene.plan.alive(9e9)
    assert scene.next_at(asked=True) is None


@pytest.mark.parametrize("refusals", [0, 1, 2, 5])
def test_so_many_refused_tokens_are_replaced_and_the_next_is_final(refusals: int) -> None:
    """The waits between them grow, and the text tells how many were tried."""
    scene = Scene(options=TokenRenewal(refusals=refusals))
    for count in range(refusals):
        assert not scene.refused(scene.fresh()).final
        wait = (scene.next_at(asked=True) or 0) - scene.now
        assert 0.5 * 2**count <= wait <= max(1.0, 1.5 * 2**count)
    refusal = scene.refused(scene.fresh())
    assert refusal.final
    assert LABEL in refusal.tried
    assert refusals == 0 or f"{refusals + 1} tokens in a row" in refusal.tried


def test_health_clears_the_streak() -> None:
    """Two refusals, a healthy line, two more: nothing is final."""
    scene = Scene()
    for _ in range(4):
        for _ in range(2):
            assert not scene.refused(scene.fresh()).final
        scene.plan.accepted(scene.fresh())


def test_the_health_of_an_older_tokens_line_does_not() -> None:
    """It says nothing of those that came since."""
    scene = Scene()
    old = scene.fresh()
    assert not scene.refused(scene.fresh()).final
    assert not scene.refused(scene.fresh()).final
    scene.plan.accepted(old)
    assert scene.refused(scene.fresh()).final


def test_who_starts_anew_has_all_tries_again() -> None:
    """After a final refusal the count begins at nothing."""
    scene = Scene()
    verdicts = [scene.refused(scene.fresh()).final for _ in range(6)]
    assert verdicts == [False, False, True, False, False, True]


def test_many_cables_that_tell_of_one_token_count_once() -> None:
    """And all hear the same."""
    scene = Scene()
    for expected in (False, False, True):
        held = scene.fresh()
        assert {scene.refused(held).final for _ in range(1000)} == {expected}


def test_the_refusal_of_an_older_token_costs_nothing() -> None:
    """There is a newer one: nothing is fetched, and it does not count."""
    scene = Scene()
    old = scene.fresh()
    new = scene.fresh()
    for _ in range(9):
        refusal = scene.refused(old)
        assert refusal.newer
        assert not refusal.final
    assert scene.plan.fit(scene.now) == new
    assert not scene.refused(new).final


def test_the_same_bad_token_is_not_sent_again() -> None:
    """It is told, and the source is asked each minute, until it gives another."""
    scene = Scene()
    bad = scene.fresh()
    scene.refused(bad)
    for _ in range(5):
        scene.now = scene.next_at(asked=True) or math.nan
        news = scene.gives(bad.token)
        assert isinstance(news, TokenFailed)
        assert news.expired
        assert "refused" in str(news.error)
        assert news.retry_in is not None
        assert news.retry_in >= SLOW
        assert scene.plan.fit(scene.now) is None
    assert scene.fresh() != bad


def test_a_bad_token_is_not_renewed_ahead() -> None:
    """It is the dial that asks; a line that is up keeps what it has."""
    scene = Scene()
    scene.refused(scene.fresh())
    assert scene.next_at() is None


def test_expired_tokens_are_recognised_once_the_server_and_the_wall_clock_agree() -> None:
    """A cold start with a source that gives expired tokens, for an hour: few are sent, and none of that is final."""
    scene = Scene()
    sent = asked = 0
    while scene.now < 3600:
        scene.now = max(scene.now, scene.next_at(asked=True) or 0)
        asked += 1
        scene.gives(scene.token(life=60, age=70))
        if (held := scene.plan.fit(scene.now)) is not None:
            sent += 1
            assert not scene.refused(held, expired=True).final
    assert sent <= 5
    assert asked <= 130
    scene.now = scene.next_at(asked=True) or math.nan
    assert isinstance(scene.gives(scene.token()), TokenFresh)


def test_a_token_that_expired_on_its_way_is_no_refusal_of_ours() -> None:
    """The server's clock bears it out: it does not count, and the next one is fetched."""
    scene = Scene()
    for _ in range(9):
        scene.hear()
        held = scene.fresh(life=30)
        scene.now += 30
        assert not scene.refused(held, expired=True).final
        wait = (scene.next_at() or math.nan) - scene.now
        assert 0.5 <= wait <= 1.5


def test_a_source_that_tells_too_long_a_life_comes_to_an_end() -> None:
    """Each of its tokens is expired, whatever it says: that is a streak like any other."""
    scene = Scene()
    scene.hear()
    verdicts = []
    for _ in range(3):
        scene.now = max(scene.now, scene.next_at(asked=True) or 0)
        scene.gives(Token(scene.token(age=90).value, life=60))
        held = scene.plan.fit(scene.now)
        assert held is not None
        verdicts.append(scene.refused(held, expired=True).final)
    assert verdicts == [False, False, True]


def test_a_server_that_calls_a_living_token_expired_is_not_believed() -> None:
    """The wall clock does not bear it out: later tokens are sent, and the streak decides."""
    scene = Scene()
    assert not scene.refused(scene.fresh(), expired=True).final
    assert not scene.refused(scene.fresh(), expired=True).final
    assert scene.refused(scene.fresh(), expired=True).final


def test_memory_of_refused_tokens_is_bounded() -> None:
    """A year of refusals fills nothing."""
    scene = Scene()
    for _ in range(3 * REMEMBERED):
        scene.refused(scene.fresh())
    assert len(scene.plan._bad) == REMEMBERED


# Sleep ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heard", [False, True])
def test_sleep_takes_from_the_life(*, heard: bool) -> None:
    """The monotonic clock stood still: after eight hours the token is dead, after a short nap it is due sooner."""
    scene = Scene()
    if heard:
        scene.hear()
    scene.fresh(life=3600)
    before = scene.plan.due_at()
    assert before is not None
    scene.sleep(600)
    assert scene.plan.due_at() == pytest.approx(before - 600)
    scene.sleep(8 * 3600)
    assert scene.plan.fit(scene.now) is None
    assert not scene.plan.alive(scene.now)


def test_waits_pass_in_sleep() -> None:
    """A source that failed before the night is asked at once after it."""
    scene = Scene()
    for _ in range(8):
        scene.fails()
    scene.sleep(3600)
    assert (scene.next_at() or 0) < scene.now


# Anything ------------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["good", "dead", "same", "fail", "hang", "refuse", "accept", "hear", "sleep", "wait"]),
        st.floats(0, 100),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(STEPS)
def test_whatever_happens_no_refused_token_is_given_out_and_there_is_a_way_on(steps: list[tuple[str, float]]) -> None:
    """In any order of events: what was refused stays so, times are finite, and who asks is served at last."""
    scene = Scene()
    refused: set[str] = set()
    given_out: list[Held] = []
    for what, seconds in steps:
        scene.now += seconds
        match what:
            case "good" | "dead" | "same" | "fail" | "hang":
                fetch(scene, what, given_out)
            case "refuse" | "accept" if given_out:
                if what == "refuse":
                    refused.add(given_out[-1].token.value)
                    scene.refused(given_out[-1], expired=seconds < 50)
                else:
                    scene.plan.accepted(given_out[-1])
            case "hear":
                scene.hear()
            case "sleep":
                scene.sleep(seconds)
        scene.plan.lapsed(scene.now)
        held = scene.plan.fit(scene.now)
        assert held is None or held.token.value not in refused
        given_out += [held] if held is not None else []
        for asked in (False, True):
            at = scene.next_at(asked=asked)
            assert at is None or (not math.isnan(at) and at < scene.now + 600)
        assert scene.next_at(asked=True) is not None
    scene.hear()
    scene.now = max(scene.now, scene.next_at(asked=True) or 0)
    scene.hear()
    assert isinstance(scene.gives(scene.token()), TokenFresh)


def fetch(scene: Scene, what: str, given_out: list[Held]) -> None:
    """Make a request that ends as *what* says."""
    number = scene.plan.begin(scene.now)
    assert scene.plan.flight == number
    assert scene.next_at(asked=True) is None
    if what == "good":
        scene.plan.landed(scene.token(), scene.now, scene.wall)
    elif what == "dead":
        scene.plan.landed(scene.token(age=90), scene.now, scene.wall)
    elif what == "same" and given_out:
        scene.plan.landed(given_out[0].token, scene.now, scene.wall)
    elif what == "hang":
        scene.plan.abandon()
    else:
        scene.plan.failed(ABSENT, scene.now)
    assert scene.plan.flight is None


def test_nothing_shows_a_token() -> None:
    """Neither what is held nor what is told."""
    scene = Scene()
    held = scene.fresh()
    news = scene.gives(scene.token())
    for shown in (held, news, scene.refused(held), scene.plan.clock):
        for text in (repr(shown), str(shown)):
            assert held.token.value not in text
            assert held.digest.hex() not in text
            assert "eyJ" not in text
