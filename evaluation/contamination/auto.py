"""The estimate to take when nobody has said which."""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from tocsin.evaluation.contamination.contamination import Contamination, Estimator, one_score
from tocsin.evaluation.contamination.gamma_gmm import GammaGmm
from tocsin.evaluation.contamination.spread import Mad
from tocsin.pipeline.types import FloatArray

ENOUGH_ROWS = 100
ENOUGH_VALUES = 50


@dataclass(frozen=True, slots=True)
class Auto:
    """`GammaGmm` where there is enough to fit a distribution to, `Mad` elsewhere.

    Enough is 100 rows with 50 different scores: under that, or on scores that take few values, as
    counts do, a mixture is fitted to the gaps between values. `PeaksOverThreshold` and `Karch` are
    never chosen: the first misses a contamination above a tenth, the second calls clean scores
    anomalous. The result's `method` says what was taken.
    """

    seed: int = 1234

    def choose(self, scores: ArrayLike) -> Estimator:
        """The estimator that these scores call for."""
        line = one_score(scores)
        few = len(line) < ENOUGH_ROWS or _different(line) < ENOUGH_VALUES
        return Mad(seed=self.seed) if few else GammaGmm(seed=self.seed)

    def estimate(self, scores: ArrayLike) -> Contamination:
        return self.choose(scores).estimate(scores)


def _different(line: FloatArray) -> int:
    return len(set(line.tolist()))
