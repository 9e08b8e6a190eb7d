"""Several servers, one client: where subscriptions go, and how they move while messages flow."""

from __future__ import annotations

import asyncio
import gc
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    CallbackFailed,
    Channel,
    Closed,
    Connected,
    ConnectTimeout,
    Event,
    InvalidIdentifier,
    InvalidURL,
    NotConnected,
    State,
    SubscriptionState,
    Unauthorized,
    UsageError,
    action,
)
from cableway.events import MoveFailed, ShardEvent, SubscriptionMoved
from cableway.gateway import Gateway
from cableway.policies.monitors import OnDemandMonitor, PersistentMonitor
from cableway.policies.topics import TopicRouter
from cableway.sharded import ShardedCable
from tests.scripted import STEADY, background, identifier, settle
from tests.sharding.played import Servers, sharded, topic_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway.sharding.subscription import ShardedSubscription

pytestmark = pytest.mark.looptime


class Counter:
    """Publishes 0, 1, 2, ... to all servers, one every tenth of a second, until it is stopped."""

    def __init__(self, servers: Servers, name: str) -> None:
        self.published = 0
        self._task = background(self._run(servers, name))

    async def _run(self, servers: Servers, name: str) -> None:
        while True:
            servers.publish(name, self.published)
            self.published += 1
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Let what is on its way arrive."""
        self._task.cancel()
        await asyncio.sleep(5)


async def gather_up(subscription: ShardedSubscription[Any], into: list[Any]) -> None:
    """Read until the end."""
    into.extend([message.data async for message in subscription])


def repeats(values: list[int]) -> list[int]:
    """Return what came more than once, in the order of the second time."""
    seen: set[int] = set()
    return [value for value in values if value in seen or seen.add(value)]  # type: ignore[func-returns-value]


# Where they go


async def test_only_shards_that_carry_something_are_dialled() -> None:
    """Opening dials nobody; the first subscription on a shard brings up its line and no other."""
    async with sharded("a", "b") as (cable, servers):
        await asyncio.sleep(10)
        assert servers.dialled == []

        chat = cable.subscribe("Chat", topic=topic_on(cable, "b"))
        await chat

        assert (servers.dialled, chat.shard, chat.state) == (["b"], "b", SubscriptionState.SUBSCRIBED)
        assert cable.states == {"a": State.IDLE, "b": State.CONNECTED}
        assert set(cable.cables) == {"a", "b"}


async def test_topics_decide() -> None:
    """A subscription goes where the router says its topic goes: one given, a function's, or the identifier."""

    def by_match(channel: str, params: Any) -> str | None:
        return f"match/{params['match']}" if "match" in params else None

    async with sharded("a", "b", "c", topic=by_match) as (cable, _):
        given = cable.subscribe("Chat", match=1, topic="mine")
        derived = cable.subscribe("Chat", {"match": 1})
        plain = cable.subscribe("Chat", room=1)
        stream = cable.stream("news")
        signed = cable.signed_stream("bmV3cw==--abc")
        named = cable.signed_stream(lambda: "bmV3cw==--abc", topic="news")
        raw = cable.subscribe_raw('{"channel": "Odd"}')

        assert [given.topic, derived.topic, plain.topic] == ["mine", "match/1", identifier("Chat", room=1)]
        assert (stream.topic, stream.identifier) == ("news", identifier("$pubsub", stream_name="news"))
        assert signed.topic == identifier("$pubsub", signed_stream_name="bmV3cw==--abc")
        assert (named.topic, raw.topic) == ("news", '{"channel": "Odd"}')
        for each in (given, derived, plain, stream, signed, named, raw):
            assert (await each).shard == cable.router.shard_of(each.topic)
        assert named.identifier == signed.identifier


async def test_a_pinned_topic_is_alone_on_its_shard() -> None:
    """The hot match has a server of its own; 50 others share the rest."""
    router = TopicRouter(["a", "b"], pins={"final": "hot"})
    async with sharded("a", "b", "hot", router=router) as (cable, _):
        final = cable.subscribe("Match", id="final", topic="final")
        others = [cable.subscribe("Match", id=i) for i in range(50)]

        assert final.shard == "hot"
        assert {other.shard for other in others} == {"a", "b"}


class Speaker(Channel[str]):
    name = "Speaker"
    decode = str
    room: int

    @action
    async def speak(self, text: str) -> None:
        """Say it."""


async def test_channels_act_through_moves() -> None:
    """A channel class is decoded and performs on the shard that carries it, before a move and after it."""
    async with sharded("a", "b") as (cable, servers):
        speaker = await cable.subscribe(Speaker, room=1, topic=topic_on(cable, "a"))
        await speaker.channel.speak("one")
        await cable.drain("a")
        await speaker.channel.speak("two")
        await settle()
        servers.publish(speaker.identifier, 7)
        message = await speaker.receive(timeout=1)
        await asyncio.sleep(1)

        assert message.data == "7"
        assert speaker.channel.subscription is speaker
        assert servers["a"].performed == [{"action": "speak", "text": "one"}]
        assert servers["b"].performed == [{"action": "speak", "text": "two"}]


# Draining


async def test_a_drain_while_messages_flow_loses_nothing() -> None:
    """Read to the end: every number comes, each shard's in order, and twice only those of the overlap."""
    async with sharded("a", "b", overlap=2) as (cable, servers):
        numbers = await cable.subscribe("Numbers", topic=topic_on(cable, "a"))
        # The old shard is slower: what it had on its way when the new one confirmed would be lost without the overlap.
        servers["a"].latency = 1.5
        counter, seen = Counter(servers, numbers.identifier), list[int]()
        reader = background(gather_up(numbers, seen))
        await asyncio.sleep(5)

        await cable.drain("a")
        assert (numbers.shard, servers["a"].is_up, cable.states) == ("b", False, {"b": State.CONNECTED})

        await asyncio.sleep(3)
        await counter.stop()
        await numbers.unsubscribe()
        await reader
        twice = repeats(seen)
        cut = seen.index(twice[0], seen.index(twice[0]) + 1)

        assert set(seen) == set(range(counter.published))
        assert all(one + 1 == other for part in (seen[:cut], seen[cut:]) for one, other in pairwise(part))
        # Published every tenth of a second; a's lag shortens what both deliver in the two seconds.
        assert 0 < len(twice) <= (2 - 1.5) / 0.1 + 2
        assert numbers.stats().received == len(seen)
        assert servers["a"].line.closed_by_client == (1000, "")


async def test_without_the_overlap_the_slow_message_would_be_lost() -> None:
    """The proof that the overlap is what saves it: with none, what the old shard had on its way is missing."""
    async with sharded("a", "b", overlap=0) as (cable, servers):
        numbers = await cable.subscribe("Numbers", topic=topic_on(cable, "a"))
        servers["a"].latency = 1.5
        counter, seen = Counter(servers, numbers.identifier), list[int]()
        reader = background(gather_up(numbers, seen))
        await asyncio.sleep(5)
        await cable.drain("a")
        await counter.stop()
        await numbers.unsubscribe()
        await reader

        assert set(seen) < set(range(counter.published))


async def test_what_is_unread_of_the_old_shard_comes_first() -> None:
    """Messages that nobody had read when the shard was drained are there, before those of the new one."""
    async with sharded("a", "b", overlap=0.5) as (cable, servers):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        for number in range(3):
            servers.publish(chat.identifier, f"a{number}")
        await asyncio.sleep(1)
        await cable.drain("a")
        servers.publish(chat.identifier, "b0")
        await asyncio.sleep(1)

        assert chat.stats().unread == 4
        assert [message.data for message in chat.take(2)] == ["a0", "a1"]
        assert (await anext(chat)).data == "a2"
        assert [message.data for message in chat.take()] == ["b0"]
        assert chat.take() == []


async def test_many_move_at_once_and_only_those_of_the_shard() -> None:
    """Of 60 subscriptions those on the drained shard move, and the others never hear a command."""
    async with sharded("a", "b", "c") as (cable, servers):
        subscriptions = [cable.subscribe("Room", id=i) for i in range(60)]
        for each in subscriptions:
            await each
        before = {each: each.shard for each in subscriptions}
        await cable.drain("c")

        assert all(each.shard == shard for each, shard in before.items() if shard != "c")
        assert {each.shard for each in subscriptions} == {"a", "b"}
        assert servers["c"].subscribed == set()
        for name in "ab":
            commands = servers[name].commands
            assert len(commands) == len(set(commands)) == len([each for each in subscriptions if each.shard == name])
        assert all(each.state is SubscriptionState.SUBSCRIBED for each in subscriptions)


async def test_a_crowd_moves_to_a_slow_server() -> None:
    """Three hundred subscriptions, a tenth of a second each: none takes the others' turn for silence."""
    async with sharded("a", "b", move_timeout=3) as (cable, servers):
        failures: list[Event] = []
        cable.on(MoveFailed, failures.append)
        crowd = [cable.subscribe("Room", id=i, topic=topic_on(cable, "a")) for i in range(300)]
        for each in crowd:
            await each
        servers["b"].pace = 0.1
        began = asyncio.get_running_loop().time()
        await cable.drain("a", timeout=None)

        assert failures == []
        assert len(servers["b"].subscribed) == 300
        # No slower than the server: the overlaps of all run side by side.
        assert 30 < asyncio.get_running_loop().time() - began < 35


async def test_a_cancelled_read_loses_nothing_during_a_move() -> None:
    """A reader that is cancelled again and again while its shard is drained still gets every number."""
    async with sharded("a", "b") as (cable, servers):
        numbers = await cable.subscribe("Numbers", topic=topic_on(cable, "a"))
        counter, seen = Counter(servers, numbers.identifier), list[int]()
        draining = background(cable.drain("a"))
        for _ in range(300):
            try:
                async with asyncio.timeout(0.013):
                    seen.append((await anext(numbers)).data)
            except TimeoutError:
                continue
        await draining
        await counter.stop()
        await numbers.unsubscribe()
        await gather_up(numbers, seen)

        assert set(seen) == set(range(counter.published))


async def test_commands_go_to_exactly_one_shard() -> None:
    """Commands without a pause during a drain: each arrives once, at the old shard until the new one has confirmed."""
    async with sharded("a", "b") as (cable, servers):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        draining = background(cable.drain("a"))
        for number in range(150):
            await chat.perform("count", n=number)
            await asyncio.sleep(0.01)
        await draining
        await asyncio.sleep(3)
        old, new = ([command["n"] for command in servers[name].performed] for name in "ab")

        assert old
        assert new
        assert old + new == list(range(150))


async def test_a_command_that_waits_for_its_subscription_follows_it() -> None:
    """Called before the old shard has confirmed, it is sent once, by the new one."""
    async with sharded("a", "b", overlap=0) as (cable, servers):
        servers["a"].mood = "silent"
        chat = cable.subscribe("Chat", topic=topic_on(cable, "a"))
        data = {"text": "hi"}
        saying = background(chat.perform("speak", data))
        waiting = background(confirmed(chat))
        await asyncio.sleep(0.1)
        data["text"] = "changed after the call"
        await cable.drain("a")
        await asyncio.gather(saying, waiting)
        await asyncio.sleep(1)

        assert (servers["a"].performed, servers["b"].performed) == ([], [{"action": "speak", "text": "hi"}])


async def confirmed(subscription: ShardedSubscription[Any]) -> ShardedSubscription[Any]:
    """Wait for a confirmation, as a coroutine that can be made a task."""
    return await subscription


async def test_a_shard_that_does_not_take_it_leaves_it_where_it_is() -> None:
    """The new shard is silent: the old one delivers on, the failure is told, and once it answers the move is made."""
    async with sharded("a", "b", move_timeout=3) as (cable, servers):
        told: list[Event] = []
        cable.on(MoveFailed, told.append)
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        servers["b"].mood = "silent"

        with pytest.raises(TimeoutError, match="within 20 s: subscriptions left over: 1"):
            await cable.drain("a", timeout=20)
        servers.publish(chat.identifier, "still here")

        assert (await chat.receive(timeout=1)).data == "still here"
        assert chat.shard == "a"
        assert cable.router.shards == {"b"}
        first = told[0]
        assert isinstance(first, MoveFailed)
        assert (first.identifier, first.source, first.target) == (chat.identifier, "a", "b")
        assert "did not confirm the subscription within 3 s" in str(first.error)
        assert servers["b"].subscribed == set()

        servers["b"].mood = "fine"
        await cable.drain("a", timeout=60)
        assert (chat.shard, list(cable.states), servers["a"].is_up) == ("b", ["b"], False)


async def test_a_shard_that_refuses_it_leaves_it_where_it_is() -> None:
    """Rejected by the new shard, a subscription that the old one serves is not lost."""
    async with sharded("a", "b") as (cable, servers):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        servers["b"].mood = "rejecting"
        with pytest.raises(TimeoutError):
            await cable.drain("a", timeout=5)

        assert (chat.shard, chat.state) == ("a", SubscriptionState.SUBSCRIBED)


async def test_a_drain_that_stalls_can_be_taken_back() -> None:
    """Added again by its name and address, the shard keeps its subscriptions, and nothing tries to move them."""
    async with sharded("a", "b", move_timeout=1) as (cable, servers):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        servers["b"].mood = "gone"
        with pytest.raises(TimeoutError):
            await cable.drain("a", timeout=5)
        with pytest.raises(UsageError, match="is being drained, at another address"):
            await cable.add("a", "ws://elsewhere.example/cable")

        await cable.add("a", servers.urls["a"])
        servers["b"].mood = "fine"
        await asyncio.sleep(100)

        assert (chat.shard, chat.state, servers["a"].is_up) == ("a", SubscriptionState.SUBSCRIBED, True)
        assert cable.router.shards == {"a", "b"}


async def test_a_dead_shard_is_drained_too() -> None:
    """The old server is gone for good: nothing waits for it, and the subscription lives on the new one."""
    async with sharded("a", "b", overlap=60) as (cable, servers):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        servers["a"].mood = "gone"
        servers["a"].line.cut()
        await asyncio.sleep(3)
        began = asyncio.get_running_loop().time()
        await cable.drain("a")

        assert asyncio.get_running_loop().time() - began < 1
        assert (chat.shard, chat.state, list(cable.states)) == ("b", SubscriptionState.SUBSCRIBED, ["b"])


async def test_unsubscribed_during_a_move_it_is_gone_from_both() -> None:
    """Neither shard keeps a subscription that nobody holds, whenever in the move it is given up."""
    for moment in (0.0, 0.005, 0.015, 0.025, 0.5, 1.2):
        async with sharded("a", "b") as (cable, servers):
            chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
            draining = background(cable.drain("a"))
            await asyncio.sleep(moment)
            await chat.unsubscribe()
            await draining
            await asyncio.sleep(15)

            assert servers["a"].subscribed == servers["b"].subscribed == set(), moment
            assert (list(cable.states), chat.state) == (["b"], SubscriptionState.CLOSED)


async def test_closed_during_a_move_no_task_is_left() -> None:
    """Closing ends the moves, and opened anew the subscription is finished moving."""
    async with sharded("a", "b") as (cable, servers):
        before = asyncio.all_tasks()
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        draining = background(cable.drain("a", timeout=3))
        await asyncio.sleep(0.025)
        await cable.close()
        await draining
        await asyncio.sleep(5)
        assert {task for task in asyncio.all_tasks() - before if "Servers" not in repr(task)} == set()
        assert [message.data async for message in chat] == []

        await cable.open()
        await chat
        await asyncio.sleep(5)
        assert (chat.shard, list(cable.states), servers["a"].subscribed) == ("b", ["b"], set())


async def test_any_order_of_changes_loses_nothing() -> None:
    """Forty random joins, drains and pins, some cancelled or overlapping: nobody misses a number, all end in place."""
    random = Random(7)
    names = ("a", "b", "c", "d")
    async with sharded("a", "b", also=("c", "d"), overlap=0.5) as (cable, servers):
        for server in servers.by_name.values():
            server.latency = random.uniform(0.01, 0.4)
        rooms = [await cable.subscribe("Room", id=i) for i in range(10)]
        counters = [Counter(servers, room.identifier) for room in rooms]
        seen: list[list[int]] = [[] for _ in rooms]
        readers = [background(gather_up(room, into)) for room, into in zip(rooms, seen, strict=True)]
        changes: list[asyncio.Task[None]] = []
        for _ in range(40):
            changes.append(background(change(cable, servers, random, names)))
            await asyncio.sleep(random.uniform(0, 2))
            if random.random() < 0.2:
                random.choice(changes).cancel()
        await asyncio.wait(changes)
        assert [task.exception() for task in changes if not task.cancelled() and task.exception()] == []
        await cable.rebalance()
        await asyncio.gather(*(counter.stop() for counter in counters))

        assert all(room.shard == cable.router.shard_of(room.topic) for room in rooms)
        for room in rooms:
            assert [name for name in names if room.identifier in servers[name].subscribed] == [room.shard]
            await room.unsubscribe()
        await asyncio.gather(*readers)
        for counter, got in zip(counters, seen, strict=True):
            assert set(got) == set(range(counter.published))


async def change(cable: ShardedCable, servers: Servers, random: Random, names: tuple[str, ...]) -> None:
    """Do one thing to the shards, or find that it cannot be done now."""
    name = random.choice(names)
    try:
        match random.randrange(3):
            case 0:
                await cable.add(name, servers.urls[name])
            case 1:
                await cable.drain(name)
            case _:
                cable.router.pin(identifier("Room", id=random.randrange(10)), name)
                await cable.rebalance()
    except ValueError:
        # Not there, there already, the last one: nothing has changed.
        return


async def test_the_last_shard_stays() -> None:
    """Nobody is left to take its topics: nothing changes. A shard that nobody knows is named."""
    async with sharded("a", "hot", router=TopicRouter(["a"], pins={"final": "hot"})) as (cable, _):
        with pytest.raises(UsageError, match="cannot drain 'a': no other shard shares the topics"):
            await cable.drain("a")
        with pytest.raises(UsageError, match="no shard 'b' to drain: the shards are a, hot"):
            await cable.drain("b")
        assert cable.router.shards == {"a", "hot"}


# Joining, and pins that change


async def test_a_shard_that_joins_takes_over_its_part() -> None:
    """Of 90 subscriptions on three shards about a quarter moves to the fourth, and nothing else."""
    async with sharded("a", "b", "c", also=("d",)) as (cable, servers):
        subscriptions = [cable.subscribe("Room", id=i) for i in range(90)]
        for each in subscriptions:
            await each
        before = {each: each.shard for each in subscriptions}
        await cable.add("d", servers.urls["d"])
        moved = [each for each in subscriptions if each.shard != before[each]]

        assert {each.shard for each in moved} == {"d"}
        assert 90 / 4 * 0.5 < len(moved) < 90 / 4 * 1.6
        assert len(servers["d"].subscribed) == len(moved)
        with pytest.raises(UsageError, match="'d': a shard of this name is there already"):
            await cable.add("d", servers.urls["d"])


async def test_a_topic_that_becomes_hot_gets_its_own_shard() -> None:
    """A shard joins without a share; then a topic is pinned to it, moves there, and moves back when unpinned."""
    async with sharded("a", "b", also=("hot",)) as (cable, servers):
        final = await cable.subscribe("Match", topic="final")
        home = final.shard
        await cable.add("hot", servers.urls["hot"], replicas=0)
        assert servers.dialled == [home]

        cable.router.pin("final", "hot")
        await cable.rebalance()
        assert (final.shard, servers["hot"].subscribed) == ("hot", {final.identifier})

        cable.router.unpin("final")
        await cable.rebalance()
        await asyncio.sleep(0.1)
        assert (final.shard, servers["hot"].subscribed) == (home, set())


async def test_a_drained_shard_can_come_back_elsewhere() -> None:
    """Once it is gone its name is free, for another address, and its topics return to it."""
    async with sharded("a", "b", also=("c",)) as (cable, servers):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        await cable.drain("a")
        await cable.add("a", servers.urls["c"])

        assert (chat.shard, servers["c"].subscribed) == ("a", {chat.identifier})


# Open, close, failures


async def test_before_it_is_open_nothing_is_dialled_and_moves_are_free() -> None:
    """Subscriptions made before open() wait for it; drained before it, a shard is never dialled."""
    servers = Servers("a", "b")
    async with servers.serving():
        cable = ShardedCable(servers.urls, transports=[servers.transport])
        chat = cable.subscribe("Chat", topic=topic_on(cable, "a"))
        with pytest.raises(NotConnected):
            await chat
        await cable.drain("a")
        assert (chat.shard, servers.dialled) == ("b", [])

        async with cable:
            assert cable.states == {"b": State.CONNECTED}
            await chat
        assert servers.dialled == ["b"]


async def test_open_tells_which_shard_has_no_line() -> None:
    """The limit is for all lines together; after it nothing dials any more."""
    servers = Servers("a", "b")
    servers["b"].mood = "gone"
    async with servers.serving():
        cable = ShardedCable(servers.urls, transports=[servers.transport], backoff=STEADY, open_timeout=5)
        for name in "ab":
            cable.subscribe("Chat", topic=topic_on(cable, name))
        with pytest.raises(ConnectTimeout, match=r"the shard 'b' had no line within 5 s; the last try ended with"):
            await cable.open()
        dials = len(servers["b"].lines)
        await asyncio.sleep(60)

        assert len(servers["b"].lines) == dials
        assert set(cable.states.values()) == {State.CLOSED}


async def test_a_shard_that_ends_for_good_raises_where_it_is_used() -> None:
    """Its subscriptions raise its error, those of other shards do not, and open() tries it again."""
    async with sharded("a", "b") as (cable, servers):
        servers["a"].mood = "locked"
        ended = cable.subscribe("Chat", topic=topic_on(cable, "a"))
        lively = await cable.subscribe("Chat", topic=topic_on(cable, "b"))
        events = [event async for event in ended.events()]
        assert events == []

        with pytest.raises(Unauthorized):
            await ended
        with pytest.raises(Unauthorized):
            await anext(ended)
        with pytest.raises(Unauthorized):
            await ended.perform("speak")
        with pytest.raises(Unauthorized):
            await cable.subscribe("Another", topic=topic_on(cable, "a"))
        assert lively.state is SubscriptionState.SUBSCRIBED
        with pytest.raises(Unauthorized):
            await cable.open()
        assert lively.state is SubscriptionState.SUBSCRIBED

        servers["a"].mood = "fine"
        await cable.open()
        await ended


async def test_a_shard_that_ended_for_good_can_be_drained() -> None:
    """Its subscriptions live on at the others, and a reader that waits during the move hears nothing of it."""
    async with sharded("a", "b") as (cable, servers):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        servers["a"].line.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
        await settle()
        assert chat.state is SubscriptionState.CLOSED
        await cable.drain("a")
        await chat
        servers.publish(chat.identifier, "alive")

        assert (await chat.receive(timeout=1)).data == "alive"


async def test_connected_before_is_remembered_over_moves() -> None:
    """First confirmed by the second shard, as a part of the move, it is reconnected by the third."""
    async with sharded("a", "b", "c", overlap=0) as (cable, servers):
        servers["a"].mood = "silent"
        cable.router.pin("topic", "a")
        chat = cable.subscribe("Chat", topic="topic")
        cable.router.pin("topic", "b")
        await cable.rebalance()
        assert (chat.shard, chat.state) == ("b", SubscriptionState.SUBSCRIBED)
        heard: list[Event] = []
        chat.on(Connected, heard.append)
        servers["b"].line.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
        await settle()
        cable.router.pin("topic", "c")
        await cable.rebalance()
        await chat

        assert [event.reconnected for event in heard if isinstance(event, Connected)] == [True]


async def test_a_shard_that_ends_during_the_move_does_not_end_the_subscription() -> None:
    """The new shard has not confirmed yet when the old one throws us out: reading and commands go on with the new."""
    async with sharded("a", "b") as (cable, servers):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        servers["b"].mood = "silent"
        reading = background(chat.receive(timeout=30))
        draining = background(cable.drain("a"))
        await asyncio.sleep(0.1)
        servers["a"].line.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
        await asyncio.sleep(0.1)
        assert (chat.shard, chat.state) == ("b", SubscriptionState.PENDING)
        servers["b"].mood = "fine"
        servers["b"].line.confirm(chat.identifier)
        servers["b"].subscribed.add(chat.identifier)
        await chat
        servers.publish(chat.identifier, "alive")

        assert (await reading).data == "alive"
        await draining


async def test_a_line_that_breaks_comes_back_by_itself() -> None:
    """A shard's cable reconnects as any cable does; the handle only hears of it."""
    async with sharded("a", "b") as (cable, servers):
        chat = await cable.subscribe("Chat")
        heard: list[Event] = []
        chat.on(Connected, heard.append)
        servers[chat.shard].line.cut()
        await asyncio.sleep(2)

        assert [event.reconnected for event in heard if isinstance(event, Connected)] == [True]


# Lines that sleep


async def test_a_command_wakes_the_shard_that_it_goes_to() -> None:
    """With monitors that wait for demand no shard is dialled until a command needs it."""
    async with sharded("a", "b", monitor=lambda: OnDemandMonitor(linger=2)) as (cable, servers):
        chat = cable.subscribe("Chat", topic=topic_on(cable, "a"))
        cable.subscribe("Chat", topic=topic_on(cable, "b"))
        await asyncio.sleep(60)
        assert (servers.dialled, set(cable.states.values())) == ([], {State.DORMANT})

        await chat.perform("speak", text="hi")
        await asyncio.sleep(1)
        assert (servers.dialled, servers["a"].performed) == (["a"], [{"action": "speak", "text": "hi"}])
        await asyncio.sleep(60)
        assert cable.states["a"] is State.DORMANT


async def test_a_command_that_wakes_a_line_waits_for_a_while_only() -> None:
    """Nobody is there: after open_timeout the command fails, names the shard, and was not sent."""
    async with sharded("a", monitor=OnDemandMonitor, open_timeout=7) as (cable, servers):
        servers["a"].mood = "gone"
        chat = cable.subscribe("Chat")
        began = asyncio.get_running_loop().time()
        with pytest.raises(ConnectTimeout, match="the shard 'a' had no line within 7 s"):
            await chat.perform("speak")
        assert asyncio.get_running_loop().time() - began == pytest.approx(7, abs=0.01)


async def test_a_dormant_shard_is_drained_without_waking_anybody() -> None:
    """There is nothing to break: the subscription waits on the other shard for the next wake."""
    async with sharded("a", "b", monitor=OnDemandMonitor) as (cable, servers):
        chat = cable.subscribe("Chat", topic=topic_on(cable, "a"))
        await asyncio.sleep(1)
        await cable.drain("a", timeout=1)
        assert (chat.shard, servers.dialled) == ("b", [])

        await chat.perform("speak")
        await asyncio.sleep(0.1)
        assert (servers.dialled, len(servers["b"].performed)) == (["b"], 1)


async def test_a_live_subscription_wakes_the_shard_that_it_moves_to() -> None:
    """The old shard's line is held by the user; the new one is woken for the confirmation."""
    async with sharded("a", "b", monitor=OnDemandMonitor) as (cable, servers):
        chat = cable.subscribe("Chat", topic=topic_on(cable, "a"))
        await settle()
        async with cable.cables["a"].awake():
            await chat
            await cable.drain("a", timeout=5)
        assert (chat.shard, servers["b"].subscribed) == ("b", {chat.identifier})


# What is told


async def test_events_of_all_shards_come_merged() -> None:
    """Each names its shard; callbacks take the events themselves; moves are told; the end is told last."""
    async with sharded("a", "b") as (cable, _):
        stream = cable.events()
        plain: list[Any] = []
        named: list[ShardEvent] = []
        cable.on(Connected, plain.append)
        stop = cable.on(ShardEvent, named.append)
        moved: list[Any] = []
        chat = cable.subscribe("Chat", topic=topic_on(cable, "a"))
        chat.on(SubscriptionMoved, moved.append)
        await chat
        await cable.drain("a")
        stop()
        await cable.close()
        told = [event async for event in stream]

        assert [event.reconnected for event in plain] == [False, False]
        assert [e.shard for e in told if isinstance(e, ShardEvent) and isinstance(e.event, Connected)] == ["a", "b"]
        assert [e for e in told if isinstance(e, SubscriptionMoved)] == moved
        assert moved == [SubscriptionMoved(chat.identifier, "a", "b")]
        assert told[-1] == Closed(None)
        assert {event.shard for event in named} == {"a", "b"}
        assert ShardEvent("b", Closed(None)) in told
        assert ShardEvent("b", Closed(None)) not in named


async def test_a_callback_that_fails_is_told_once() -> None:
    """Under its own name, even if it fails for the news of its failure, too."""
    async with sharded("a", "b") as (cable, _):
        told: list[Any] = []

        def clumsy(event: Event) -> None:
            told.append(event)
            raise ValueError(len(told))

        cable.on(Connected, clumsy)
        cable.on(CallbackFailed, clumsy)
        await cable.subscribe("Chat")
        await settle()

        assert [type(event) for event in told] == [Connected, CallbackFailed]
        assert told[1].callback.endswith("clumsy")
        with pytest.raises(TypeError, match="give an event class"):
            cable.on(int, clumsy)  # type: ignore[type-var]


# What is given


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shards": {}}, "at least one name"),
        ({"shards": {"": "ws://a"}}, "not the name of a shard"),
        ({"router": TopicRouter(["a", "c"])}, "name different shards: 'b', 'c'"),
        ({"monitor": PersistentMonitor()}, r"monitor=lambda: PersistentMonitor\(\)"),
        ({"topic": "match"}, "is no function"),
    ],
)
async def test_what_cannot_work_is_refused_at_once(options: dict[str, Any], words: str) -> None:
    """Before anything is dialled, with the way out in the text."""
    shards = options.pop("shards", {"a": "ws://a.example/cable", "b": "ws://b.example/cable"})
    with pytest.raises(UsageError, match=words):
        ShardedCable(shards, **options)


async def test_bad_addresses_and_durations_are_refused_at_once() -> None:
    """As by a cable: at the constructor, and when a shard is added, which then is not there."""
    with pytest.raises(InvalidURL):
        ShardedCable({"a": "ftp://a.example"})
    with pytest.raises(ValueError, match="overlap=-1"):
        ShardedCable({"a": "ws://a.example"}, overlap=-1)
    cable = ShardedCable({"a": "ws://a.example"})
    with pytest.raises(InvalidURL):
        await cable.add("b", "ftp://b.example")
    with pytest.raises(ValueError, match="replicas=-1"):
        await cable.add("b", "ws://b.example", replicas=-1)
    assert cable.router.shards == cable.states.keys() == {"a"}


async def test_topics_and_parameters_that_cannot_be_are_refused() -> None:
    """A topic is a string; a parameter is given once; a name that a function gives needs a topic beside it."""
    cable = ShardedCable({"a": "ws://a.example"}, topic=lambda *_: 7)  # type: ignore[arg-type, return-value]
    with pytest.raises(UsageError, match="topic=7"):
        cable.subscribe("Chat")
    with pytest.raises(UsageError, match="topic=8"):
        cable.subscribe("Chat", topic=8)  # type: ignore[call-overload]
    with pytest.raises(InvalidIdentifier, match="'room' is given twice"):
        cable.subscribe("Chat", {"room": 1}, room=2)
    with pytest.raises(UsageError, match="give topic= as well"):
        cable.signed_stream(lambda: "name")


async def test_a_shard_without_an_address_is_named() -> None:
    """Added to the router alone, a shard cannot be subscribed on; the text tells how it is added."""
    async with sharded("a") as (cable, _):
        cable.router.add("b")
        with pytest.raises(UsageError, match=r"'b', which has no address: await cable.add\('b', url\)"):
            cable.subscribe("Chat", topic=topic_on(cable, "b"))


async def test_subscriptions_that_end_are_forgotten() -> None:
    """A thousand that come and go, by blocks and by drains, leave nothing behind."""
    async with sharded("a", "b", overlap=0) as (cable, servers):
        for number in range(1000):
            async with cable.subscribe("Room", id=number % 7):
                pass
        await asyncio.sleep(1)
        gc.collect()

        assert servers["a"].subscribed | servers["b"].subscribed == set()
        assert not cable._everybody
        assert [len(shard.legs) for shard in cable._fleet.shards.values()] == [0, 0]


# Real servers


@pytest.fixture
async def gateways() -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Two real gateways on loopback."""
    async with Gateway(public=True) as one, Gateway(public=True) as other:
        yield one, other


async def test_a_real_shard_is_drained_and_stopped(gateways: tuple[Gateway, Gateway]) -> None:
    """Numbers are broadcast on both gateways; one is drained, then stopped: every number is read, in order."""
    one, other = gateways
    async with ShardedCable({"one": one.url, "other": other.url}, proxy=None, overlap=0.3) as cable:
        numbers = await cable.stream("numbers", topic=topic_on(cable, "one"))
        failures: list[Event] = []
        cable.on(MoveFailed, failures.append)
        seen: list[int] = []
        reader = background(gather_up(numbers, seen))
        draining: asyncio.Task[None] | None = None
        for number in range(100):
            for gateway in gateways:
                await gateway.broadcast("numbers", number)
            if number == 30:
                draining = background(cable.drain("one"))
            if number == 80:
                assert draining is not None
                await draining
                await one.stop()
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)

        assert (numbers.shard, list(cable.states), failures) == ("other", ["other"], [])
        await numbers.unsubscribe()
        await reader
        twice = repeats(seen)
        cut = seen.index(twice[0], seen.index(twice[0]) + 1)
        assert set(seen) == set(range(100))
        assert all(x + 1 == y for part in (seen[:cut], seen[cut:]) for x, y in pairwise(part))
