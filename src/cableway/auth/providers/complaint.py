"""What a program complained, as far as that may be shown: it may well have quoted a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cableway.redact import MASK, printable, redact_url

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST: Final = 200
"""Characters shown, at most."""

_WORD: Final = re.compile(r"[A-Za-z]{1,20}(?:['/-][A-Za-z]{1,20}){0,3}|[0-9]{1,4}")
"""What a sentence is made of: words of letters alone, small numbers. Hardly a token looks like that."""

_ADDRESS: Final = re.compile(r"(?:wss?|https?)://\S+", re.IGNORECASE)

_ANNOUNCES: Final = re.compile(r".*(?:[:=]|\bbearer|\bbasic)", re.IGNORECASE)
"""The word after such a one may be what it announces."""

_NAMES_SECRET: Final = re.compile(
    r".*(?:token|secret|passw|key|credential|bearer|basic|auth|cookie|session)", re.IGNORECASE
)

_AROUND: Final = "'\"`()[]{}<>,.;:!?="


def shown_complaint(complaint: bytes, secrets: Iterable[str]) -> str:
    """Return *complaint* on one line, with all words cut out that may be secrets; those in *secrets* certainly."""
    known = {word.strip(_AROUND) for secret in secrets for word in secret.split()} - {""}
    words: list[str] = []
    before = ""
    for word in complaint.decode("utf-8", "replace").split():
        words.append(_shown(word, before, known))
        before = word
    return printable(" ".join(words), LONGEST)


def _shown(word: str, before: str, known: set[str]) -> str:
    if _ADDRESS.match(word.strip(_AROUND)):
        return redact_url(word.strip(_AROUND))
    bare = word.strip(_AROUND)
    announced = _ANNOUNCES.fullmatch(before) and _NAMES_SECRET.match(before)
    if bare in known or announced or (bare and not _WORD.fullmatch(bare)):
        return MASK
    return word
