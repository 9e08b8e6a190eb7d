"""Which encoding goes with which subprotocol."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from cableway.errors import MissingExtra
from cableway.wire.codecs.choice import check_available, codec_for, encoding_available
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.codecs.msgpack import MsgpackCodec
from cableway.wire.codecs.protobuf import ProtobufCodec
from cableway.wire.payloads import DEEPEST, check_json
from cableway.wire.subprotocols import ALL, BASE_JSON, ENCODINGS, EXTENDED_JSON, Subprotocol

BINARY = [one for one in ALL if one.binary]


def deepest(value: Any) -> Any:
    """Return what is in the innermost list."""
    while isinstance(value, list):
        [value] = value
    return value


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no optional package."""
    monkeypatch.setitem(sys.modules, "ormsgpack", None)


@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
def test_each_subprotocol_has_its_codec(*, server: bool) -> None:
    """The part of its name after the last hyphen says which."""
    chosen = {one.name: type(codec_for(one, server=server)) for one in ALL}
    assert chosen == {
        "actioncable-v1-json": JSONCodec,
        "actioncable-v1-ext-json": JSONCodec,
        "actioncable-v1-msgpack": MsgpackCodec,
        "actioncable-v1-ext-msgpack": MsgpackCodec,
        "actioncable-v1-protobuf": ProtobufCodec,
        "actioncable-v1-ext-protobuf": ProtobufCodec,
    }


@pytest.mark.parametrize("spoken", ALL, ids=lambda one: one.name)
def test_what_one_end_writes_the_other_reads(spoken: Subprotocol) -> None:
    """A client's command and a server's message, each by the codec of its end."""
    client, server = codec_for(spoken), codec_for(spoken, server=True)
    command = {"command": "message", "identifier": "I", "data": '{"action":"speak"}'}
    message = {"identifier": "I", "message": {"text": "hi 🚡", "list": [1, None, 2.5, True]}}
    assert server.decode(client.encode(command)) == command
    assert client.decode(server.encode(message)) == message


@pytest.mark.parametrize("spoken", ALL, ids=lambda one: one.name)
def test_whatever_may_be_whispered_can_be_written(spoken: Subprotocol) -> None:
    """To the last level that is let through, and the largest number."""
    value: Any = 10**300
    for _ in range(DEEPEST):
        value = [value]
    check_json(value, "it")
    frame = codec_for(spoken).encode({"command": "whisper", "identifier": "I", "data": value})
    read = codec_for(spoken, server=True).decode(frame)
    assert read is not None
    assert deepest(read["data"]) == pytest.approx(1e300)


def test_only_those_who_write_alike_have_one_name() -> None:
    """Frames are shared by it: base and extended write alike but in Protobuf."""
    names = [codec_for(one, server=True).name for one in ALL]
    assert names == ["json", "json", "msgpack", "msgpack", "actioncable-v1-protobuf", "actioncable-v1-ext-protobuf"]


def test_all_encodings_are_there_with_their_package() -> None:
    """The test suite has it."""
    assert all(encoding_available(encoding) for encoding in ENCODINGS)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("spoken", BINARY, ids=lambda one: one.name)
def test_without_the_package_the_error_says_how_to_get_it(spoken: Subprotocol) -> None:
    """It names the protocol, and the extra to install."""
    assert not encoding_available(spoken.encoding)
    told = f"the protocol '{spoken.name}' needs an optional dependency: pip install 'cableway[{spoken.encoding}]'"
    for refuse in (check_available, codec_for):
        with pytest.raises(MissingExtra) as caught:
            refuse(spoken)
        assert str(caught.value) == told


@pytest.mark.usefixtures("bare")
def test_json_needs_no_package() -> None:
    """Base or extended."""
    for spoken in (BASE_JSON, EXTENDED_JSON):
        check_available(spoken)
        assert isinstance(codec_for(spoken), JSONCodec)


def test_the_package_is_not_imported_before_it_is_chosen() -> None:
    """Neither by a look whether it is there, nor by the codec of another encoding."""
    script = (
        "import sys; from cableway.wire.codecs.choice import *; from cableway.wire.subprotocols import *; "
        "import cableway; cableway.Cable; assert encoding_available(MSGPACK); codec_for(EXTENDED_JSON); "
        "assert 'ormsgpack' not in sys.modules; codec_for(Subprotocol(True, MSGPACK)); "
        "assert 'ormsgpack' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
