"""gammaGMM as it was published, with its faults, to compare with.

Perini, Buerkner and Klami 2023, "Estimating the contamination factor's distribution in
unsupervised anomaly detection", arXiv 2210.10487, in the form PyThresh gives it. Kept as they are:
the components drawn from are not those kept, covariances are drawn where precisions are meant, and
the prior allows 15 % of anomalies or more in one case of a hundred.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import beta, multivariate_normal, wishart
from sklearn.mixture import BayesianGaussianMixture

from tocsin.pipeline.types import FloatArray, IntArray

Singles = NDArray[np.float32]  # the published form keeps some of its numbers in half the digits

_NONE = 0.01  # prior probability that nothing is anomalous
_MANY, _MANY_CHANCE = 0.15, 0.01  # and that more than so much is
_CLOSE = 0.1  # how near the two have to come
_LIMIT = 0.5
_DRAWS = 50


@dataclass(frozen=True, slots=True)
class PublishedFit:
    """What the published form finds on the way, and its posterior `samples` (S,).

    `strangeness` (G,) of the components kept, falling, `order` (G,) of them; `delta` and `tau` turn
    strangeness into a probability; `fits` mixtures were tried. With no solution the samples are 0.
    """

    strangeness: Singles
    order: IntArray
    delta: float
    tau: float
    fits: int
    samples: FloatArray


@dataclass(frozen=True, slots=True)
class Published:
    """Settings of the published form; `skip` takes the first mixture whether it solves or not."""

    samples: int = 1000
    components: int = 100
    steps: int = 100
    skip: bool = False
    seed: int = 1234

    def fit(self, scores: FloatArray) -> PublishedFit:
        """Fit scores (N, M); a single detector is given a second one that scores nothing."""
        space = _mapped(scores)
        space = np.hstack([space, np.zeros_like(space)]) if space.shape[1] == 1 else space
        found = None
        for fits in range(1, self.steps + 2):
            seed = self.seed + 100 * (fits - 1)
            found = self._mixture(space, seed)
            if self.skip or found.solved:
                samples = self._sampled(found, np.random.RandomState(seed))
                return PublishedFit(
                    found.strangeness, found.order, found.delta, found.tau, fits, samples
                )
        assert found is not None  # noqa: S101 - steps is 0 or more, so one was fitted
        none = np.zeros(self.samples)
        return PublishedFit(
            found.strangeness, found.order, found.delta, found.tau, self.steps + 1, none
        )

    def _mixture(self, space: FloatArray, seed: int) -> "_Mixture":
        """A Dirichlet-process mixture, its components in order, with the two constants."""
        rows = len(space)
        model = BayesianGaussianMixture(
            weight_concentration_prior_type="dirichlet_process",
            n_components=rows - 1 if rows < self.components else self.components,
            weight_concentration_prior=0.01,
            max_iter=1500,
            random_state=seed,
            reg_covar=1e-4,
        ).fit(space)
        weight = model.weight_concentration_[0]
        kept = np.flatnonzero(weight >= 2)
        parts = [
            (model.means_[k], model.mean_precision_[k], model.covariances_[k],
             model.degrees_of_freedom_[k]) for k in kept
        ]  # fmt: skip
        strange = np.array([self._strangeness(*part) for part in parts], dtype=np.float32)
        order = np.argsort(-strange)
        lost = float(weight.sum() - weight[kept].sum())
        alphas = weight[kept][order] + lost / len(kept)
        # The published slip: places among the kept ones are used as places among all of them.
        precision, freedom = model.mean_precision_[order], model.degrees_of_freedom_[order]
        return _solved(
            _Mixture(
                strange[order], order, alphas, model.means_[kept][order], precision,
                model.covariances_[kept][order], freedom,
            )
        )  # fmt: skip

    def _strangeness(
        self, mean: FloatArray, precision: float, covariance: FloatArray, freedom: float
    ) -> float:
        """How far a component lies above 0 for its spread, on average of 1,000 draws."""
        draws = _draw_mean(mean, precision, 1000, self.seed)
        spread = np.sqrt(
            np.diagonal(_draw_covariance(covariance, freedom, 1000, self.seed), axis1=1, axis2=2)
        )
        return float(np.mean([np.mean(draws[:, m] / (1 + spread[:, m])) for m in range(len(mean))]))

    def _sampled(self, found: "_Mixture", random: np.random.RandomState) -> FloatArray:
        """Samples (S,) of the posterior; `random` is the state that a global seed would set."""
        shares = np.cumsum(random.dirichlet(found.alphas, self.samples), axis=1)  # (S, G)
        wanted = self.samples * (1 - _NONE)
        drawn = np.empty(0)
        round_ = 0
        while len(drawn) < wanted:
            first = _first_ones(self._chances(found, round_))
            for k, chance in enumerate(first):
                many = int(np.round(_DRAWS * chance, 0))
                if many > 0:
                    drawn = np.concatenate(
                        [drawn, random.choice(shares[:, k], many, replace=False)]
                    )
            round_ += 1
        if len(drawn) > wanted:
            drawn = random.choice(drawn, int(wanted), replace=False)
        drawn = np.concatenate([drawn, np.zeros(self.samples - len(drawn))])
        drawn = drawn[drawn < _LIMIT]
        if bool((drawn == 0).all()):
            return np.zeros(self.samples)
        missing = self.samples - len(drawn)
        if missing > 0:
            drawn = np.concatenate([drawn, random.choice(drawn[drawn > 0], missing, replace=True)])
        return drawn

    def _chances(self, found: "_Mixture", round_: int) -> Singles:
        """The probability (G,) that each component is anomalous, if those before it are."""
        chances = np.zeros(len(found.alphas), dtype=np.float32)
        for k in range(len(chances)):
            seed = 10 * self.seed + (round_ + 1) * (k + 1)
            mean = _draw_mean(found.means[k], found.precision[k], 1, seed)
            covariance = _draw_covariance(found.covariances[k], found.freedom[k], 1, seed)
            strange = np.mean(mean / (1 + np.sqrt(np.diag(covariance))))
            chances[k] = 1 / (1 + np.exp(found.tau + found.delta * strange))
        return chances


@dataclass(frozen=True, slots=True)
class _Mixture:
    """The components kept, strangest first, and the two constants of their probabilities."""

    strangeness: Singles  # (G,)
    order: IntArray  # (G,)
    alphas: FloatArray  # (G,)
    means: FloatArray  # (G, M)
    precision: FloatArray  # (G,)
    covariances: FloatArray  # (G, M, M)
    freedom: FloatArray  # (G,)
    delta: float = 0.0
    tau: float = 0.0
    solved: bool = False


def _solved(found: _Mixture) -> _Mixture:
    """The constants under which the prior says what it is to say of none and of many."""
    at_least = np.cumsum(found.alphas)
    many = np.nan_to_num(beta.sf(_MANY, at_least, sum(found.alphas) - at_least), nan=1.0)

    def chances(delta: float, tau: float) -> FloatArray:
        return np.asarray(1 / (1 + np.exp(tau + delta * found.strangeness)))

    def misses(constants: FloatArray) -> tuple[float, float]:
        delta, tau = constants
        none = delta - (np.log(_NONE / (1 - _NONE)) - tau) / found.strangeness[0]
        return none, float(np.sum(many * _first_ones(chances(delta, tau))) - _MANY_CHANCE)

    delta, tau = least_squares(misses, x0=(-2, 1), bounds=((-50, -1), (0, 50))).x
    each = chances(delta, tau)
    more = float(np.sum(many * _first_ones(each)))
    near = _near(float(1 - each[0]), _NONE) and _near(more, _MANY_CHANCE)
    return _Mixture(
        found.strangeness, found.order, found.alphas, found.means, found.precision,
        found.covariances, found.freedom, float(delta), float(tau), near,
    )  # fmt: skip


def _near(value: float, wanted: float) -> bool:
    return wanted * (1 - _CLOSE) < value < wanted * (1 + _CLOSE)


def _first_ones(chance: FloatArray | Singles) -> FloatArray:
    """The probability (G,) that exactly the first so many components are anomalous."""
    stops = np.append(1 - chance[1:], np.ones(1, dtype=chance.dtype))
    joint = np.cumprod(chance) * stops
    return np.asarray(joint, dtype=np.float64)


def _draw_mean(mean: FloatArray, precision: float, many: int, seed: int) -> FloatArray:
    spread = np.sqrt(1 / precision) ** 2
    drawn: FloatArray = multivariate_normal.rvs(mean=mean, cov=spread, size=many, random_state=seed)
    return drawn


def _draw_covariance(covariance: FloatArray, freedom: float, many: int, seed: int) -> FloatArray:
    drawn: FloatArray = wishart.rvs(
        df=freedom, scale=covariance / freedom, size=many, random_state=seed
    )
    return drawn


def _mapped(scores: FloatArray) -> FloatArray:
    """Each detector's scores (N, M) as the z-score of their log above the smallest."""
    logs = np.log(scores - scores.min(axis=0) + 0.01)
    spread = logs.std(axis=0)
    flat = spread == 0
    mapped: FloatArray = (logs - logs.mean(axis=0)) / np.where(flat, 1.0, spread)
    return np.where(flat, logs, mapped)
