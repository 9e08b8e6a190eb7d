"""The server's tables, walked cell by cell."""

from __future__ import annotations

import itertools

import pytest

from cableway.transitions import UnexpectedEvent, look_up
from cableway.wire.server_table import (
    SUBSCRIPTION_TABLE,
    TABLE,
    Action,
    SessionEvent,
    SessionState,
    SubscriptionAction,
    SubscriptionEvent,
    SubscriptionState,
)

S, E = SessionState, SessionEvent

# What cannot happen, and why: before the welcome nothing runs; a verdict needs a question; only DRAINING is drained.
IMPOSSIBLE = {
    *((S.CONNECTING, event) for event in (E.ASKED, E.SETTLED, E.DRAINED, E.DELIVER, E.PING_DUE)),
    *((S.READY, event) for event in (E.ACCEPTED, E.REFUSED, E.FAILED, E.SETTLED, E.DRAINED)),
    *((S.BUSY, event) for event in (E.ACCEPTED, E.REFUSED, E.FAILED, E.ASKED, E.DRAINED)),
    *((S.DRAINING, event) for event in (E.ACCEPTED, E.REFUSED, E.FAILED)),
    *((S.CLOSING, event) for event in (E.ACCEPTED, E.REFUSED, E.FAILED, E.ASKED, E.DRAINED)),
    *((S.CLOSED, event) for event in (E.ASKED, E.SETTLED, E.DRAINED)),
}

T, F = SubscriptionState, SubscriptionEvent

# Verdicts come only while the application is asked; commands only while it is not.
IMPOSSIBLE_FOR_SUBSCRIPTIONS = {
    *((T.ABSENT, event) for event in (F.CONFIRMED, F.REJECTED, F.DONE, F.FAILED)),
    *((T.JOINING, event) for event in (F.SUBSCRIBE, F.UNSUBSCRIBE, F.PERFORM, F.REVOKE, F.DONE)),
    *((T.JOINED, event) for event in (F.CONFIRMED, F.REJECTED)),
    *((T.LEAVING, event) for event in F if event not in {F.DONE, F.FAILED, F.DELIVER}),
}


def test_each_cell_of_the_session_is_decided() -> None:
    """Each pair of state and event is either in the table or known to be impossible, never both."""
    assert set(TABLE) | IMPOSSIBLE == set(itertools.product(S, E))
    assert set(TABLE).isdisjoint(IMPOSSIBLE)


def test_each_cell_of_a_subscription_is_decided() -> None:
    """The same of one identifier."""
    assert set(SUBSCRIPTION_TABLE) | IMPOSSIBLE_FOR_SUBSCRIPTIONS == set(itertools.product(T, F))
    assert set(SUBSCRIPTION_TABLE).isdisjoint(IMPOSSIBLE_FOR_SUBSCRIPTIONS)


@pytest.mark.parametrize(("state", "event"), sorted(IMPOSSIBLE, key=str))
def test_what_cannot_happen_is_an_error_that_names_it(state: SessionState, event: SessionEvent) -> None:
    """The error tells state and event."""
    with pytest.raises(UnexpectedEvent) as error:
        look_up(TABLE, state, event)
    assert str(state) in str(error.value)
    assert str(event) in str(error.value)


def test_each_state_can_be_reached_and_left_for_the_end() -> None:
    """From connecting every state can be reached, and from every state there is a way to closed."""
    edges = {(state, transition.target) for (state, _), transition in TABLE.items()}
    assert _reachable(S.CONNECTING, edges) == set(S)
    assert _reachable(S.CLOSED, {(b, a) for a, b in edges}) == set(S)


def test_the_end_is_the_end() -> None:
    """Nothing leads out of closed, and nothing is done there."""
    ends = [transition for (state, _), transition in TABLE.items() if state is S.CLOSED]
    assert {transition.target for transition in ends} == {S.CLOSED}
    assert not any(transition.actions for transition in ends)


def test_each_way_into_the_end_has_all_subscriptions_ended_last() -> None:
    """Whatever ends a session, the application learns of it, once and last."""
    for (state, _), transition in TABLE.items():
        if state is not S.CLOSED:
            leaves = [action is Action.LEAVE for action in transition.actions]
            assert sum(leaves) == (transition.target is S.CLOSED)
            assert not any(leaves[:-1])


def test_each_action_is_used() -> None:
    """No action is there that nothing asks for."""
    assert {action for transition in TABLE.values() for action in transition.actions} == set(Action)
    used = {action for transition in SUBSCRIPTION_TABLE.values() for action in transition.actions}
    assert used == set(SubscriptionAction)


def _reachable(start: SessionState, edges: set[tuple[SessionState, SessionState]]) -> set[SessionState]:
    found = {start}
    while more := {b for a, b in edges if a in found} - found:
        found |= more
    return found
