"""The posterior of a contamination: a bulk that a power makes normal, and anomalies above it."""

import math
from dataclasses import dataclass, replace

import numpy as np

from tocsin.evaluation.contamination.bulk import (
    HIGHEST,
    LOWEST,
    Bulk,
    Line,
    bent,
    fitted_bulk,
    lined,
    log_evidence,
    unbent,
)
from tocsin.pipeline.types import BoolArray, FloatArray

_APART = 2.5  # spreads of the bulk that the anomalies' mean lies above the bulk's
_FEW, _MANY = 0.5, 5.0  # a Beta prior: half an anomalous row to five normal ones
_STARTS = (0.005, 0.02, 0.05, 0.1, 0.2)
_BURN_IN = 250
_STRAYED = 10.0  # log-likelihood under the best: a mode that explains far less
# How likely clean scores are to gain so much log-likelihood from a second part: an exponential tail
# fitted to 320 simulated histories of 200 to 1,000 rows and four shapes, a tenth of which gain 2.0.
_GAIN_SHARE, _GAIN_SCALE = 0.62, 1.1


@dataclass(frozen=True, slots=True)
class Parts:
    """A bulk, and anomalies (`centre`, `spread`) in the unit of the score, of a share of rows.

    `flat` (N,) is the line through the bulk's power.
    """

    bulk: Bulk
    flat: FloatArray
    share: float
    centre: float
    spread: float

    def logs(self, line: Line) -> tuple[FloatArray, FloatArray]:
        """Log density of each score (N,) as a normal and as an anomalous row."""
        normal = math.log1p(-self.share) + self.bulk.log_density(line, self.flat)
        away = (line.score - self.centre) / self.spread
        anomalous = math.log(self.share / self.spread) - away * away / 2
        return normal, anomalous


def posterior(score: FloatArray, samples: int, seed: int) -> FloatArray:
    """Samples (S,) of the share of anomalous rows among scores (N,).

    Gibbs sampling of which rows are anomalous, of both parts and of the share, with a Metropolis
    step for the power. Where a bulk alone explains the scores nearly as well, part of the samples
    is 0: half the probability that clean scores would gain as much from a second part. So the 90 %
    interval begins at 0 unless no contamination at all is refused at the level of 10 %.
    """
    rng = np.random.default_rng(seed)
    line = lined(score)
    walk = _Walk(line, _start(line))
    for _ in range(_BURN_IN):
        walk.sweep(rng)
    gain = walk.most - float(fitted_bulk(line).log_density(line).sum())
    shares = np.empty(samples)
    for sample in range(samples):
        walk.sweep(rng, tuning=False)
        shares[sample] = walk.parts.share
    none = _GAIN_SHARE * math.exp(-max(gain, 0.0) / _GAIN_SCALE)
    shares[rng.permutation(samples)[: round(samples * none / 2)]] = 0.0
    return shares


class _Walk:
    """The sampler's way over parts, and the largest log-likelihood that it has met."""

    def __init__(self, line: Line, parts: Parts) -> None:
        self.line = line
        self.parts = parts
        self.logs = parts.logs(line)
        self.most = float(np.logaddexp(*self.logs).sum())
        self.step = 0.1  # of the power

    def sweep(self, rng: np.random.Generator, *, tuning: bool = True) -> None:
        """Move on, unless into a mode that explains the scores far worse."""
        moved = _swept(self.line, self.parts, self.logs, self.step, rng)
        logs = moved.logs(self.line)
        fit = float(np.logaddexp(*logs).sum())
        if tuning:
            self.most = max(self.most, fit)
            self.step *= 1.03 if moved.bulk.power != self.parts.bulk.power else 0.98
        if fit >= self.most - _STRAYED:
            self.parts, self.logs = moved, logs


def _start(line: Line) -> Parts:
    """The best of a few splits at a quantile."""
    order = np.argsort(line.score)
    found: list[tuple[float, Parts]] = []
    for share in _STARTS:
        top = np.zeros(len(line), dtype=bool)
        top[order[-max(1, round(share * len(line))) :]] = True
        bulk, high = fitted_bulk(line.take(~top)), line.score[top]
        spread = max(0.3, float(high.std()))
        parts = Parts(bulk, bent(line, bulk.power), share, float(high.mean()), spread)
        found.append((float(np.logaddexp(*parts.logs(line)).sum()), parts))
    return max(found, key=lambda each: each[0])[1]


def _swept(
    line: Line,
    parts: Parts,
    logs: tuple[FloatArray, FloatArray],
    step: float,
    rng: np.random.Generator,
) -> Parts:
    """One sweep of the sampler: which rows are anomalous, then all else."""
    odds = np.exp(np.clip(logs[0] - logs[1], -700, 700))
    strange = (rng.random(len(line)) * (1 + odds) < 1) & (line.score > 0)
    top, rest = line.score[strange], ~strange
    share = float(rng.beta(_FEW + len(top), _MANY + len(line) - len(top)))
    moved = replace(
        _bulk_redrawn(line, rest, parts, step, rng), share=float(np.clip(share, 1e-12, 1 - 1e-12))
    )
    return _top_redrawn(top, float(line.score.max()), moved, rng)


def _bulk_redrawn(
    line: Line, rest: BoolArray, parts: Parts, step: float, rng: np.random.Generator
) -> Parts:
    """The power, centre and spread of the rows that are not anomalous."""
    bend = float(line.bend()[rest].sum())
    power, flat = parts.bulk.power, parts.flat
    kept = flat[rest]
    other = power + step * rng.standard_normal()
    chance = math.log(rng.random())
    if LOWEST < other < HIGHEST:
        through = bent(line, other)
        proposed = through[rest]
        gain = log_evidence(proposed, bend, other) - log_evidence(kept, bend, power)
        if chance < gain:
            power, flat, kept = other, through, proposed
    many = len(kept)
    spread = float(kept.std()) * math.sqrt(many / rng.chisquare(many - 1))
    centre = float(kept.mean()) + spread / math.sqrt(many) * rng.standard_normal()
    return replace(parts, bulk=Bulk(power, centre, spread), flat=flat)


def _top_redrawn(top: FloatArray, most: float, parts: Parts, rng: np.random.Generator) -> Parts:
    """The anomalies' spread, and a centre far enough above the bulk; of the prior without any."""
    bulk, many = parts.bulk, len(top)
    least = unbent(bulk.centre + _APART * bulk.spread, bulk.power)
    squares = float(np.square(top - parts.centre).sum())
    spread = math.sqrt((2.0 + squares / 2) / rng.gamma(2.0 + many / 2))
    if not many:
        return replace(parts, centre=rng.uniform(least, max(most, least) + 2), spread=spread)
    for _ in range(20):
        centre = float(top.mean()) + spread / math.sqrt(many) * rng.standard_normal()
        if least < centre < max(most, least) + 2:
            return replace(parts, centre=centre, spread=spread)
    return replace(parts, centre=max(parts.centre, least), spread=spread)
