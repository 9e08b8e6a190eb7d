"""What all tests of sources share: a watch over all that a person could come to see."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.test_secrecy import Everything

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[Everything]:
    """Keep what came to light in the test, the log at its most talkative included, and see that it holds no secret."""
    kept = Everything()
    with caplog.at_level(logging.DEBUG):
        yield kept
    kept.show(*caplog.messages)
    kept.shown.append(caplog.text)
    kept.check()
