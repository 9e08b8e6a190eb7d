"""The names by which client and server agree."""

from __future__ import annotations

from cableway.wire.subprotocols import ALL, BASE_JSON, EXTENDED_JSON, Subprotocol, subprotocol


def test_names_say_dialect_and_encoding() -> None:
    """As servers spell them."""
    assert [one.name for one in ALL] == [
        "actioncable-v1-json",
        "actioncable-v1-ext-json",
        "actioncable-v1-msgpack",
        "actioncable-v1-ext-msgpack",
        "actioncable-v1-protobuf",
        "actioncable-v1-ext-protobuf",
    ]


def test_names_are_read_back() -> None:
    """Each is known by its name; none selected is the base protocol in JSON, and other names are not known."""
    assert [subprotocol(one.name) for one in ALL] == list(ALL)
    assert subprotocol(None) == BASE_JSON
    assert subprotocol("actioncable-v2-json") is None


def test_only_json_travels_as_text() -> None:
    """The other encodings are binary."""
    assert {one.encoding for one in ALL if one.binary} == {"msgpack", "protobuf"}
    assert not EXTENDED_JSON.binary
    assert Subprotocol(extended=True, encoding="json") == EXTENDED_JSON


def test_protobuf_lacks_words() -> None:
    """For presence, which the base protocol has in no encoding, and for a client's question for a sign of life."""
    assert [one.name for one in ALL if one.presence] == ["actioncable-v1-ext-json", "actioncable-v1-ext-msgpack"]
    assert {one.encoding for one in ALL if not one.probes} == {"protobuf"}
