"""Sessions that can be asked back: for how long, how often, and as what."""

from __future__ import annotations

import pytest

from cableway.gateway.cache import KeptSession, SessionCache

LIFE = 300.0


class Client:
    """A session whose state changes."""

    def __init__(self, name: str = "ann") -> None:
        self.name = name
        self.looks = 0

    def take(self) -> KeptSession:
        """Tell what it is like at this moment."""
        self.looks += 1
        return KeptSession(self.name, None, {})


def names(cache: SessionCache, sid: str, now: float) -> str | None:
    """Tell who is let in by *sid*."""
    kept = cache.find(sid, now)
    return None if kept is None else kept.identifiers


def test_a_session_is_asked_back_as_it_was_when_it_went() -> None:
    """What becomes of it afterwards, while its channels end, is no part of it."""
    cache, client = SessionCache(LIFE), Client("before")
    cache.begin("s1", client.take)
    client.name = "at the end"
    cache.end("s1", 1000)
    client.name = "after"
    assert names(cache, "s1", 1001) == "at the end"


def test_while_it_lives_it_can_be_asked_back_as_it_is() -> None:
    """The line may be dead without the server knowing, for however long."""
    cache, client = SessionCache(LIFE), Client("before")
    cache.begin("s1", client.take)
    assert client.looks == 0
    cache.expire(1e9)
    client.name = "now"
    assert names(cache, "s1", 1e9) == "now"


def test_its_time_counts_from_the_end() -> None:
    """To the last moment; then it is forgotten, looked for or not."""
    cache = SessionCache(LIFE)
    cache.begin("s1", Client().take)
    cache.end("s1", 1000)
    assert names(cache, "s1", 1000 + LIFE) == "ann"
    assert names(cache, "s1", 1000 + LIFE + 0.001) is None
    cache.expire(1000 + LIFE)
    assert list(cache._entries) == ["s1"]
    cache.expire(1000 + LIFE + 0.001)
    assert cache._entries == {}


def test_it_can_be_asked_back_any_number_of_times() -> None:
    """It is neither used up nor kept any longer by that."""
    cache = SessionCache(LIFE)
    cache.begin("s1", Client().take)
    cache.end("s1", 0)
    assert [names(cache, "s1", LIFE * part / 4) for part in range(5)] == ["ann"] * 5
    assert names(cache, "s1", LIFE + 1) is None


def test_an_end_that_is_told_twice_counts_once() -> None:
    """The first one."""
    cache, client = SessionCache(LIFE), Client("first")
    cache.begin("s1", client.take)
    cache.end("s1", 0)
    client.name = "second"
    cache.end("s1", 200)
    assert names(cache, "s1", LIFE) == "first"
    assert names(cache, "s1", LIFE + 1) is None


def test_sessions_are_told_apart_by_their_ids() -> None:
    """A stranger's id lets nobody in, nor does the end of one touch another."""
    cache = SessionCache(LIFE)
    cache.begin("s1", Client("ann").take)
    cache.begin("s2", Client("bob").take)
    cache.end("s1", 0)
    cache.end("stranger", 0)
    cache.expire(LIFE + 1)
    assert [names(cache, sid, LIFE + 1) for sid in ("s1", "s2", "stranger", "")] == [None, "bob", None, None]


def test_a_session_that_begins_under_a_known_id_takes_its_place() -> None:
    """Two clients with one ``X-Request-ID`` are one to the server."""
    cache = SessionCache(LIFE)
    cache.begin("s1", Client("ann").take)
    cache.end("s1", 0)
    cache.begin("s1", Client("bob").take)
    assert names(cache, "s1", LIFE + 1) == "bob"


@pytest.mark.parametrize("life", [0, 0.0])
def test_without_a_life_none_is_kept(life: float) -> None:
    """Not even while it lasts: nobody can be asked back."""
    cache = SessionCache(life)
    cache.begin("s1", Client().take)
    assert cache.find("s1", 0) is None
    cache.end("s1", 0)
    assert cache.find("s1", 0) is None
