"""Which of several addresses to dial."""

from __future__ import annotations

from random import Random

from cableway.policies.endpoints import Endpoints


def test_a_failed_address_gives_way_to_another() -> None:
    """The one that failed is avoided, the next one is taken."""
    endpoints = Endpoints(["a", "b"], Random(1), shuffle=False)
    assert endpoints.pick(0) == "a"

    endpoints.failed(0)

    assert endpoints.pick(0) == "b"
    assert endpoints.health == {"a": 1, "b": 0}


def test_when_all_have_failed_the_one_whose_time_is_up_first_is_taken() -> None:
    """A bad address is better than none."""
    endpoints = Endpoints(["a", "b"], Random(1), shuffle=False)
    for _ in range(3):
        endpoints.pick(0)
        endpoints.failed(0)

    assert endpoints.pick(0) in ("a", "b")


def test_a_healthy_favourite_is_gone_back_to() -> None:
    """Without shuffling, the first address is taken again once it is not avoided any more."""
    endpoints = Endpoints(["a", "b"], Random(1), shuffle=False)
    endpoints.pick(0)
    endpoints.failed(0)
    assert endpoints.pick(1) == "b"

    assert endpoints.pick(10) == "a"
    endpoints.did_well()
    assert endpoints.health["a"] == 0


def test_clients_spread_over_the_addresses() -> None:
    """Each client has an order of its own."""
    firsts = {Endpoints(["a", "b", "c"], Random(seed)).pick(0) for seed in range(30)}

    assert firsts == {"a", "b", "c"}


def test_penalties_double_and_end() -> None:
    """The more failures in a row, the longer it is avoided, up to about five minutes."""
    endpoints = Endpoints(["a", "b"], Random(3), shuffle=False)
    for _ in range(20):
        endpoints.pick(0)
        endpoints.failed(0)

    assert endpoints.pick(300 * 1.5) == "a"


def test_an_address_that_sent_us_away_is_not_at_fault() -> None:
    """A drain moves us on without a mark against the address."""
    endpoints = Endpoints(["a", "b"], Random(1), shuffle=False)
    endpoints.pick(0)

    endpoints.leave(0)

    assert endpoints.pick(0) == "b"
    assert endpoints.health["a"] == 0
