"""The contamination of scores as a posterior: how many are anomalous, and how sure that is."""

from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from tocsin.evaluation.contamination.contamination import (
    Contamination,
    checked,
    of_posterior,
    one_score,
)
from tocsin.evaluation.contamination.gamma_gmm_published import Published
from tocsin.evaluation.contamination.mixture import posterior
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray


@dataclass(frozen=True, slots=True)
class GammaGmm:
    """The posterior of the contamination under a mixture of normal and anomalous scores.

    After gammaGMM (Perini, Buerkner and Klami 2023, arXiv 2210.10487), which orders the parts of a
    Gaussian mixture by how anomalous they look. `compat="gammagmm-1.0"` is the published form, for
    comparison; it takes part of its numbers from the wrong parts, may split a skewed bulk into
    parts that it calls anomalous, and answers 0, whatever the scores, where its two constants have
    no solution. The default keeps the idea and replaces the mixture: scores of the detectors
    are combined, the bulk is one normal distribution behind a power, so that it may be skewed, and
    anomalies are a second part above it.

    The 90 % interval held the true contamination of 0, 1, 5 and 10 % in 87.5, 87.5, 91 and 88.5 %
    of 200 simulations each, of 500 rows, of normal, chi-squared and log-normal shapes, with
    anomalies 4 to 7 spreads above the bulk; for single shapes in 76 to 98 %. Anomalies nearer than
    that to the bulk are partly missed: the estimate is then too low. A bulk that has two humps
    counts the upper one as anomalous. Rows are taken to be independent: thin scores that overlap
    or hang together. More than `most_rows` rows are thinned evenly. About 0.5 s for 1,000 rows.

    >>> import numpy as np
    >>> rng = np.random.default_rng(5)
    >>> scores = np.concatenate([rng.normal(size=380), rng.normal(6, 1, size=20)])
    >>> found = GammaGmm(samples=200).estimate(scores)
    >>> found.low < 0.05 < found.high, round(found.mean, 2)
    (True, 0.05)
    """

    samples: int = 1000
    most_rows: int = 2000
    seed: int = 1234
    compat: Literal["", "gammagmm-1.0"] = ""

    def __post_init__(self) -> None:
        if self.samples < 100 or self.most_rows < 50:
            raise ConfigError(f"need samples >= 100 and most_rows >= 50; found {self}")

    def posterior(self, scores: ArrayLike) -> FloatArray:
        """Samples (S,) of the contamination of scores (N,) or (N, M)."""
        if self.compat:
            return Published(samples=self.samples, seed=self.seed).fit(checked(scores)).samples
        line = one_score(scores)
        every = -(-len(line) // self.most_rows)
        return posterior(line[::every], self.samples, self.seed)

    def estimate(self, scores: ArrayLike) -> Contamination:
        name = f"gamma_gmm ({self.compat})" if self.compat else "gamma_gmm"
        return of_posterior(scores, self.posterior(scores), name)
