"""A stretch of time in which alarms of some series open nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import iso
from tocsin.pipeline.rules.series import of_series
from tocsin.pipeline.types import BoolArray, IntArray


@dataclass(frozen=True, slots=True)
class Silence:
    """No incident from `from_ns` up to, but not at, `until_ns` for series that match `series`.

    `series` is a shell pattern. With `learn` "freeze" nothing of these rows is learned, as for
    maintenance; with "keep" all of them are, strange ones too, as for a change that is wanted. An
    incident that was open already stays open, and calm rows end it as ever. Health is told all
    the same.
    """

    from_ns: int
    until_ns: int
    series: str = "*"
    learn: Literal["keep", "freeze"] = "freeze"

    def __post_init__(self) -> None:
        if self.from_ns >= self.until_ns:
            raise ConfigError(
                "a silence begins before it ends; "
                f"found {iso(self.from_ns)} to {iso(self.until_ns)}"
            )

    def covers(self, series: Sequence[str], key: IntArray, time: IntArray) -> BoolArray:
        """Rows (N,) that are silenced; `series` are the names of the keys."""
        covered = (time >= self.from_ns) & (time < self.until_ns)
        if not covered.any():
            return covered
        return np.asarray(covered & of_series(self.series, series, key))
