"""Figures that share their arrays: many detectors judge one series, whose signal is kept once."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np


def pooled(figures: Sequence[Any]) -> dict[str, list[Any]]:
    """`figures` with each array replaced by {"pool": place} in `arrays`, where equal ones are one.

    Arrays of any number type become plotly's typed ones of doubles, in which NaN stays NaN; all
    else stays as it is.

    >>> signal = np.array([1.0, np.nan])
    >>> found = pooled([{"x": signal}, {"x": signal.copy(), "name": "b"}])
    >>> found["figures"]
    [{'x': {'pool': 0}}, {'x': {'pool': 0}, 'name': 'b'}]
    >>> found["arrays"]
    [{'dtype': 'f8', 'bdata': 'AAAAAAAA8D8AAAAAAAD4fw=='}]
    """
    places: dict[bytes, int] = {}

    def replaced(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            content = value.astype("<f8").tobytes()
            return {"pool": places.setdefault(content, len(places))}
        if isinstance(value, dict):
            return {name: replaced(part) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [replaced(part) for part in value]
        return value

    placed = [replaced(figure) for figure in figures]
    arrays = [{"dtype": "f8", "bdata": base64.b64encode(each).decode()} for each in places]
    return {"figures": placed, "arrays": arrays}
