"""The fast way against the slow one: tens of thousands of odd frames, and not one difference."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from cableway.errors import MalformedFrame
from cableway.hub import decoding
from cableway.hub.hub import Hub
from cableway.hub.options import SubscriptionOptions
from cableway.types import Identifier
from cableway.wire.client_session import ClientSession
from cableway.wire.codecs import json as json_codec
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.frames import Confirm, Data, Frame

IDENTIFIERS = [
    '{"channel":"A"}',
    '{"channel":"A","room":1}',
    '{"channel":"Ünï","x":"🚡"}',
    'a "quoted" one, with "message": in it',
    '","message":',
    "plain",
    "back\\slash\u2028",
]
VALUES = [
    *["null", "true", "false", "0", '""', "[]", "{}", "-0.0", "1.5e3", "12345678901234567890", "1e999", '"\\ud800"'],
    *['{"a":[1,{"b":"}"}]}', '"\\",\\"message\\":1}"', '"🚡"', '"\\ud83d\\udea1"', '{"identifier":"x","message":2}'],
    *["NaN", "Infinity", "-Infinity", "01", "1.", "+1", "'a'", "[1,]", "{a:1}", '"\x01"', "[" * 3000, "nul", ""],
    *["[" * 600 + "]" * 600, " 1", "1 ", "\n[ ]", '{"a":1,"a":2}'],
]
TAILS = [
    *["}"] * 30,
    *[',"stream_id":"s","epoch":"e","offset":7}', ',"offset":07}', ',"offset":1.0}', ',"offset":-1,"epoch":3}'],
    *[',"message":2}', ',"identifier":"plain"}', ',"identifier":3}', ',"type":"ping"}', ',"type":null}', ',"type":7}'],
    *[
        ',"type":"confirm_subscription"}',
        ',"type":"new"}',
        ',"x":{"message":1}}',
        ",}",
        "}}",
        "} ",
        "}x",
        "",
        ",",
        "}{}",
    ],
]


@pytest.fixture(params=["standard library", "orjson"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read JSON in both ways."""
    fast = pytest.importorskip("orjson").loads if request.param == "orjson" else None
    monkeypatch.setattr(decoding, "fast_loads", fast)
    monkeypatch.setattr(json_codec, "fast_loads", fast)
    return str(request.param)


def odd_frame(random: Random) -> bytes:
    """Write a frame that is mostly well formed, and odd in one way or several."""
    identifier = random.choice(IDENTIFIERS)
    written = json.dumps(identifier, ensure_ascii=random.random() < 0.2)
    space = random.choice(["", "", "", "", "", " ", "\t", "\n"])
    members = [f'"identifier":{space}{written}', f'"message":{space}{random.choice(VALUES)}']
    if random.random() < 0.1:
        members.reverse()
    if random.random() < 0.05:
        members.insert(random.randrange(3), random.choice(['"x":1', '"type":"ping"', '"identifier":"plain"', '"":""']))
    text = "{" + ",".join(members) + random.choice(TAILS)
    raw = text.encode("utf-8", "surrogatepass")
    chance = random.random()
    if chance < 0.02:
        return b"\xef\xbb\xbf" + raw
    if chance < 0.05:
        return raw[: random.randrange(len(raw) + 1)]
    if chance < 0.08:
        place = random.randrange(len(raw))
        return raw[:place] + bytes([random.randrange(256)]) + raw[place + random.randrange(2) :]
    if chance < 0.09:
        return random.choice([b"null", b"[]", b"", b"1", b'{"type":"ping","message":1}', b'{"type":"welcome"}', b"{}"])
    return raw


def shown(value: Any) -> str:
    """Tell values apart that compare equal."""
    return repr(value)


class Reference:
    """What a full parse of each frame gives."""

    def __init__(self) -> None:
        self.messages: dict[str, list[str]] = {identifier: [] for identifier in IDENTIFIERS}
        self.others: list[str] = []

    def take(self, frame: bytes) -> None:
        """Read one frame in full."""
        try:
            mapping = JSONCodec().decode(frame)
            if mapping is None:
                return
            self.act(BaseDialect().parse(mapping))
        except MalformedFrame as fault:
            self.others.append(str(fault))

    def act(self, parsed: Frame) -> None:
        """Keep what a frame means."""
        if isinstance(parsed, Data) and parsed.identifier in self.messages:
            place = (parsed.message, parsed.stream, parsed.epoch, parsed.offset)
            self.messages[parsed.identifier].append(shown(place))
        else:
            self.others.append(repr(parsed))


class Fast:
    """What routing by heads and reading in the consumer's time give."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.hub = Hub(JSONCodec(), BaseDialect(), random)
        self.hub.line_up("memory", 0.0, protocol="base")
        self.reference = Reference()
        self.hub.on_stray = lambda frame, _: self.reference.take(frame)
        self.handles = {}
        for identifier in IDENTIFIERS:
            options = SubscriptionOptions(max_messages=100_000, max_bytes=1 << 40)
            self.handles[identifier] = self.hub.join(Identifier(identifier), options, lambda _: None, 0.0)
            self.hub.hear(Confirm(identifier), 0.0)
        self.slow = 0

    def take(self, batch: list[bytes]) -> None:
        """Route a batch; read some of what is unread."""
        self.hub.router.route(batch, 0.0, 0.0, self.read_in_full)
        if self.random.random() < 0.5:
            self.read()

    def read_in_full(self, frame: bytes) -> None:
        """Take the slow way, as the line does."""
        self.slow += 1
        try:
            mapping = JSONCodec().decode(frame)
            parsed = None if mapping is None else BaseDialect().parse(mapping)
        except MalformedFrame as fault:
            self.reference.others.append(str(fault))
            return
        if isinstance(parsed, Data) and parsed.identifier in self.handles:
            self.hub.router.deliver(parsed, frame, 0.0, 0.0)
        elif parsed is not None:
            self.reference.act(parsed)

    def read(self) -> None:
        """Empty the mailboxes."""
        for identifier, handle in self.handles.items():
            while True:
                try:
                    message = handle.mailbox.pop()
                except IndexError:
                    break
                place = (message.data, message.stream, message.epoch, message.offset)
                self.reference.messages[identifier].append(shown(place))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.usefixtures("reader")
def test_the_fast_way_gives_what_a_full_parse_gives(seed: int) -> None:
    """Every message, in its order, with its position; every other frame, and every fault, exactly once."""
    random = Random(seed)
    slow, fast = Reference(), Fast(random)
    frames = 0
    while frames < 8000:
        batch = [odd_frame(random) for _ in range(random.randrange(1, 12))]
        frames += len(batch)
        for frame in batch:
            slow.take(frame)
        fast.take(batch)
    fast.read()

    # A frame that names a second subscription behind its message is found out only when it is read: late, not lost.
    for messages in (fast.reference.messages, slow.messages):
        messages["plain"].sort()
    assert fast.reference.messages == slow.messages
    assert sorted(fast.reference.others) == sorted(slow.others)
    # The test is worth something only if both ways were gone often.
    assert 0.05 * frames < fast.slow < 0.9 * frames
    assert len(slow.others) > 0.1 * frames


@pytest.mark.usefixtures("reader")
def test_no_frame_stops_the_session() -> None:
    """Twenty thousand odd frames are counted or passed on, and none raises."""
    random = Random(11)
    session = ClientSession(JSONCodec(), BaseDialect())
    now = 0.0
    session.receive(b'{"type":"welcome"}', now)
    acted = 0
    for _ in range(20_000):
        now += 10.0
        raw = odd_frame(random)
        if b'"disconnect"' not in raw:
            acted += len(session.receive(raw, now))
    assert not session.flooded
    assert acted > 5000
    assert session.counts["malformed"] > 2000
    assert session.counts["unknown type"] > 100


@pytest.mark.parametrize(
    "raw",
    [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b"-" + b"9" * 100_000, b'{"message":' + b"9" * 100_000 + b"}"],
)
@pytest.mark.usefixtures("reader")
def test_depth_and_length_stop_nothing(raw: bytes) -> None:
    """Neither nesting nor digits beyond reading raise anything but the one error for it."""
    with pytest.raises(MalformedFrame):
        BaseDialect().parse(JSONCodec().decode(raw) or {})


@pytest.mark.usefixtures("reader")
def test_random_bytes_stop_nothing() -> None:
    """Neither does noise."""
    random = Random(13)
    session = ClientSession(JSONCodec(), BaseDialect())
    for step in range(5000):
        session.receive(random.randbytes(random.randrange(40)), 10.0 * step)
    assert session.counts["malformed"] + session.counts["empty"] == 5000
