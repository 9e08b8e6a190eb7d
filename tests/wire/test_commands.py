"""Commands are values, and servers read what clients write."""

from __future__ import annotations

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from cableway.wire.codecs.json import JSONCodec
from cableway.wire.commands import Command, Perform, Subscribe, Unsubscribe
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.dialects.base_server import BaseServerDialect

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
commands = st.builds(Subscribe, texts) | st.builds(Unsubscribe, texts) | st.builds(Perform, texts, texts)


@given(commands)
def test_a_server_reads_what_a_client_writes(command: Command) -> None:
    """Through bytes and back, a command is the same command."""
    frame = JSONCodec().encode(BaseDialect().compose(command))
    assert b"\n" not in frame
    assert BaseServerDialect().parse(JSONCodec().decode(frame) or {}) == command


def test_commands_are_equal_by_what_they_say() -> None:
    """And of different kinds never."""
    assert Subscribe("a") == Subscribe("a") != Subscribe("b")
    assert Subscribe("a") != Unsubscribe("a")
    assert len({Subscribe("a"), Subscribe("a"), Unsubscribe("a")}) == 2
    with pytest.raises(FrozenInstanceError):
        Subscribe("a").identifier = "b"  # type: ignore[misc]
