"""What tests of the pipeline share."""

import pytest
from oracles.runs import Clock

from tocsin.pipeline import delivery, runner


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the runner and its delivery go by; it stands still until it is told."""
    clock = Clock()
    monkeypatch.setattr(runner, "time", clock)
    monkeypatch.setattr(delivery, "time", clock)
    return clock
