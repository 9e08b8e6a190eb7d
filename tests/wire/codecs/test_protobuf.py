"""Protobuf as AnyCable has it, against the official runtime that knows the same field numbers."""

from __future__ import annotations

from typing import Any

import pytest

from cableway.errors import MalformedFrame, NotSupported
from cableway.wire.codecs.msgpack import pack, unpack
from cableway.wire.codecs.protobuf import ProtobufCodec
from tests.wire.codecs.official import message_class

Message, Reply = message_class("Message"), message_class("Reply")

base, base_server = ProtobufCodec(extended=False), ProtobufCodec(extended=False, server=True)
extended, extended_server = ProtobufCodec(extended=True), ProtobufCodec(extended=True, server=True)
IDENTIFIER = '{"channel":"$pubsub","stream_name":"room/7"}'


@pytest.mark.parametrize("codec", [base, extended], ids=["base", "extended"])
def test_the_official_runtime_reads_what_a_client_writes(codec: ProtobufCodec) -> None:
    """Always as a Message, with history and all."""
    read = Message.FromString(
        codec.encode(
            {
                "command": "history",
                "identifier": IDENTIFIER,
                "history": {"since": 1_790_000_000, "streams": {"room/7": {"epoch": "q8Zd", "offset": 2**40}}},
            }
        )
    )
    assert (read.command, read.identifier, read.history.since) == (4, IDENTIFIER, 1_790_000_000)
    assert {name: (place.epoch, place.offset) for name, place in read.history.streams.items()} == {
        "room/7": ("q8Zd", 2**40)
    }


@pytest.mark.parametrize("codec", [base_server, extended_server], ids=["base", "extended"])
@pytest.mark.parametrize(
    ("whole", "mapping"),
    [
        ({"command": 1, "identifier": "I"}, {"command": "subscribe", "identifier": "I"}),
        ({"command": 2, "identifier": "I"}, {"command": "unsubscribe", "identifier": "I"}),
        ({"command": 3, "identifier": "I", "data": "{}"}, {"command": "message", "identifier": "I", "data": "{}"}),
        ({"command": 3, "identifier": "I"}, {"command": "message", "identifier": "I", "data": ""}),
        ({"command": 5}, {"command": "pong"}),
        (
            {"command": 6, "identifier": "I", "data": '{"a":1}'},
            {"command": "whisper", "identifier": "I", "data": {"a": 1}},
        ),
        ({"command": 6, "identifier": "I", "data": "hi"}, {"command": "whisper", "identifier": "I", "data": "hi"}),
        ({"command": 6, "identifier": "I"}, {"command": "whisper", "identifier": "I", "data": None}),
        ({"command": 9, "identifier": "I"}, {"command": "command 9", "identifier": "I"}),
        ({}, {}),
    ],
)
def test_a_server_reads_what_the_official_runtime_writes(
    codec: ProtobufCodec, whole: dict[str, Any], mapping: dict[str, Any]
) -> None:
    """Commands, with what proto3 leaves out put back where it is missed."""
    assert codec.decode(Message(**whole).SerializeToString()) == mapping


def test_a_client_reads_what_an_extended_server_writes() -> None:
    """A Reply, whose message is MessagePack."""
    reply = Reply(identifier=IDENTIFIER, message=pack({"t": ["x"]}), stream_id="room/7", epoch="q8Zd", offset=41)
    assert extended.decode(reply.SerializeToString()) == {
        "identifier": IDENTIFIER,
        "message": {"t": ["x"]},
        "stream_id": "room/7",
        "epoch": "q8Zd",
        "offset": 41,
    }
    welcome = Reply(type=1, sid="n2", restored=True, restored_ids=["a", "b"])
    assert extended.decode(welcome.SerializeToString()) == {
        "type": "welcome",
        "sid": "n2",
        "restored": True,
        "restored_ids": ["a", "b"],
    }


def test_the_official_runtime_reads_what_servers_write() -> None:
    """A Reply from the extended one, a Message from the base one, without what that has no field for."""
    mapping = {"identifier": "I", "message": None, "stream_id": "s", "epoch": "e", "offset": 7}
    reply = Reply.FromString(extended_server.encode(mapping))
    assert (reply.identifier, unpack(reply.message), reply.stream_id, reply.epoch, reply.offset) == (
        "I",
        None,
        "s",
        "e",
        7,
    )
    message = Message.FromString(base_server.encode(mapping))
    assert message.SerializeToString() == Message(identifier="I", message=b"\xc0").SerializeToString()


@pytest.mark.parametrize("pair", [(base, base_server), (extended, extended_server)], ids=["base", "extended"])
@pytest.mark.parametrize(
    "mapping",
    [
        {"type": "welcome"},
        {"type": "ping", "message": 1_790_000_003},
        {"type": "confirm_subscription", "identifier": "I"},
        {"type": "reject_subscription"},
        {"type": "confirm_history", "identifier": "I"},
        {"type": "reject_history", "identifier": "I"},
        {"type": "disconnect", "reason": "remote", "reconnect": False},
        {"type": "disconnect", "reason": "server_restart", "reconnect": True},
        *({"identifier": "I", "message": value} for value in (None, 0, "", False, [], {}, "text", 1.5, {"a": [None]})),
    ],
    ids=repr,
)
def test_whatever_a_server_says_comes_as_it_was_said(
    pair: tuple[ProtobufCodec, ProtobufCodec], mapping: dict[str, Any]
) -> None:
    """Falsy messages, and a refusal to have us back, included."""
    client, server = pair
    assert client.decode(server.encode(mapping)) == mapping


@pytest.mark.parametrize("data", [{"a": 1}, "text", "", "42", '{"a":1}', '"', 0, False, [], [1], 1.5, "ä 🚡", "null"])
def test_whispers_come_as_they_were_said(data: Any) -> None:
    """Though they travel as text, which is written as AnyCable's own client writes it where that is clear."""
    frame = extended.encode({"command": "whisper", "identifier": "I", "data": data})
    assert extended_server.decode(frame) == {"command": "whisper", "identifier": "I", "data": data}
    if data == "text":
        assert Message.FromString(frame).data == "text"


@pytest.mark.parametrize(
    ("codec", "mapping"),
    [
        (extended, {"command": "presence", "identifier": "I"}),
        (extended, {"command": "join", "identifier": "I", "presence": {"id": "u"}}),
        (base, {"command": "ping"}),
        (extended_server, {"type": "presence", "identifier": "I", "message": {"type": "info", "total": 0}}),
        (base_server, {"type": "pong"}),
    ],
    ids=lambda item: repr(item)[:40],
)
def test_what_the_schema_has_no_word_for_is_refused(codec: ProtobufCodec, mapping: dict[str, Any]) -> None:
    """Rather than sent as a frame that says nothing."""
    with pytest.raises(NotSupported, match=r"is not part of actioncable-v1-(ext-)?protobuf; MessagePack and JSON have"):
        codec.encode(mapping)


@pytest.mark.parametrize(
    "frame",
    [
        Reply(identifier="I", message=b"\xc1").SerializeToString(),
        Reply(identifier="I", message=b"\x01\x01").SerializeToString(),
        Reply(identifier="I", message=b"\x91" * 5000).SerializeToString(),
        b'{"type":"welcome"}',
        b"\x12\x01\xff",
    ],
)
def test_what_is_no_reply_is_malformed(frame: bytes) -> None:
    """The message inside must be MessagePack, too."""
    with pytest.raises(MalformedFrame):
        extended.decode(frame)


@pytest.mark.parametrize("codec", [base, extended, base_server, extended_server])
def test_an_empty_frame_says_nothing(codec: ProtobufCodec) -> None:
    """To the dialect it is a mapping without anything."""
    assert codec.decode(b"") == {}
