"""The way in, on virtual time: turns are called when they come, and nobody is left standing."""

from __future__ import annotations

import asyncio

import pytest

from cableway.gateway.admission import Admission, Answer
from cableway.gateway.entrance import Entrance
from cableway.gateway.stats import Counters

pytestmark = pytest.mark.looptime


class Crowd:
    """Clients before an entrance that lets four a second in."""

    def __init__(self, rate: float = 4, wait: float = 2) -> None:
        self.counters = Counters()
        self.entrance = Entrance(Admission(rate, wait), self.counters)
        self.gone: set[int] = set()
        self.answers: dict[int, tuple[Answer, float]] = {}

    async def come(self, name: int) -> None:
        """Come, and note what is said, and when."""
        answer = await self.entrance.turn(lambda: name not in self.gone)
        self.answers[name] = (answer, round(asyncio.get_running_loop().time() - self.start, 3))

    async def send(self, clients: int) -> list[asyncio.Task[None]]:
        """Send clients, numbered from 0, and let those in who need not wait."""
        self.start = asyncio.get_running_loop().time()
        tasks = [asyncio.create_task(self.come(name)) for name in range(clients)]
        for _ in range(5):
            await asyncio.sleep(0)
        return tasks


async def test_turns_are_called_when_they_come() -> None:
    """One at once, eight that wait, one refused; a quarter of a second between two."""
    crowd = Crowd()
    tasks = await crowd.send(10)
    assert crowd.answers == {0: (Answer.ENTER, 0), 9: (Answer.LATER, 0)}
    assert crowd.entrance.waiting == 8
    await asyncio.gather(*tasks)
    assert [crowd.answers[n] for n in range(9)] == [(Answer.ENTER, n / 4) for n in range(9)]
    assert crowd.entrance.waiting == 0
    assert (crowd.entrance._calls, crowd.entrance._timer) == ({}, None)


async def test_who_left_is_skipped_and_the_next_is_called_in_its_place() -> None:
    """It is counted, and its own wait ends as well."""
    crowd = Crowd()
    tasks = await crowd.send(5)
    crowd.gone |= {1, 2}
    assert crowd.entrance.waiting == 2
    await asyncio.gather(*tasks)
    assert crowd.answers == {
        0: (Answer.ENTER, 0),
        1: (Answer.GONE, 0.25),
        2: (Answer.GONE, 0.25),
        3: (Answer.ENTER, 0.25),
        4: (Answer.ENTER, 0.5),
    }
    assert crowd.counters["skipped_dead"] == 2


async def test_who_left_makes_room_in_a_full_queue() -> None:
    """The one who comes next finds a place, and the wait of the one who left is over at once."""
    crowd = Crowd()
    tasks = await crowd.send(9)
    crowd.gone.add(5)
    await asyncio.sleep(0.1)
    tasks.append(asyncio.create_task(crowd.come(9)))
    await asyncio.gather(*tasks)
    assert crowd.answers[5] == (Answer.GONE, 0.1)
    assert crowd.answers[9] == (Answer.ENTER, 2.0)


async def test_a_crowd_before_a_full_queue_does_not_look_through_it_one_by_one() -> None:
    """A look at the whole queue serves all who come in the same moment."""
    crowd, looks = Crowd(rate=100, wait=1), 0

    def here(name: int) -> bool:
        nonlocal looks
        looks += name < 101
        return True

    clients = [asyncio.create_task(crowd.entrance.turn(lambda name=name: here(name))) for name in range(1000)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert sum(client.done() for client in clients) > 800
    assert looks < 1000
    await asyncio.gather(*clients)


async def test_who_left_before_being_looked_at_is_skipped() -> None:
    """Even where nobody need wait, and without taking a turn."""
    crowd = Crowd(rate=1, wait=0)
    crowd.gone.add(0)
    await asyncio.gather(*await crowd.send(2))
    assert [crowd.answers[n][0] for n in (0, 1)] == [Answer.GONE, Answer.ENTER]
    assert crowd.counters["skipped_dead"] == 1


async def test_a_client_that_is_cancelled_leaves_the_queue() -> None:
    """The turn is the next one's."""
    crowd = Crowd()
    tasks = await crowd.send(3)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert crowd.answers == {0: (Answer.ENTER, 0), 2: (Answer.ENTER, 0.25)}


async def test_a_closed_entrance_sends_all_away_and_leaves_no_timer() -> None:
    """Those who wait, and those who come later."""
    crowd = Crowd()
    tasks = await crowd.send(3)
    crowd.gone.add(2)
    crowd.entrance.close()
    await asyncio.gather(*tasks)
    await crowd.come(7)
    assert crowd.answers == {
        0: (Answer.ENTER, 0),
        1: (Answer.LATER, 0),
        2: (Answer.GONE, 0),
        7: (Answer.LATER, 0),
    }
    assert crowd.entrance._timer is None


async def test_promises_are_counted() -> None:
    """Each refusal for load is one."""
    crowd = Crowd()
    assert [crowd.entrance.come_back_in() for _ in range(8)] == [1] * 4 + [2] * 4
    assert crowd.counters["refused_for_load"] == 8
