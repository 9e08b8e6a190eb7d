"""Who is present in which stream: each person once, with however many sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from cableway.wire.positions import Member

if TYPE_CHECKING:
    from collections.abc import Iterator


@define
class _Person:
    member: Member
    sessions: set[str] = field(factory=set)


@define
class _Attendee:
    """What a session has said."""

    names: dict[str, str] = field(factory=dict)
    """Its id in each stream."""
    deadline: float | None = None
    """When it counts as gone; ``None``: not by itself."""


class Attendance:
    """All streams of a gateway."""

    def __init__(self, life: float) -> None:
        self._life = life
        self._people: dict[str, dict[str, _Person]] = {}
        self._attendees: dict[str, _Attendee] = {}

    def join(self, stream: str, sid: str, member: Member, now: float, *, kept: bool) -> Member | None:
        """Have a session be present as *member*; return that if nobody was by this id so far.

        Said again it brings the info up to date. By another id of the same session, nothing happens: as in AnyCable.

        Args:
            stream: Where.
            sid: The session.
            member: As whom.
            now: The time.
            kept: Whether it stays for as long as the session is connected. Where the protocol has no such thing, it
                lapses, life or no life.
        """
        attendee = self._attendees.get(sid)
        if attendee is None:
            attendee = self._attendees[sid] = _Attendee(deadline=None if kept else now + self._life)
        if attendee.names.get(stream, member.id) != member.id:
            return None
        attendee.names[stream] = member.id
        people = self._people.setdefault(stream, {})
        person = people.get(member.id)
        if person is None:
            people[member.id] = _Person(member, {sid})
            return member
        person.member = member
        person.sessions.add(sid)
        return None

    def leave(self, stream: str, sid: str) -> Member | None:
        """Have a session be present in *stream* no more; return who is gone, if it was the last one of theirs."""
        attendee = self._attendees.get(sid)
        name = attendee.names.pop(stream, None) if attendee is not None else None
        if attendee is not None and not attendee.names:
            del self._attendees[sid]
        return None if name is None else self._without(stream, name, sid)

    def disconnected(self, sid: str, now: float) -> None:
        """A session is gone: it counts for a little longer, for it may come back."""
        attendee = self._attendees.get(sid)
        if attendee is not None:
            attendee.deadline = now + self._life

    def expire(self, now: float) -> Iterator[tuple[str, Member]]:
        """Give the streams and people whose time is over. Called once a second."""
        for sid, attendee in list(self._attendees.items()):
            if attendee.deadline is None or attendee.deadline >= now:
                continue
            del self._attendees[sid]
            for stream, name in attendee.names.items():
                gone = self._without(stream, name, sid)
                if gone is not None:
                    yield stream, gone

    def present(self, stream: str) -> tuple[Member, ...]:
        """Return who is there, in no order that means anything."""
        return tuple(person.member for person in self._people.get(stream, {}).values())

    def _without(self, stream: str, name: str, sid: str) -> Member | None:
        people = self._people.get(stream, {})
        person = people.get(name)
        if person is None:
            return None
        person.sessions.discard(sid)
        if person.sessions:
            return None
        del people[name]
        if not people:
            self._people.pop(stream, None)
        return Member(name)
