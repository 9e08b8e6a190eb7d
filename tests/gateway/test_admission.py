"""Who comes in when: the queue, the promises, and the rate that nothing exceeds."""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.gateway.admission import LONGEST, Admission, Answer, Ticket, burst_of, spread


class Client(Ticket):
    """A client that may leave."""

    def __init__(self, name: int = 0) -> None:
        self.name = name
        self.here = True
        super().__init__(lambda: self.here)


def names(called: list[tuple[Ticket, Answer]], answer: Answer = Answer.ENTER) -> list[int]:
    """Name the clients that were called with this answer."""
    return [ticket.name for ticket, said in called if said is answer and isinstance(ticket, Client)]


def full(rate: float = 4, wait: float = 2) -> tuple[Admission, list[Client]]:
    """Give a queue that is full at time 0, and those who stand in it; one more than them is inside."""
    admission = Admission(rate, wait)
    assert admission.ask(Client(), 0.0) is Answer.ENTER
    clients = [Client(n) for n in range(admission.room)]
    assert [admission.ask(client, 0.0) for client in clients] == [Answer.WAIT] * len(clients)
    return admission, clients


def test_without_a_rate_everybody_enters() -> None:
    """Nobody waits, and there is no turn to wake up for."""
    admission = Admission(0, 2)
    assert {admission.ask(Client(), 0.0) for _ in range(1000)} == {Answer.ENTER}
    assert admission.next_turn(0.0) is None


def test_turns_come_in_order_at_the_rate() -> None:
    """First come, first served, a quarter of a second apart at four a second."""
    admission, _ = full()
    for n in range(admission.room):
        at = admission.next_turn(n * 0.25)
        assert at == pytest.approx((n + 1) * 0.25)
        assert names(admission.due(at)) == [n]
    assert admission.next_turn(2.0) is None


def test_nobody_overtakes_the_queue() -> None:
    """A turn that is free belongs to who waits, not to who comes."""
    admission, _ = full()
    admission.due(0.25)
    assert admission.ask(Client(99), 10.0) is Answer.WAIT
    assert names(admission.due(10.0)) == [1]


def test_the_queue_is_as_long_as_clients_are_patient() -> None:
    """Two seconds at four a second are eight; without a wait nobody stands."""
    admission, _ = full()
    assert len(admission.waiting) == 8
    assert admission.ask(Client(), 0.0) is Answer.LATER
    assert Admission(4, 0).room == 0


def test_after_a_quiet_moment_a_few_enter_at_once() -> None:
    """A quarter of a second's worth, however long it was quiet."""
    admission = Admission(400, 0)
    for now in (0.0, 1000.0):
        answers = Counter(admission.ask(Client(), now) for _ in range(500))
        assert answers == {Answer.ENTER: burst_of(400), Answer.LATER: 400}


def test_clients_that_are_gone_cost_no_turn() -> None:
    """The next who is there is called in their place, at the same time."""
    admission, clients = full()
    for gone in clients[:5]:
        gone.here = False
    called = admission.due(0.25)
    assert (names(called, Answer.GONE), names(called)) == ([0, 1, 2, 3, 4], [5])


def test_clients_that_are_gone_make_room_before_their_turn() -> None:
    """Wherever they stand; the others keep their order."""
    admission, clients = full()
    clients[3].here = clients[7].here = False
    assert names(admission.sweep(), Answer.GONE) == [3, 7]
    assert [admission.ask(Client(n), 0.0) for n in (8, 9, 10)] == [Answer.WAIT, Answer.WAIT, Answer.LATER]
    assert names(admission.due(0.25)) == [0]
    assert names(admission.send_away(), Answer.LATER) == [1, 2, 4, 5, 6, 8, 9]


def test_the_promise_grows_with_those_who_were_refused() -> None:
    """From when half of the queue of two seconds is served, four a second: forty are spread over ten seconds."""
    admission, _ = full()
    told = [admission.come_back_in(0.0) for _ in range(40)]
    assert told == sorted(told)
    assert (told[0], told[-1]) == (2, 10)
    assert max(Counter(told).values()) == 5


def test_the_promise_shrinks_as_time_goes_by() -> None:
    """Ten seconds later the places that were promised have come, and the queue could be empty."""
    admission, clients = full()
    for _ in range(40):
        admission.come_back_in(0.0)
    for client in clients:
        client.here = False
    admission.due(20.0)
    assert admission.come_back_in(20.0) == 1


def test_nobody_is_asked_to_stay_away_for_too_long() -> None:
    """A crowd beyond that time is spread over its second half, and no second gets more than twice the rate."""
    admission = Admission(10, 0)
    told = Counter(admission.come_back_in(0.0) for _ in range(8_900))
    assert max(told) <= LONGEST
    assert max(told.values()) <= 22
    assert min(told[second] for second in range(302, 590)) >= 10


def test_a_full_house_without_a_rate_is_not_bothered_by_all_at_once() -> None:
    """A thousand that are refused come back over ten seconds, some of which they add themselves."""
    admission = Admission(0, 2)
    assert Counter(admission.come_back_in(5.0) for _ in range(990)) == dict.fromkeys(range(1, 10), 110)


@pytest.mark.parametrize(
    ("clients", "rate", "seconds"), [(2000, 400, 5), (3, 400, 0.0075), (7, 0, None), (9**9, 1, 600)]
)
def test_a_restart_spreads_the_crowd_over_the_time_that_it_takes(
    clients: int, rate: float, seconds: float | None
) -> None:
    """As many seconds as there are clients to each new session a second, ten minutes at most; none without a rate."""
    assert spread(clients, rate) == seconds


@given(
    rate=st.integers(1, 500),
    wait=st.floats(0, 3),
    steps=st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 300), st.integers(0, 40)), max_size=40),
    random=st.randoms(use_true_random=False),
)
def test_no_window_of_time_has_more_than_its_share(
    rate: int, wait: float, steps: list[tuple[float, int, int]], random: Random
) -> None:
    """However clients come and go: in any *t* seconds at most the burst and ``rate * t`` enter.

    And the queue keeps in bounds, nobody who is gone enters, and nobody is called twice.
    """
    admission, now, entered, calls = Admission(rate, wait), 0.0, list[float](), Counter[Ticket]()

    def note(called: list[tuple[Ticket, Answer]]) -> None:
        for ticket, answer in called:
            calls[ticket] += 1
            assert ticket.is_alive() is (answer is Answer.ENTER)
            entered.extend([now] * (answer is Answer.ENTER))

    for pause, coming, leaving in steps:
        now += pause
        note(admission.due(now))
        for _ in range(coming):
            client = Client()
            if admission.ask(client, now) is Answer.ENTER:
                note([(client, Answer.ENTER)])
        assert len(admission.waiting) <= admission.room
        for ticket in random.sample(list(admission.waiting), min(leaving, len(admission.waiting))):
            assert isinstance(ticket, Client)
            ticket.here = False
        note(admission.sweep() if leaving > 30 else [])

    assert set(calls.values()) <= {1}
    for first, start in enumerate(entered):
        for last in range(first, len(entered), 7):
            assert last - first + 1 <= burst_of(rate) + rate * (entered[last] - start) + 1e-6


def crowd_returns(clients: int, rate: float, stretch: float, seed: int) -> tuple[list[float], int]:
    """Let a crowd come within a second and do as it is told; return when each entered, and how many were refused."""
    random = Random(seed)
    admission = Admission(rate, 2)
    coming = [random.random() for _ in range(clients)]
    heapq.heapify(coming)
    entered, refused, now = list[float](), 0, 0.0
    while len(entered) < clients:
        turn = admission.next_turn(now)
        if turn is not None and (not coming or turn <= coming[0]):
            now = turn
            entered += [now] * len(admission.due(now))
            continue
        now = heapq.heappop(coming)
        match admission.ask(Client(), now):
            case Answer.ENTER:
                entered.append(now)
            case Answer.LATER:
                refused += 1
                heapq.heappush(coming, now + admission.come_back_in(now) * random.uniform(1, stretch))
            case _:
                pass
    return entered, refused


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("stretch", [1.0, 1.2])
@pytest.mark.parametrize(("clients", "rate"), [(2_000, 400), (20_000, 400), (20_000, 2_000)])
def test_a_crowd_that_does_as_it_is_told_is_back_in_about_the_ideal_time(
    clients: int, rate: int, stretch: float, seed: int
) -> None:
    """To the second or with a fifth more: hardly anybody is refused twice, and the gateway is never idle for long."""
    entered, refused = crowd_returns(clients, rate, stretch, seed)
    assert sorted(entered) == entered
    assert entered[int(0.99 * clients)] <= 1.05 * 0.99 * clients / rate
    assert refused <= 1.05 * clients
    assert max(later - sooner for sooner, later in pairwise(entered[: int(0.95 * clients)])) < 0.5
