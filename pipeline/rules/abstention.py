"""Rows that are neither alarm nor calm: other calibration scores would have decided otherwise."""

from dataclasses import dataclass

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.thresholds.rejection import rejects
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Abstention:
    """How sure a decision must be.

    A row is "can't say" where `tail < alpha` would not come out the same with a chance of
    `certainty` if its n calibration scores were drawn again (Perini and Davis 2023, arXiv
    2305.13189). It opens no incident and ends none. Rows without a tail or a level are no matter
    of certainty: they have no opinion.
    """

    certainty: float = 0.9

    def __post_init__(self) -> None:
        if not 0.5 < self.certainty < 1:
            raise ConfigError(f"a certainty lies between 0.5 and 1; found {self.certainty}")

    def unsure(self, tail: FloatArray, alpha: FloatArray, size: IntArray) -> BoolArray:
        """Rows (N,) whose decision is not stable; `size` (N,) calibration scores each."""
        return rejects(tail, alpha, size, self.certainty)
