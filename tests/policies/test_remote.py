"""Policies from a server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.policies.backoff import ExponentialBackoff
from cableway.policies.remote import BadPolicy, is_signed, read_policy, sign_policy

NIGHT = {"version": 1, "backoff": {"minimum": 0.2, "maximum": 30, "factor": 2, "jitter": 0.5}}


def test_the_policy_that_ends_a_storm_is_read() -> None:
    """Its numbers become a backoff."""
    policy = read_policy(json.dumps(NIGHT).encode())

    assert policy.backoff == ExponentialBackoff(0.2, 30, 2, 0.5)
    assert policy.unknown == ()


def test_what_is_not_understood_is_left_alone_and_told() -> None:
    """Names of a later version do no harm."""
    body = {**NIGHT, "colour": "red", "monitor": {"grace": 5, "mood": 1}, "dial_gate": {"rate": 5}}

    policy = read_policy(json.dumps(body).encode())

    assert policy.unknown == ("colour", "monitor.mood")
    assert policy.monitor == {"grace": 5.0}
    assert policy.dial_gate == (5.0, 20)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        b'{"version": 2}',
        b'{"version": 1, "backoff": 3}',
        b'{"version": 1, "backoff": {"minimum": "1"}}',
        b'{"version": 1, "backoff": {"minimum": true}}',
        b'{"version": 1, "backoff": {"minimum": 0}}',
        b'{"version": 1, "backoff": {"maximum": 1e9}}',
        b'{"version": 1, "backoff": {"jitter": NaN}}',
        b'{"version": 1, "backoff": {"minimum": 50, "maximum": 2}}',
        b'{"version": 1, "dial_gate": {"rate": 0}}',
        b" " * 20_000,
        b"[" * 10_000,
    ],
)
def test_a_document_that_is_out_of_bounds_is_not_taken(body: bytes) -> None:
    """Nothing in it counts: the one before it stays in force."""
    with pytest.raises(BadPolicy):
        read_policy(body)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr).map(str.encode))
def test_junk_raises_nothing_else(body: bytes) -> None:
    """Whatever a server sends, it is taken or it is a bad policy."""
    try:
        read_policy(body)
    except BadPolicy:
        pass
    else:
        pytest.fail("junk was taken for a policy")


def test_only_the_right_signature_counts() -> None:
    """A changed body, a changed secret and a changed signature are all noticed."""
    body = json.dumps(NIGHT).encode()
    signature = sign_policy(body, "k3y")

    assert is_signed(body, "k3y", signature)
    assert is_signed(body, "k3y", f" {signature}\n")
    assert not is_signed(body + b" ", "k3y", signature)
    assert not is_signed(body, "other", signature)
    assert not is_signed(body, "k3y", "\udcff")
    assert not is_signed(body, "k3y", "")
