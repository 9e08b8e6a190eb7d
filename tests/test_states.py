"""The states that users see."""

from __future__ import annotations

from cableway.states import State, SubscriptionState


def test_names_are_those_of_the_documentation() -> None:
    """Programs compare with them and logs print them."""
    assert {state.value: state for state in State} == {
        state.name.lower(): state
        for state in (
            State.IDLE,
            State.CONNECTING,
            State.CONNECTED,
            State.DISCONNECTED,
            State.DORMANT,
            State.CLOSED,
        )
    }
    assert [state.name for state in SubscriptionState] == ["PENDING", "SUBSCRIBED", "REJECTED", "CLOSED"]
    assert all(state.value == state.name.lower() for state in SubscriptionState)
