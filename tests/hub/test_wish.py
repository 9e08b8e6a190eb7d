"""The table of a wish: every cell, and that no stand is a dead end."""

from __future__ import annotations

from itertools import product

import pytest

from cableway.hub.options import SubscriptionOptions
from cableway.hub.wish import TABLE, Handle, Move, Stand, Turn, Wish
from cableway.transitions import UnexpectedEvent, look_up

FINAL = {Stand.GONE}

# Where each stand goes. What is not here cannot happen: it would be a fault of ours.
EXPECTED: dict[Stand, dict[Turn, tuple[Stand, tuple[Move, ...]]]] = {
    Stand.OFFLINE: {
        Turn.JOINED: (Stand.OFFLINE, ()),
        Turn.LEFT: (Stand.GONE, (Move.FORGET,)),
        Turn.LINE_UP: (Stand.QUEUED, (Move.ENQUEUE,)),
        Turn.LINE_DOWN: (Stand.OFFLINE, ()),
    },
    Stand.QUEUED: {
        Turn.JOINED: (Stand.QUEUED, ()),
        Turn.LEFT: (Stand.GONE, (Move.FORGET,)),
        Turn.LINE_DOWN: (Stand.OFFLINE, ()),
        Turn.DUE: (Stand.NAMING, (Move.NAME,)),
        Turn.CONFIRMED: (Stand.LIVE, (Move.GO_LIVE,)),
        Turn.REJECTED: (Stand.GONE, (Move.REFUSE, Move.FORGET)),
        Turn.KEPT: (Stand.REFUSED, (Move.REFUSE,)),
    },
    Stand.NAMING: {
        Turn.JOINED: (Stand.NAMING, ()),
        Turn.LEFT: (Stand.GONE, (Move.FORGET,)),
        Turn.LINE_DOWN: (Stand.OFFLINE, ()),
        Turn.NAMED: (Stand.ASKED, (Move.ASK,)),
        Turn.NAMELESS: (Stand.QUEUED, (Move.PAUSE,)),
        Turn.CONFIRMED: (Stand.LIVE, (Move.GO_LIVE,)),
        Turn.REJECTED: (Stand.GONE, (Move.REFUSE, Move.FORGET)),
        Turn.KEPT: (Stand.REFUSED, (Move.REFUSE,)),
    },
    Stand.ASKED: {
        Turn.JOINED: (Stand.ASKED, ()),
        Turn.LEFT: (Stand.ABANDONED, ()),
        Turn.LINE_DOWN: (Stand.OFFLINE, ()),
        Turn.DUE: (Stand.ASKED, (Move.AGAIN,)),
        Turn.SILENT: (Stand.QUEUED, (Move.FAIL,)),
        Turn.CONFIRMED: (Stand.LIVE, (Move.GO_LIVE,)),
        Turn.REJECTED: (Stand.GONE, (Move.REFUSE, Move.FORGET)),
        Turn.KEPT: (Stand.REFUSED, (Move.REFUSE,)),
    },
    Stand.ABANDONED: {
        Turn.JOINED: (Stand.ASKED, ()),
        Turn.LINE_DOWN: (Stand.GONE, (Move.FORGET,)),
        Turn.DUE: (Stand.COOLING, (Move.RENOUNCE,)),
        Turn.CONFIRMED: (Stand.LEAVING, (Move.QUIET,)),
        Turn.REJECTED: (Stand.GONE, (Move.FORGET,)),
    },
    Stand.LIVE: {
        Turn.JOINED: (Stand.LIVE, (Move.MEET,)),
        Turn.LEFT: (Stand.LEAVING, (Move.QUIET,)),
        Turn.LINE_DOWN: (Stand.OFFLINE, (Move.GO_DOWN,)),
        Turn.CONFIRMED: (Stand.LIVE, ()),
        Turn.REJECTED: (Stand.GONE, (Move.REFUSE, Move.FORGET)),
        Turn.KEPT: (Stand.REFUSED, (Move.REFUSE,)),
    },
    Stand.LEAVING: {
        Turn.JOINED: (Stand.LIVE, (Move.MEET,)),
        Turn.LINE_DOWN: (Stand.GONE, (Move.FORGET,)),
        Turn.DUE: (Stand.COOLING, (Move.RENOUNCE,)),
        Turn.CONFIRMED: (Stand.LEAVING, ()),
        Turn.REJECTED: (Stand.GONE, (Move.FORGET,)),
    },
    Stand.COOLING: {
        Turn.JOINED: (Stand.RETURNING, ()),
        Turn.LINE_DOWN: (Stand.GONE, (Move.FORGET,)),
        Turn.DUE: (Stand.GONE, (Move.FORGET,)),
        Turn.CONFIRMED: (Stand.COOLING, (Move.RENOUNCE,)),
        Turn.REJECTED: (Stand.GONE, (Move.FORGET,)),
    },
    Stand.RETURNING: {
        Turn.JOINED: (Stand.RETURNING, ()),
        Turn.LEFT: (Stand.COOLING, ()),
        Turn.LINE_DOWN: (Stand.OFFLINE, ()),
        Turn.DUE: (Stand.QUEUED, (Move.ENQUEUE,)),
        Turn.CONFIRMED: (Stand.RETURNING, ()),
        Turn.REJECTED: (Stand.RETURNING, ()),
        Turn.KEPT: (Stand.RETURNING, ()),
    },
    Stand.REFUSED: {
        Turn.JOINED: (Stand.QUEUED, (Move.ENQUEUE,)),
        Turn.LEFT: (Stand.GONE, (Move.FORGET,)),
        Turn.LINE_DOWN: (Stand.OFFLINE, ()),
        Turn.CONFIRMED: (Stand.LIVE, (Move.GO_LIVE,)),
        Turn.REJECTED: (Stand.REFUSED, ()),
        Turn.KEPT: (Stand.REFUSED, ()),
    },
    Stand.GONE: {},
}


@pytest.mark.parametrize(("stand", "turn"), list(product(Stand, Turn)), ids=lambda item: item.name.lower())
def test_every_cell(stand: Stand, turn: Turn) -> None:
    """Each pair goes where it is written, or names itself as unexpected."""
    expected = EXPECTED[stand].get(turn)
    if expected is None:
        with pytest.raises(UnexpectedEvent) as raised:
            look_up(TABLE, stand, turn)
        assert (raised.value.state, raised.value.event) == (stand, turn)
    else:
        transition = look_up(TABLE, stand, turn)
        assert (transition.target, transition.actions) == expected


@pytest.mark.parametrize("stand", [stand for stand in Stand if stand not in FINAL])
def test_no_stand_is_a_dead_end(stand: Stand) -> None:
    """From each stand a wish can come to be confirmed, and can come to be gone."""
    reached = {stand}
    while more := {cell.target for (source, _), cell in TABLE.items() if source in reached} - reached:
        reached |= more
    assert Stand.GONE in reached
    assert Stand.LIVE in reached


@pytest.mark.parametrize("stand", [stand for stand in Stand if stand not in FINAL])
def test_every_stand_survives_a_drop(stand: Stand) -> None:
    """When the line breaks, what is wanted is offline, and what was only still to be taken back is gone."""
    unwanted = stand in {Stand.ABANDONED, Stand.LEAVING, Stand.COOLING}
    assert TABLE[stand, Turn.LINE_DOWN].target is (Stand.GONE if unwanted else Stand.OFFLINE)


def test_gone_is_final() -> None:
    """Nothing happens any more to what is forgotten."""
    assert not [turn for stand, turn in TABLE if stand is Stand.GONE]


def test_the_most_patient_holder_decides() -> None:
    """The time-out of a wish is the longest of its handles'."""
    wish = Wish("A", None)
    assert wish.confirm_timeout == 5.0
    for seconds in (1.0, 20.0, 3.0):
        wish.handles.append(Handle(SubscriptionOptions(confirm_timeout=seconds), lambda _: None))
    assert wish.confirm_timeout == 20.0
