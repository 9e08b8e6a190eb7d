"""What is offered in the next dial, by what came of those before it."""

from __future__ import annotations

from typing import Any

import pytest

from cableway.engine.negotiation import Negotiation
from cableway.errors import UsageError
from cableway.wire.subprotocols import BASE_JSON, EXTENDED_JSON, subprotocol

BASE = ("actioncable-v1-json", "actioncable-unsupported")
EXTENDED = ("actioncable-v1-ext-json",)


def refused(*statuses: int, wish: str = "auto") -> Negotiation:
    """Negotiate with a server that refused one upgrade after another."""
    negotiation = Negotiation(wish)
    for status in statuses:
        negotiation.refused(status)
    return negotiation


def test_the_extended_protocol_is_offered_alone() -> None:
    """AnyCable would take the base one beside it, and Rails the name that means none."""
    assert Negotiation().offer == EXTENDED
    assert Negotiation("actioncable-v1-ext-json").offer == EXTENDED


def test_a_server_that_selects_nothing_speaks_the_base_protocol() -> None:
    """In the same dial, and the next dial offers the extended one again."""
    negotiation = Negotiation()
    assert negotiation.agreed(None) == BASE_JSON
    assert negotiation.agreed("actioncable-v1-ext-json") == EXTENDED_JSON
    negotiation.welcomed(extended=False)
    assert negotiation.offer == EXTENDED


@pytest.mark.parametrize("status", [400, 402, 405, 406, 409, 410, 415, 418, 421, 426, 431, 451, 499])
def test_a_refusal_that_may_be_for_the_offer_brings_the_base_protocol(status: int) -> None:
    """The server may not know what was offered."""
    assert refused(status).offer == BASE


@pytest.mark.parametrize("status", [0, 200, 301, 399, 401, 403, 404, 407, 408, 429, 500, 502, 503, 599])
def test_a_refusal_that_means_something_else_changes_nothing(status: int) -> None:
    """Who is not let in, not found or not served is that with any protocol."""
    assert refused(status).offer == EXTENDED


def test_refused_with_the_base_protocol_it_was_not_for_that() -> None:
    """The extended one has its turn again: a passing fault must not cost it for ever."""
    assert refused(400, 400).offer == EXTENDED
    assert refused(400, 503).offer == EXTENDED
    assert refused(400, 400, 400).offer == BASE


def test_a_base_protocol_that_was_welcomed_is_remembered() -> None:
    """Whatever is refused later: it was shown what the server wants."""
    negotiation = refused(400)
    negotiation.welcomed(extended=False)
    for status in (400, 503, 400):
        negotiation.refused(status)
        assert negotiation.offer == BASE


def test_a_server_that_has_spoken_the_extended_protocol_is_believed_for_a_while() -> None:
    """A proxy may refuse in its place; but it may also be replaced by one that does not have it."""
    negotiation = Negotiation()
    negotiation.welcomed(extended=True)
    for status in (400, 426, 503, 400):
        assert not negotiation.refused(status)
        assert negotiation.offer == EXTENDED
    negotiation.refused(400)
    assert negotiation.refused(400)
    assert negotiation.offer == BASE


def test_a_refusal_tells_whether_another_offer_is_next() -> None:
    """The same transport is worth another dial then, and only then."""
    negotiation = Negotiation()
    assert [negotiation.refused(status) for status in (404, 400, 400, 400)] == [False, True, False, True]
    assert not Negotiation("actioncable-v1-json").refused(400)


def test_a_server_that_insists_on_the_base_protocol_gets_it() -> None:
    """It selects what was not offered; that is worth one more dial, and only one."""
    negotiation = Negotiation()
    assert negotiation.insisted("actioncable-v1-json")
    assert negotiation.offer == BASE
    assert not negotiation.insisted("actioncable-v1-json")


@pytest.mark.parametrize("selected", [None, "actioncable-unsupported", "actioncable-v1-msgpack", "graphql-ws", ""])
def test_nothing_else_is_insisted_on(selected: str | None) -> None:
    """What we do not speak in place of it is no reason to dial again."""
    negotiation = Negotiation()
    assert not negotiation.insisted(selected)
    assert negotiation.offer == EXTENDED


@pytest.mark.parametrize("wish", ["actioncable-v1-json", "actioncable-v1-ext-json"])
def test_a_fixed_wish_is_never_given_up(wish: str) -> None:
    """Neither by refusals nor for a server that insists."""
    negotiation = Negotiation(wish)
    offer = negotiation.offer
    negotiation.refused(400)
    assert not negotiation.insisted("actioncable-v1-json")
    assert negotiation.offer == offer


@pytest.mark.parametrize(
    ("wish", "selected", "agreed"),
    [
        ("auto", "actioncable-v1-json", "actioncable-v1-json"),
        ("auto", "actioncable-v1-ext-msgpack", None),
        ("auto", "actioncable-unsupported", None),
        ("auto", "", None),
        ("actioncable-v1-json", None, "actioncable-v1-json"),
        ("actioncable-v1-json", "actioncable-v1-json", "actioncable-v1-json"),
        ("actioncable-v1-json", "actioncable-v1-ext-json", None),
        ("actioncable-v1-json", "actioncable-unsupported", None),
        ("actioncable-v1-ext-json", "actioncable-v1-ext-json", "actioncable-v1-ext-json"),
        ("actioncable-v1-ext-json", None, None),
        ("actioncable-v1-ext-json", "actioncable-v1-json", None),
    ],
)
def test_what_is_agreed(wish: str, selected: str | None, agreed: str | None) -> None:
    """What was offered, or the base protocol that all fall back on; the extended one, where it is insisted on."""
    found = Negotiation(wish).agreed(selected)
    assert found == (None if agreed is None else subprotocol(agreed))


def test_once_the_base_protocol_is_offered_the_extended_one_was_not() -> None:
    """A server that selects it all the same is not spoken with."""
    assert refused(400).agreed("actioncable-v1-ext-json") is None


@pytest.mark.parametrize("wish", ["json", "", "actioncable-unsupported", None, 1, ["auto"]])
def test_a_wish_that_nobody_knows_is_refused(wish: Any) -> None:
    """With the names that are known."""
    with pytest.raises(UsageError, match="give 'auto' or one of 'actioncable-v1-json', 'actioncable-v1-ext-json'"):
        Negotiation(wish)
