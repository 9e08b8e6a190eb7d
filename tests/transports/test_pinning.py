"""Pins: how they are written, what they are compared with, and that programs without a loop are held to them, too."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from cableway import UsageError, pinned_context
from cableway.transports.pinning import Pins, Unpinned, public_key_info
from tests.transports.websocket.peers import server_tls

if TYPE_CHECKING:
    from collections.abc import Iterator

CA = trustme.CA(key_type=trustme.KeyType.ECDSA)
LEAVES = [CA.issue_cert("a.example", key_type=kind) for kind in (trustme.KeyType.ECDSA, trustme.KeyType.RSA)]


def parts(leaf: trustme.LeafCert) -> tuple[bytes, bytes]:
    """Return a certificate, and its public key, as another library reads them."""
    certificate = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_bytes(Encoding.DER), key


def key_pin(leaf: trustme.LeafCert) -> str:
    """Return the pin of a public key."""
    return f"sha256/{base64.b64encode(hashlib.sha256(parts(leaf)[1]).digest()).decode()}"


@pytest.mark.parametrize("leaf", LEAVES)
def test_the_public_key_is_found(leaf: trustme.LeafCert) -> None:
    """Of whatever kind it is."""
    certificate, key = parts(leaf)
    assert public_key_info(certificate) == key


@given(st.binary(max_size=64))
def test_junk_has_no_key(junk: bytes) -> None:
    """It is never taken for the key that is pinned, and never raises."""
    certificate, key = parts(LEAVES[0])
    for size in (0, 1, 4, 5, 30, len(certificate) // 2):
        assert public_key_info(certificate[:size] + junk) != key


@pytest.mark.parametrize("leaf", LEAVES)
def test_pins_are_written_in_several_ways(leaf: trustme.LeafCert) -> None:
    """As by other libraries, and as ``openssl x509 -fingerprint`` prints them; one that fits is enough."""
    certificate, _ = parts(leaf)
    digest = hashlib.sha256(certificate).hexdigest()
    pairs = ":".join(digest[at : at + 2] for at in range(0, 64, 2))
    for pin in (key_pin(leaf), key_pin(leaf).replace("/", "//", 1), digest, pairs.upper(), f"sha256:{digest}"):
        Pins.of((pin,), None).verify(certificate)
        Pins.of(("00" * 32, pin), None).verify(certificate)


def test_another_certificate_is_refused() -> None:
    """And so is none at all; the error has the pins that would fit."""
    certificate, _ = parts(LEAVES[0])
    for pin in (key_pin(LEAVES[1]), "00" * 32):
        for found in (certificate, b"", None):
            with pytest.raises(Unpinned) as caught:
                Pins.of((pin,), None).verify(found)
            assert caught.value.key == (key_pin(LEAVES[0]) if found else "")
            assert len(caught.value.certificate) == 64


def test_a_check_comes_after_the_pins() -> None:
    """``False`` and errors refuse, all else accepts."""
    certificate, _ = parts(LEAVES[0])
    seen: list[bytes] = []
    Pins.of((key_pin(LEAVES[0]),), seen.append).verify(certificate)
    assert seen == [certificate]
    with pytest.raises(Unpinned):
        Pins.of((key_pin(LEAVES[1]),), seen.append).verify(certificate)
    assert len(seen) == 1
    with pytest.raises(Unpinned) as caught:
        Pins.of((), lambda _: False).verify(certificate)
    assert caught.value.why == "it returned False"

    def fail(_: bytes) -> None:
        raise KeyError

    with pytest.raises(Unpinned) as caught:
        Pins.of((), fail).verify(certificate)
    assert caught.value.why == "KeyError"


@pytest.mark.parametrize(
    "pin", ["", "sha256/short", "sha1/" + "A" * 28, "00" * 31, "sha256/" + "!" * 43 + "=", "zz" * 32]
)
def test_what_is_no_pin_is_refused(pin: str) -> None:
    """It would never fit, and nobody would know why."""
    with pytest.raises(UsageError, match="has neither form"):
        pinned_context(pin)


def test_a_pin_that_is_no_digest_is_not_decoded() -> None:
    """The right number of characters, but of another alphabet."""
    with pytest.raises(UsageError, match="has neither form"):
        pinned_context("sha256/" + "-" * 43 + "=")


def test_something_must_be_pinned() -> None:
    """Else it would be no pinned context."""
    with pytest.raises(UsageError, match="nothing is pinned"):
        pinned_context()


def test_all_else_is_as_by_default(tmp_path: Any) -> None:
    """Chain and host name are checked, and old versions of TLS are not spoken."""
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    usual, context = ssl.create_default_context(), pinned_context("00" * 32, cafile=tmp_path / "ca.pem")
    for name in ("verify_mode", "check_hostname", "minimum_version", "verify_flags", "options"):
        assert getattr(context, name) == getattr(usual, name)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1
    with pytest.raises(OSError, match="No such file"):
        pinned_context("00" * 32, cafile=tmp_path / "missing.pem")


@contextmanager
def listening(context: ssl.SSLContext) -> Iterator[int]:
    """A server on a thread, for one line."""

    def serve() -> None:
        with suppress(OSError):
            line, _ = listener.accept()
            with context.wrap_socket(line, server_side=True) as secure:
                heard.append(secure.recv(100))

    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
    assert heard in ([], [b""])


def test_a_program_without_a_loop_is_held_to_them(tmp_path: Any) -> None:
    """The context is one like any other: what takes one checks the pins."""
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = pinned_context("00" * 32, cafile=tmp_path / "ca.pem")
    with (
        listening(server_tls(CA)) as port,
        socket.create_connection(("127.0.0.1", port), 10) as line,
        pytest.raises(ssl.SSLCertVerificationError, match="not pinned"),
    ):
        context.wrap_socket(line, server_hostname="127.0.0.1")
