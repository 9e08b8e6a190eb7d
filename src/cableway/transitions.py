"""State machines as data: a table of transitions, and the one way to look one up."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)
A = TypeVar("A", bound=Enum)


@frozen
class Transition(Generic[S, A]):
    """Where to go, and what to have done on the way, in order."""

    target: S
    actions: tuple[A, ...] = ()


class UnexpectedEvent(LookupError):
    """An event that the table does not know in this state: a fault of ours, never of the peer."""

    def __init__(self, state: Enum, event: Enum) -> None:
        self.state = state
        self.event = event
        super().__init__(f"no transition from {state!s} on {event!s}")


def look_up(table: Mapping[tuple[S, E], Transition[S, A]], state: S, event: E) -> Transition[S, A]:
    """Return what *table* says of *event* in *state*.

    Raises:
        UnexpectedEvent: The table says nothing of the pair.
    """
    try:
        return table[state, event]
    except KeyError:
        raise UnexpectedEvent(state, event) from None


def to(target: S, *actions: A) -> Transition[S, A]:
    """Write one cell of a table."""
    return Transition(target, actions)
