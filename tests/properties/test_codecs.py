"""All encodings: what is written is read, and whatever bytes come, nothing is raised but ``MalformedFrame``.

A tenth of the frames by default; ``CABLEWAY_SOAK_SCALE=1`` (``make soak``) tries all of them.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st

from cableway.engine.speech import Speech
from cableway.errors import MalformedFrame
from cableway.hub.hub import Hub
from cableway.hub.options import SubscriptionOptions
from cableway.types import Identifier
from cableway.wire.client_session import ClientSession, Phase
from cableway.wire.codecs.choice import codec_for
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.codecs.protobuf import MESSAGE, REPLY
from cableway.wire.codecs.protobuf_fields import Schema, read
from cableway.wire.commands import AskPresence, Beat, History, Join, Leave, Perform, Subscribe, Unsubscribe, Whisper
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.dialects.extended_server import ExtendedServerDialect
from cableway.wire.frames import (
    Confirm,
    ConfirmHistory,
    Data,
    Disconnect,
    Ping,
    PresenceChange,
    PresenceInfo,
    Reject,
    RejectHistory,
    Welcome,
)
from cableway.wire.positions import HistoryQuery, Member, Position
from cableway.wire.subprotocols import ALL, Subprotocol
from tests.wire.codecs.official import message_class

if TYPE_CHECKING:
    from collections.abc import Callable

SCALE = float(os.environ.get("CABLEWAY_SOAK_SCALE", "0.1"))
FRAMES = round(100_000 * SCALE)

BINARY = [one for one in ALL if one.binary]
server_dialect = ExtendedServerDialect()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = texts.filter(bool)
wholes = st.integers(-(2**63), 2**63 - 1)
values = st.recursive(
    st.none() | st.booleans() | wholes | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
members = st.builds(Member, texts, values)
positions = st.builds(Position, texts, st.integers(0, 2**63 - 1))
queries = st.builds(
    HistoryQuery, st.dictionaries(texts, positions, min_size=1, max_size=3), st.none() | st.integers(1, 2**63 - 1)
)
plain_commands = st.one_of(
    st.builds(Subscribe, names),
    st.builds(Unsubscribe, names),
    st.builds(Perform, names, texts),
)
extended_commands = plain_commands | st.one_of(
    st.builds(Subscribe, names, queries),
    st.builds(Beat),
    st.builds(History, names, queries),
    st.builds(Whisper, names, values),
)
presence_commands = st.builds(Join, names, members) | st.builds(Leave, names) | st.builds(AskPresence, names)
plain_frames = st.one_of(
    st.builds(Ping, values),
    st.builds(Confirm, names),
    st.builds(Reject, names),
    st.builds(Disconnect, names, st.booleans()),
    st.builds(Data, names, values),
)
extended_frames = plain_frames | st.one_of(
    st.builds(Welcome, names, st.just(True), st.lists(texts, max_size=3).map(tuple)),
    st.builds(Data, names, values, names, names, st.integers(1, 2**63 - 1)),
    st.builds(ConfirmHistory, names),
    st.builds(RejectHistory, names),
)
presence_frames = st.builds(PresenceChange, names, st.sampled_from(["join", "leave"]), members) | st.builds(
    PresenceInfo, names, st.just(1), st.tuples(members), st.booleans()
)


def commands_of(spoken: Subprotocol) -> st.SearchStrategy[Any]:
    """Return what a client can say."""
    if not spoken.extended:
        return plain_commands
    return extended_commands if spoken.encoding == "protobuf" else extended_commands | presence_commands


def frames_of(spoken: Subprotocol) -> st.SearchStrategy[Any]:
    """Return what a server can say."""
    if not spoken.extended:
        return plain_frames
    return extended_frames if spoken.encoding == "protobuf" else extended_frames | presence_frames


@pytest.mark.parametrize("spoken", ALL, ids=lambda one: one.name)
@given(data=st.data())
def test_commands_come_as_they_were_given(spoken: Subprotocol, data: st.DataObject) -> None:
    """From a client's end to a server's."""
    speech = Speech.of(spoken)
    command = data.draw(commands_of(spoken))
    raw = speech.codec.encode(speech.dialect.compose(command))
    assert server_dialect.parse(codec_for(spoken, server=True).decode(raw) or {}) == command


@pytest.mark.parametrize("spoken", ALL, ids=lambda one: one.name)
@given(data=st.data())
def test_frames_come_as_they_were_given(spoken: Subprotocol, data: st.DataObject) -> None:
    """From a server's end to a client's."""
    speech = Speech.of(spoken)
    frame = data.draw(frames_of(spoken))
    raw = codec_for(spoken, server=True).encode(server_dialect.compose(frame))
    assert repr(speech.dialect.parse(speech.codec.decode(raw) or {})) == repr(frame)


COMMANDS: list[dict[str, Any]] = [
    {"command": "subscribe", "identifier": '{"channel":"A","room":1}'},
    {
        "command": "subscribe",
        "identifier": "I",
        "history": {"since": 5, "streams": {"a": {"epoch": "e", "offset": 300}}},
    },
    {"command": "message", "identifier": "Ünï 🚡", "data": '{"action":"speak","text":"hi"}'},
    {"command": "whisper", "identifier": "I", "data": {"event": "typing"}},
    {"command": "history", "identifier": "I", "history": {"streams": {"a": {"epoch": "e", "offset": 3}, "": {}}}},
    {"command": "pong"},
    {"command": "unsubscribe", "identifier": "I"},
]
REPLIES: list[dict[str, Any]] = [
    {"type": "welcome", "sid": "n2", "restored": True, "restored_ids": ["a", "b", ""]},
    {"type": "ping", "message": 1_790_000_003},
    {"type": "confirm_subscription", "identifier": '{"channel":"A","room":1}'},
    {"type": "disconnect", "reason": "server_restart", "reconnect": True},
    {
        "identifier": "I",
        "message": {"a": [1, None, {"b": 1.5}], "ü": "🚡"},
        "stream_id": "s",
        "epoch": "e",
        "offset": 7,
    },
    {"identifier": "I", "message": ["x" * 300, -5, 2**40, True, ""]},
    {"type": "reject_history", "identifier": "I"},
]


def damaged(random: Random, frames: list[bytes]) -> bytes:
    """Return one of *frames*, mostly spoiled in one way or several; or plain noise."""
    if random.random() < 0.1:
        return random.randbytes(random.randrange(60))
    raw = bytearray(random.choice(frames))
    for _ in range(random.randrange(4)):
        place = random.randrange(len(raw) + 1)
        match random.randrange(6):
            case 0:
                raw[place : place + 1] = bytes([random.randrange(256)])
            case 1:
                del raw[place:]
            case 2:
                raw[place:place] = random.randbytes(random.randrange(1, 6))
            case 3:
                raw += random.choice(frames)
            case 4:
                del raw[place : place + random.randrange(1, 4)]
            case _:
                raw[place : place + 1] = bytes([random.choice([0, 0x7F, 0x80, 0xC1, 0xDD, 0xDF, 0xFF])])
    return bytes(raw)


def survives(frame: bytes, decode: Callable[[bytes], dict[str, Any] | None], parse: Callable[..., Any]) -> bool:
    """Tell whether *frame* was understood."""
    try:
        mapping = decode(frame)
        if mapping is not None:
            parse(mapping)
    except MalformedFrame:
        return False
    return True


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("spoken", ALL, ids=lambda one: one.name)
def test_no_frame_raises_anything_but_malformed(spoken: Subprotocol) -> None:
    """A hundred thousand spoiled frames for each end of each subprotocol: read or refused, and nothing else."""
    random = Random(spoken.name)
    speech, server = Speech.of(spoken), codec_for(spoken, server=True)
    replies = [server.encode(mapping) for mapping in REPLIES]
    commands = [speech.codec.encode(mapping) for mapping in COMMANDS]
    heard = sum(survives(damaged(random, replies), speech.codec.decode, speech.dialect.parse) for _ in range(FRAMES))
    read = sum(survives(damaged(random, commands), server.decode, server_dialect.parse) for _ in range(FRAMES))
    # Worth something only if both ways were gone often.
    assert 0.1 * FRAMES < heard < 0.9 * FRAMES
    assert 0.1 * FRAMES < read < 0.9 * FRAMES


def as_official(name: str, frame: bytes) -> dict[str, Any] | None:
    """Return what the official runtime reads, by name; ``None`` if it refuses."""
    try:
        message = message_class(name).FromString(frame)
    except DecodeError:
        return None
    whole = {field.name: value for field, value in message.ListFields()}
    if "history" in whole:
        history = whole["history"]
        places = {stream: {"epoch": one.epoch, "offset": one.offset} for stream, one in history.streams.items()}
        # An entry with a field that is not known is to this runtime, unlike to others, an unknown field as a whole.
        odd = len(UnknownFieldSet(history)) > 0
        whole["history"] = {"since": history.since, "streams": ODD if odd else places}
    return {name: list(value) if name == "restored_ids" else value for name, value in whole.items()}


class Listener:
    """A session and a hub on one line, with the subscription ``I`` live."""

    def __init__(self, spoken: Subprotocol, random: Random) -> None:
        self.speech, self.server = Speech.of(spoken), codec_for(spoken, server=True)
        self.hub = Hub(JSONCodec(), BaseDialect(), random)
        self.hub.speak(self.speech.codec, self.speech.dialect)
        self.hub.line_up("memory", 0.0, protocol=spoken.name)
        self.handle = self.hub.join(Identifier("I"), SubscriptionOptions(max_messages=100), lambda _: None, 0.0)
        self.hub.hear(Confirm("I"), 0.0)
        self.delivered = 0
        self.now = 0.0
        self.greet()

    def greet(self) -> None:
        """Begin a session."""
        self.session = ClientSession(self.speech.codec, self.speech.dialect)
        self.session.receive(self.server.encode({"type": "welcome"}), self.now)

    def take(self, batch: list[bytes]) -> None:
        """Route a batch, as a line does, a while after the one before it."""
        self.now += 100.0
        self.hub.router.route(batch, self.now, self.now, self.read_in_full)
        self.hub.tick(self.now)
        self.hub.drain()
        if self.session.phase is Phase.ENDED:
            self.greet()

    def read_in_full(self, raw: bytes) -> None:
        """Take the slow way."""
        for frame in self.session.receive(raw, self.now):
            if isinstance(frame, Data):
                self.delivered += frame.identifier == "I"
                self.hub.router.deliver(frame, raw, self.now, self.now)
            elif isinstance(frame, Confirm | Reject | ConfirmHistory | RejectHistory | PresenceChange | PresenceInfo):
                self.hub.hear(frame, self.now)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("spoken", BINARY, ids=lambda one: one.name)
def test_no_frame_stops_a_line(spoken: Subprotocol) -> None:
    """Past the codec, too: routed in batches, learned from, held and delivered, whatever is in them."""
    random = Random(spoken.name)
    listener = Listener(spoken, random)
    text = '{"identifier":"I","message":1,"stream_id":"s","epoch":"e","offset":7}'
    mappings = [*REPLIES, {"identifier": "I", "message": text}]
    frames = [listener.server.encode(one) for one in mappings if one.get("type") != "disconnect"]
    for _ in range(FRAMES // 10):
        listener.take([damaged(random, frames) for _ in range(10)])
    assert listener.delivered > 0.1 * FRAMES
    assert listener.handle.mailbox.dropped


ODD = "cannot be compared"


def as_ours(schema: Schema, frame: bytes) -> dict[str, Any] | None:
    """Return what ours reads, in the same form."""
    try:
        whole = read(schema, frame)
    except MalformedFrame:
        return None
    words = {one.name: one.words for one in schema.fields if one.words}
    for name, known in words.items():
        if name in whole:
            whole[name] = known.index(whole[name]) if whole[name] in known else signed(int(whole[name].split()[1]))
    if "history" in whole:
        asked = whole["history"]
        streams = asked.get("streams", {}).items()
        places = {stream: {"epoch": one.get("epoch", ""), "offset": one.get("offset", 0)} for stream, one in streams}
        whole["history"] = {"since": asked.get("since", 0), "streams": places}
    return {name: value for name, value in whole.items() if value or name == "history"}


def signed(number: int) -> int:
    """Return what 32 bits mean to a runtime that reads enums as signed."""
    return number - 2**32 if number >= 2**31 else number


def has_group(schema: Schema, frame: bytes) -> bool:
    """Tell whether ours refuses *frame* for a group, which the official runtime skips."""
    try:
        read(schema, frame)
    except MalformedFrame as fault:
        return "proto3 has not" in fault.rule
    return False


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "schema"), [("Message", MESSAGE), ("Reply", REPLY)], ids=["Message", "Reply"])
def test_ours_reads_what_the_official_runtime_reads(name: str, schema: Schema) -> None:
    """The same values from the same bytes, and the same refusals; only groups, which are of proto2, are refused."""
    random = Random(name)
    client, server = codec_for(ALL[-1]), codec_for(ALL[-1], server=True)
    mappings = (
        [client.encode(one) for one in COMMANDS] if name == "Message" else [server.encode(one) for one in REPLIES]
    )
    refused = 0
    for _ in range(FRAMES):
        frame = damaged(random, mappings)
        official, ours = as_official(name, frame), as_ours(schema, frame)
        if official and ours and official.get("history", {}).get("streams") == ODD:
            ours["history"]["streams"] = ODD
        if official is None or ours is not None or not has_group(schema, frame):
            assert ours == official, frame
        refused += ours is None
    assert 0.1 * FRAMES < refused < 0.9 * FRAMES
