"""The client's side of a session: every cell of its table, and what it makes of bytes."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from cableway.errors import MalformedFrame
from cableway.transitions import UnexpectedEvent, look_up
from cableway.wire.client_session import (
    HELD_LIMIT,
    MALFORMED_LIMIT,
    MALFORMED_WINDOW,
    TABLE,
    Act,
    ClientSession,
    Heard,
    Phase,
)
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.frames import Confirm, Data, Disconnect, Frame, Ping, Reject, ServerError, Welcome

GREETING, LIVE, ENDED = Phase.GREETING, Phase.LIVE, Phase.ENDED

EXPECTED: dict[tuple[Phase, Heard], tuple[Phase, tuple[Act, ...]]] = {
    (GREETING, Heard.WELCOME): (LIVE, (Act.HAND_ON, Act.RELEASE)),
    (GREETING, Heard.PING): (GREETING, (Act.COUNT,)),
    (GREETING, Heard.PONG): (GREETING, (Act.COUNT,)),
    (GREETING, Heard.CONFIRM): (GREETING, (Act.HOLD,)),
    (GREETING, Heard.REJECT): (GREETING, (Act.HOLD,)),
    (GREETING, Heard.DATA): (GREETING, (Act.HOLD,)),
    (GREETING, Heard.HISTORY): (GREETING, (Act.HOLD,)),
    (GREETING, Heard.PRESENCE): (GREETING, (Act.HOLD,)),
    (GREETING, Heard.DISCONNECT): (ENDED, (Act.HAND_ON,)),
    (GREETING, Heard.ERROR): (GREETING, (Act.HAND_ON,)),
    (GREETING, Heard.UNKNOWN): (GREETING, (Act.COUNT,)),
    (GREETING, Heard.MALFORMED): (GREETING, (Act.COUNT,)),
    (GREETING, Heard.FLOOD): (ENDED, (Act.COUNT,)),
    (GREETING, Heard.LOST): (ENDED, ()),
    (LIVE, Heard.WELCOME): (LIVE, (Act.COUNT,)),
    (LIVE, Heard.PING): (LIVE, (Act.HAND_ON,)),
    (LIVE, Heard.PONG): (LIVE, (Act.HAND_ON,)),
    (LIVE, Heard.CONFIRM): (LIVE, (Act.HAND_ON,)),
    (LIVE, Heard.REJECT): (LIVE, (Act.HAND_ON,)),
    (LIVE, Heard.DATA): (LIVE, (Act.HAND_ON,)),
    (LIVE, Heard.HISTORY): (LIVE, (Act.HAND_ON,)),
    (LIVE, Heard.PRESENCE): (LIVE, (Act.HAND_ON,)),
    (LIVE, Heard.DISCONNECT): (ENDED, (Act.HAND_ON,)),
    (LIVE, Heard.ERROR): (LIVE, (Act.HAND_ON,)),
    (LIVE, Heard.UNKNOWN): (LIVE, (Act.COUNT,)),
    (LIVE, Heard.MALFORMED): (LIVE, (Act.COUNT,)),
    (LIVE, Heard.FLOOD): (ENDED, (Act.COUNT,)),
    (LIVE, Heard.LOST): (ENDED, ()),
    **{(ENDED, heard): (ENDED, ()) for heard in Heard},
}


@pytest.mark.parametrize(("phase", "heard"), list(product(Phase, Heard)), ids=lambda item: item.name.lower())
def test_every_cell(phase: Phase, heard: Heard) -> None:
    """There is no pair that the table does not know: nothing a server says is unexpected."""
    cell = look_up(TABLE, phase, heard)
    assert (cell.target, cell.actions) == EXPECTED[phase, heard]


def test_an_unknown_pair_names_itself() -> None:
    """A hole in a table would be our fault, and would say so."""
    with pytest.raises(UnexpectedEvent, match=r"no transition from Phase.LIVE on Heard.PING"):
        look_up({}, Phase.LIVE, Heard.PING)


def test_only_the_end_is_final() -> None:
    """From every phase the end can be reached, and it is never left."""
    for phase in (GREETING, LIVE):
        assert ENDED in {cell.target for (source, _), cell in TABLE.items() if source is phase}
    assert {cell.target for (source, _), cell in TABLE.items() if source is ENDED} == {ENDED}


class Talk:
    """A session, and a server to speak to it."""

    def __init__(self, *, live: bool = True) -> None:
        self.session = ClientSession(JSONCodec(), BaseDialect())
        self.now = 0.0
        if live:
            self.say({"type": "welcome"})

    def say(self, value: Any) -> list[Frame]:
        """Send a JSON value, or bytes as they are."""
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.session.receive(raw, self.now)


def test_what_comes_before_the_welcome_is_acted_on_after_it() -> None:
    """The welcome comes first, whatever the order on the wire."""
    talk = Talk(live=False)
    assert talk.say({"identifier": "a", "message": 1}) == []
    assert talk.say({"type": "confirm_subscription", "identifier": "a"}) == []
    assert talk.say({"type": "reject_subscription", "identifier": "b"}) == []
    assert talk.say({"type": "welcome", "sid": "s"}) == [Welcome("s"), Data("a", 1), Confirm("a"), Reject("b")]
    assert talk.session.phase is LIVE


def test_what_is_held_is_bounded() -> None:
    """A server that never welcomes does not fill the memory."""
    talk = Talk(live=False)
    for number in range(HELD_LIMIT + 3):
        talk.say({"identifier": "a", "message": number})
    assert len(talk.say({"type": "welcome"})) == HELD_LIMIT + 1
    assert talk.session.counts["held too many"] == 3


def test_a_second_welcome_is_counted() -> None:
    """To subscribe again because of it would double everything."""
    talk = Talk()
    assert talk.say({"type": "welcome"}) == []
    assert talk.session.counts == {"welcome": 1}
    assert talk.say({"type": "ping", "message": 1}) == [Ping(1)]


@pytest.mark.parametrize("live", [True, False])
def test_a_disconnect_is_the_end(live: bool) -> None:  # noqa: FBT001
    """Before the welcome and after it; nothing counts any more."""
    talk = Talk(live=live)
    assert talk.say({"type": "disconnect", "reason": "remote", "reconnect": False}) == [Disconnect("remote", False)]
    for frame in ({"type": "welcome"}, {"identifier": "a", "message": 1}, b"junk", b"null", {"type": "disconnect"}):
        assert talk.say(frame) == []
    assert talk.session.phase is ENDED
    assert talk.session.counts == {}
    assert talk.session.fault is None


def test_after_the_line_is_lost_nothing_counts() -> None:
    """Frames that were still on their way belong to nobody."""
    talk = Talk()
    talk.session.lost()
    assert talk.say({"type": "ping"}) == []
    assert talk.session.phase is ENDED


def test_unknown_types_fields_and_nulls_are_tolerated() -> None:
    """A later server may say more; what is not understood is counted and left alone."""
    talk = Talk()
    assert talk.say({"type": "later", "identifier": "a", "message": 1}) == []
    assert talk.say({"type": ""}) == []
    assert talk.say(b"null") == []
    assert talk.say({"type": "ping", "source": "emulation"}) == [Ping(None)]
    assert talk.session.counts == {"unknown type": 2, "empty": 1}


def test_errors_are_passed_on_at_any_time() -> None:
    """One day they may tell what only a log line tells now."""
    for live in (True, False):
        talk = Talk(live=live)
        assert talk.say({"type": "error", "reason": "x"}) == [ServerError({"type": "error", "reason": "x"})]


@pytest.mark.parametrize("value", [0, "", False, None, [], {}, 0.0])
def test_falsy_messages_are_messages(value: Any) -> None:
    """What counts is that there is a message, not what it is."""
    assert Talk().say({"identifier": "a", "message": value}) == [Data("a", value)]


def test_malformed_frames_are_counted_and_survived() -> None:
    """The first of an episode is the one to tell of."""
    talk = Talk()
    assert talk.say(b"{") == []
    assert talk.session.episode_begins
    assert isinstance(talk.session.fault, MalformedFrame)
    talk.say({"type": 3})
    assert not talk.session.episode_begins
    assert talk.say({"type": "ping"}) == [Ping()]
    assert talk.session.counts["malformed"] == 2
    talk.now += MALFORMED_WINDOW + 1
    talk.say([])
    assert talk.session.episode_begins


def test_too_much_nonsense_ends_the_session() -> None:
    """Twenty malformed frames within a minute, wherever they were found, make the line useless."""
    talk = Talk()
    for _ in range(MALFORMED_LIMIT - 1):
        talk.say(b"junk")
        talk.now += MALFORMED_WINDOW / MALFORMED_LIMIT
    assert not talk.session.flooded
    found_later = MalformedFrame("found by a consumer")
    talk.session.malformed(found_later, talk.now)
    assert talk.session.flooded
    assert talk.session.fault is found_later
    assert talk.say({"type": "ping"}) == []
    talk.session.malformed(MalformedFrame("later"), talk.now)
    assert talk.session.fault is found_later
    assert talk.session.counts == {"malformed": MALFORMED_LIMIT - 1, "too many malformed": 1}


def test_nonsense_now_and_then_is_survived_for_ever() -> None:
    """Only its rate counts."""
    talk = Talk()
    for _ in range(500):
        talk.say(b"junk")
        talk.now += MALFORMED_WINDOW / (MALFORMED_LIMIT - 1) + 0.1
    assert not talk.session.flooded
    assert talk.session.phase is LIVE


def test_an_end_is_no_flood() -> None:
    """A session that ended for another reason is not said to be flooded."""
    talk = Talk()
    for _ in range(MALFORMED_LIMIT - 1):
        talk.say(b"junk")
    talk.say({"type": "disconnect"})
    talk.say(b"junk")
    assert not talk.session.flooded
