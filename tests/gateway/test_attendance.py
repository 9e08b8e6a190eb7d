"""Who is present: each person once, for as long as one of their sessions is, and a little longer."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from cableway.gateway.attendance import Attendance
from cableway.wire.positions import Member

LIFE = 15.0


class Room:
    """The people of one stream."""

    def __init__(self) -> None:
        self.attendance = Attendance(LIFE)

    def join(self, sid: str, name: str, info: Any = None, *, now: float = 0, kept: bool = True) -> Member | None:
        """Have a session be present."""
        return self.attendance.join("room", sid, Member(name, info), now, kept=kept)

    def leave(self, sid: str) -> Member | None:
        """Have it be present no more."""
        return self.attendance.leave("room", sid)

    def gone(self, now: float) -> list[str]:
        """Tell whose time is over."""
        return [member.id for _, member in self.attendance.expire(now)]

    @property
    def present(self) -> dict[str, Any]:
        """Who is there, with what is told about them."""
        return {member.id: member.info for member in self.attendance.present("room")}

    @property
    def empty(self) -> bool:
        """Whether nothing at all is left behind."""
        return not self.attendance._people and not self.attendance._attendees


def test_a_person_comes_with_the_first_session_and_goes_with_the_last() -> None:
    """Whoever hears of it hears of people, not of their browser tabs; who goes is told by the id alone."""
    room = Room()
    assert room.join("s1", "ann", {"name": "Ann"}) == Member("ann", {"name": "Ann"})
    assert room.join("s2", "ann", {"name": "Ann"}) is None
    assert room.leave("s1") is None
    assert room.present == {"ann": {"name": "Ann"}}
    assert room.leave("s2") == Member("ann")
    assert room.empty


def test_said_again_it_brings_the_info_up_to_date_without_a_word() -> None:
    """By any of their sessions."""
    room = Room()
    room.join("s1", "ann", 1)
    assert room.join("s1", "ann", 2) is None
    assert room.present == {"ann": 2}
    assert room.join("s2", "ann", None) is None
    assert room.present == {"ann": None}
    assert room.leave("s1") is None


def test_a_session_is_one_person_in_a_stream() -> None:
    """By another id nothing happens; once it has left, it may come as somebody else."""
    room = Room()
    room.join("s1", "ann", 1)
    assert room.join("s1", "bob", 2) is None
    assert room.present == {"ann": 1}
    assert room.leave("s1") == Member("ann")
    assert room.join("s1", "bob", 2) == Member("bob", 2)


def test_streams_know_nothing_of_each_other() -> None:
    """One session may be somebody else in each, and leaves one at a time."""
    attendance = Attendance(LIFE)
    attendance.join("a", "s1", Member("ann"), 0, kept=True)
    attendance.join("b", "s1", Member("bob"), 0, kept=True)
    assert attendance.leave("a", "s1") == Member("ann")
    assert attendance.present("a") == ()
    assert attendance.present("b") == (Member("bob"),)
    assert attendance.present("c") == ()


def test_who_was_not_there_cannot_leave() -> None:
    """Neither a stranger, nor one who is present elsewhere, nor one who has left already."""
    room = Room()
    room.attendance.join("elsewhere", "s1", Member("ann"), 0, kept=True)
    assert room.leave("s1") is None
    assert room.leave("s2") is None
    room.join("s2", "ann")
    room.leave("s2")
    assert room.leave("s2") is None
    assert room.present == {}


def test_who_is_disconnected_counts_a_little_longer() -> None:
    """To the very end of that time; then all their streams are told."""
    room = Room()
    room.join("s1", "ann", now=0)
    room.attendance.join("other", "s1", Member("a."), 0, kept=True)
    assert room.gone(1000) == []
    room.attendance.disconnected("s1", 1000)
    assert room.gone(1000 + LIFE) == []
    assert room.present == {"ann": None}
    assert sorted(room.attendance.expire(1000 + LIFE + 0.1)) == [("other", Member("a.")), ("room", Member("ann"))]
    assert room.empty


def test_who_comes_back_by_another_session_was_never_away() -> None:
    """A session that was asked back is a new one: it joins again before the old one's time is over."""
    room = Room()
    room.join("s1", "ann", 1)
    room.attendance.disconnected("s1", 0)
    assert room.join("s2", "ann", 2, now=10) is None
    assert room.gone(LIFE + 1) == []
    assert room.present == {"ann": 2}
    assert room.leave("s2") == Member("ann")


def test_who_left_before_the_line_went_is_not_told_of_again() -> None:
    """A disconnected session without any stream has nobody to take along."""
    room = Room()
    room.join("s1", "ann")
    room.leave("s1")
    room.attendance.disconnected("s1", 0)
    room.attendance.disconnected("stranger", 0)
    assert room.gone(1000) == []


def test_on_the_base_protocol_presence_lapses_by_itself() -> None:
    """From the first join on, and no later one, here or elsewhere, keeps it up: as with AnyCable."""
    room = Room()
    room.join("s1", "ann", now=0, kept=False)
    room.join("s1", "ann", now=10, kept=False)
    room.attendance.join("other", "s1", Member("a."), 10, kept=False)
    assert room.gone(LIFE) == []
    assert sorted(stream for stream, _ in room.attendance.expire(LIFE + 0.1)) == ["other", "room"]
    assert room.join("s1", "ann", now=20, kept=False) == Member("ann")
    assert room.gone(20 + LIFE + 0.1) == ["ann"]


@pytest.mark.parametrize("seed", range(10))
def test_in_any_run_people_come_and_go_in_turn(seed: int) -> None:
    """What is told adds up to who is there, and after everybody's time nothing is left."""
    random, attendance, now = Random(seed), Attendance(LIFE), 0.0
    told: dict[tuple[str, str], bool] = {}

    def tell(stream: str, member: Member, *, there: bool) -> None:
        assert told.get((stream, member.id), False) is not there
        told[stream, member.id] = there

    for _ in range(500):
        now += random.random() * 4
        sid, stream = f"s{random.randrange(8)}", random.choice("ab")
        match random.randrange(4):
            case 0 | 1:
                member = Member(random.choice("xyz"))
                come = attendance.join(stream, sid, member, now, kept=random.random() < 0.8)
                if come is not None:
                    tell(stream, come, there=True)
            case 2:
                gone = attendance.leave(stream, sid)
                if gone is not None:
                    tell(stream, gone, there=False)
            case _:
                attendance.disconnected(sid, now)
        for where, over in attendance.expire(now):
            tell(where, over, there=False)
        present = {(where, member.id) for where in "ab" for member in attendance.present(where)}
        assert present == {key for key, there in told.items() if there}
    for number in range(8):
        attendance.disconnected(f"s{number}", now)
    list(attendance.expire(now + LIFE + 1))
    assert (attendance._people, attendance._attendees) == ({}, {})
