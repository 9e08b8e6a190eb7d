"""JSON that every server can read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.errors import InvalidPayload
from cableway.wire.codecs.json import dump_text, load
from cableway.wire.payloads import DEEPEST, check_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20))
def test_json_passes(value: Any) -> None:
    """What passes can be written and read."""
    check_json(value, "it")
    _ = load(dump_text(value).encode())


def deep(levels: int) -> list[Any]:
    """Nest lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "^it is nan, which JSON has not"),
        ({"a": [1, float("-inf")]}, r"^it\['a'\]\[1\] is -inf"),
        (10**400, "^it is beyond the range of a float"),
        (-(10**400), "^it is beyond"),
        ("\udc00", "^it holds a lone surrogate"),
        ({"\udc00": 1}, "^it has a key with a lone surrogate"),
        ({1: 2}, "^it has the key 1, which is no string"),
        ({"a": b""}, r"^it\['a'\] is of type bytes"),
        (deep(DEEPEST + 1), "nested more than 200"),
        (LOOP, "holds itself"),
    ],
    ids=range(10),
)
def test_the_rest_is_refused(value: Any, text: str) -> None:
    """The text tells where it is, and the way out."""
    with pytest.raises(InvalidPayload, match=text):
        check_json(value, "it")


def test_the_deepest_passes() -> None:
    """At the limit, not beyond it."""
    check_json(deep(DEEPEST), "it")
