"""What a person may read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.redact import MASK, printable, redact_identifier, redact_subprotocol, redact_text, redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://example.com/cable", "wss://example.com/cable"),
        ("wss://example.com:8443/cable?room=7", "wss://example.com:8443/cable?room=7"),
        ("wss://user:pass@example.com/cable", "wss://***@example.com/cable"),
        ("wss://token@example.com/cable", "wss://***@example.com/cable"),
        ("wss://h/c?token=abc&jid=x.y.z&pi=30&Room=1", "wss://h/c?token=***&jid=***&pi=30&Room=1"),
        ("wss://h/c?nobody_thought_of_this=abc", "wss://h/c?nobody_thought_of_this=***"),
        ("wss://h/c?eyJhbGciOi.bare.token", "wss://h/c?***"),
        ("wss://h/c?eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9abc==", "wss://h/c?***"),
        ("wss://h/c?t%6Fken=abc", "wss://h/c?t%6Fken=***"),
        ("wss://h/c#access_token=abc", "wss://h/c"),
        ("wss://h/c?email=a@b", "wss://h/c?email=***"),
        ("wss://h/@user/c", "wss://h/@user/c"),
        ("wss://user:pa/ss@h/c", "wss://***@h/c"),
        ("wss://user:pa#ss@h/c", "wss://***@h/c"),
        ("wss://user:pa?ss@h/c", "wss://***@h/c"),
        ("user:pass@h/c", "//***@h/c"),
        ("http://[broken", "(an unreadable address)"),
        ("", ""),
    ],
)
def test_addresses(url: str, shown: str) -> None:
    """Host, port and path are shown; credentials, fragments and the values of unknown parameters are not."""
    assert redact_url(url) == shown


secrets = st.text("abcXYZ019-_.~%+", min_size=8, max_size=40).map(lambda text: f"Zq{text}")


@given(secrets, st.sampled_from(["wss://u:{}@h/c", "wss://{}@h/", "ws://h/c?token={}", "ws://h/c?{}", "ws://h/c#{}"]))
def test_no_secret_is_shown(secret: str, form: str) -> None:
    """Wherever in an address it is."""
    url = form.format(secret)
    assert secret not in redact_url(url)
    assert secret not in redact_text(f"failed at '{url}', gave up")


def test_texts_of_others() -> None:
    """Each address in a text is redacted, in whatever case, and the rest is left."""
    text = "GET HTTPS://u:p@a/x?k=v failed; proxy socks5://me:secret@b:1080, see https://docs"
    assert redact_text(text) == "GET https://***@a/x?k=*** failed; proxy socks5://***@b:1080, see https://docs"


@pytest.mark.parametrize(
    ("identifier", "shown"),
    [
        ('{"channel":"ChatChannel","room":42}', '{"channel":"ChatChannel","room":42}'),
        ('{"channel":"$pubsub","signed_stream_name":"ab--cd"}', '{"channel":"$pubsub","signed_stream_name":"***"}'),
        ('{"authToken" : "a\\"b","channel":"C"}', '{"authToken" : "***","channel":"C"}'),
        ('{"channel":"C","password":"x","api_key":"y"}', '{"channel":"C","password":"***","api_key":"***"}'),
        ('{"channel":"C","token":"cut of', '{"channel":"C","token":"***"'),
        ('{"channel":"token","room":"secret"}', '{"channel":"token","room":"secret"}'),
        ("a\nb\x1b[31m", "a b [31m"),
        ("x" * 500, "x" * 199 + "…"),
    ],
)
def test_identifiers(identifier: str, shown: str) -> None:
    """Parameters that are secrets by their name are not shown, nor anything that upsets a terminal."""
    assert redact_identifier(identifier) == shown


def test_a_hostile_identifier_takes_no_time() -> None:
    """Its length does not matter."""
    began = time.perf_counter()
    redact_identifier('"token' * 100_000)
    redact_identifier('"' + "token" * 100_000 + '":"' + "\\" * 100_000)
    assert time.perf_counter() - began < 1.0


def test_printable() -> None:
    """One line, no control characters, cut to a length."""
    assert printable("a\r\n\tb\x00\x1b[0m  c\u2028d") == "a b [0m c d"
    assert printable("abcdef", 4) == "abc…"
    assert printable("abcd", 4) == "abcd"
    assert printable("grüße 🚡") == "grüße 🚡"
    assert MASK == "***"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("actioncable-v1-json", "actioncable-v1-json"),
        ("anycable-token.s3cr3t.s3cr3t", f"anycable-token.{MASK}"),
        ("anycable-token.", f"anycable-token.{MASK}"),
    ],
)
def test_subprotocols(name: str, shown: str) -> None:
    """A token that travels as one of them is cut out."""
    assert redact_subprotocol(name) == shown
