"""Messages of three series with anomalies, and room among them for bad ones."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

BEGIN = 1_760_000_000
TICKS = 200
BAD = range(120, TICKS, 7)  # ticks at which something bad comes


def message(series: str, tick: int, *, time: Any = None, **others: Any) -> bytes:
    """A good message, unless told otherwise; anomalies stand at every 50th tick."""
    x, y = np.random.default_rng([tick, *series.encode()]).normal(size=2)
    row = {"id": series, "t": BEGIN + tick if time is None else time}
    row |= {"x": x + 20 * (tick % 50 == 0), "y": y}
    return json.dumps(row | others).encode()


def stream(bad: Callable[[int], Sequence[bytes]] | None = None) -> list[bytes]:
    """Three series a second, and after some ticks what `bad` gives for them."""
    found: list[bytes] = []
    for tick in range(TICKS):
        found += [message(series, tick) for series in ("a", "b", "c")]
        if bad is not None and tick in BAD:
            found += bad(tick)
    return found
