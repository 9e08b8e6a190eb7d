"""Policies from a server."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.errors import BadPolicy, CableError, PolicyFailed
from cableway.policies.backoff import ExponentialBackoff
from cableway.policies.remote import (
    BOUNDS,
    LARGEST,
    LARGEST_SERIAL,
    Policy,
    check_serial,
    is_signed,
    read_policy,
    sign_policy,
)

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
        b'{"version": true}',
        b'{"version": "1"}',
        b'{"version": 1, "serial": -1}',
        b'{"version": 1, "serial": 1.5}',
        b'{"version": 1, "serial": true}',
        b'{"version": 1, "serial": null}',
        b'{"version": 1, "serial": 9007199254740992}',
        b'{"version": 1, "dial_gate": {"burst": 1.5}}',
        b'{"version": 1, "backoff": {"maximum": 1' + b"0" * 5000 + b"}}",
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


@pytest.mark.parametrize(("part", "name"), [(part, name) for part, names in BOUNDS.items() for name in names])
def test_the_bounds_themselves_are_allowed_and_nothing_beyond(part: str, name: str) -> None:
    """Each number, at both of its ends; the text names it, its value and the bounds."""
    low, high = BOUNDS[part][name]
    # Values of the backoff have to fit each other, too.
    rest = {"minimum": 0.05, "maximum": 3600} if part == "backoff" else {}
    for value in (low, high):
        assert read_policy(json.dumps({"version": 1, part: {**rest, name: value}}).encode()) != Policy()
    for value in (low - 0.01, high + 1):
        with pytest.raises(BadPolicy, match=rf"{part}\.{name} is .* from {low:g} to {high:g}"):
            read_policy(json.dumps({"version": 1, part: {**rest, name: value}}).encode())


def test_no_document_makes_a_crowd_dial_in_step_or_without_a_pause() -> None:
    """The worst that the bounds let through still slows down to a second, and spreads."""
    worst = {name: low for name, (low, _) in BOUNDS["backoff"].items()}
    backoff = read_policy(json.dumps({"version": 1, "backoff": worst}).encode()).backoff
    assert backoff is not None
    waits = [backoff.delay(50, Random(seed)) for seed in range(200)]
    assert min(waits) >= 0.9
    assert max(waits) - min(waits) > 0.15


def test_the_largest_document_is_taken_and_no_larger_one() -> None:
    """To the byte."""
    body = json.dumps(NIGHT).encode()
    read_policy(body.ljust(LARGEST))
    with pytest.raises(BadPolicy, match="16385 bytes, the limit is 16384"):
        read_policy(body.ljust(LARGEST + 1))


def test_equal_is_what_sets_the_same() -> None:
    """The serial, and names that are not understood, set nothing."""
    one = read_policy(json.dumps({**NIGHT, "serial": 1, "colour": "red"}).encode())
    assert one == read_policy(json.dumps(NIGHT).encode())
    assert one != read_policy(b'{"version": 1}')
    assert one.serial == 1


def test_texts_of_a_server_are_cut_and_made_printable() -> None:
    """Whoever writes a document does not write into our logs."""
    names = {f"\n{'x' * 100}{n}": n for n in range(50)}
    unknown = read_policy(json.dumps({**NIGHT, **names}).encode()).unknown
    assert len(unknown) == 10
    assert all(name.isprintable() and len(name) <= 40 for name in unknown)
    with pytest.raises(BadPolicy) as error:
        read_policy(json.dumps({"version": "\x1b[31m" + "x" * 10_000}).encode())
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 120


@pytest.mark.parametrize(
    ("last", "new", "taken"),
    [
        (None, None, True),
        (None, 0, True),
        (0, None, False),
        (0, 0, True),
        (7, 6, False),
        (7, 8, True),
        (7, LARGEST_SERIAL, True),
    ],
)
def test_there_is_no_way_back(last: int | None, new: int | None, *, taken: bool) -> None:
    """The same serial again is none; no serial is older than any."""
    check_serial(Policy(serial=new), None)
    if taken:
        check_serial(Policy(serial=new), Policy(serial=last))
    else:
        with pytest.raises(BadPolicy, match=f"after one with serial {last}"):
            check_serial(Policy(serial=new), Policy(serial=last))


def test_while_a_secret_is_changed_both_signatures_may_be_given() -> None:
    """One of them must be right; a list without end is not gone through."""
    body = json.dumps(NIGHT).encode()
    old, new = sign_policy(body, "old"), sign_policy(body, "new")
    assert is_signed(body, "new", f"{old}, {new.upper()}")
    assert is_signed(body, "old", f"{old}, {new}")
    assert not is_signed(body, "third", f"{old}, {new}")
    assert is_signed(body, "new", "x," * 3 + new)
    assert not is_signed(body, "new", "x," * 4 + new)


def test_the_signature_is_the_plain_one_of_the_standard() -> None:
    """Any tool can make it: this one is from openssl dgst -sha256 -hmac k3y."""
    assert sign_policy(b'{"version": 1}', "k3y") == "dd3dbc8a970f280e8e5329a3f4afaea64a1e0a0daf600b9f93850036f99266bf"


def test_a_failure_tells_where_and_what_without_secrets() -> None:
    """It is one of ours, and has its facts as fields."""
    error = PolicyFailed("https://joe:hush@example.com/p?token=hush", "HTTP 503: busy", status=503, retry_after=3)
    assert isinstance(error, CableError)
    assert str(error) == "no policy from https://***@example.com/p?token=***: HTTP 503: busy"
    assert (error.status, error.retry_after, error.retryable) == (503, 3, True)
    assert "hush" not in repr(vars(error))


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
