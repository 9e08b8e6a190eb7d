"""For each symptom there is a likely cause, and something to do."""

from __future__ import annotations

import re

import pytest

from cableway.cli.doctor.command import doctor
from cableway.cli.doctor.remedies import REMEDIES
from cableway.cli.doctor.symptoms import Symptom

OTHERS = {"--allowed_origins", "--sse", "--poll", "--poll_interval"}
"""Options of AnyCable's."""


@pytest.mark.parametrize("symptom", Symptom, ids=lambda symptom: symptom.value)
def test_each_symptom_has_a_cause_and_an_advice(symptom: Symptom) -> None:
    """In words that follow each other as sentences."""
    remedy = REMEDIES[symptom]

    for text in (remedy.cause, remedy.advice):
        assert text[0].isupper()
        assert not text.endswith((".", " "))
        assert "\n" not in text


def test_options_that_are_advised_exist() -> None:
    """Whoever follows an advice is not told that there is no such option."""
    known = {name for parameter in doctor.params for name in parameter.opts}
    texts = " ".join(f"{remedy.cause} {remedy.advice}" for remedy in REMEDIES.values())

    advised = set(re.findall(r"--[a-z_-]+", texts))
    assert advised - known == OTHERS
