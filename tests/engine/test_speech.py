"""What goes with a subprotocol."""

from __future__ import annotations

import pytest
from attrs.exceptions import FrozenInstanceError

from cableway.engine.speech import Speech
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.commands import Whisper
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.dialects.extended import ExtendedDialect
from cableway.wire.frames import ConfirmHistory, Unknown
from cableway.wire.subprotocols import BASE_JSON, EXTENDED_JSON, Subprotocol

HISTORY = b'{"type":"confirm_history","identifier":"A"}'


@pytest.mark.parametrize(
    ("spoken", "dialect"), [(BASE_JSON, BaseDialect), (EXTENDED_JSON, ExtendedDialect)], ids=["base", "extended"]
)
def test_a_subprotocol_brings_its_dialect_and_its_encoding(spoken: Subprotocol, dialect: type[BaseDialect]) -> None:
    """And its name, for those who want to know."""
    speech = Speech.of(spoken)
    assert type(speech.dialect) is dialect
    assert type(speech.codec) is JSONCodec
    assert speech.name == spoken.name


def test_only_the_extended_one_knows_the_past() -> None:
    """On the base protocol the same frame is of a type that is not known."""
    told = {
        spoken.name: Speech.of(spoken).dialect.parse(JSONCodec().decode(HISTORY))
        for spoken in (BASE_JSON, EXTENDED_JSON)
    }
    assert told == {
        "actioncable-v1-json": Unknown("confirm_history"),
        "actioncable-v1-ext-json": ConfirmHistory("A"),
    }


def test_it_writes_what_it_says() -> None:
    """A command of the extended protocol becomes the text that AnyCable reads."""
    speech = Speech.of(EXTENDED_JSON)
    raw = speech.codec.encode(speech.dialect.compose(Whisper("A", {"ä": 0})))
    assert JSONCodec().decode(raw) == {"command": "whisper", "identifier": "A", "data": {"ä": 0}}


def test_lines_share_nothing_that_could_change() -> None:
    """One line may speak another protocol than the one before it."""
    speech = Speech.of(BASE_JSON)
    assert Speech.of(BASE_JSON).dialect is not speech.dialect
    with pytest.raises(FrozenInstanceError):
        speech.name = "another"  # type: ignore[misc]
