"""Calibrators of one series by their definitions, in plain lists."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def weighted(scores: list[float], value: float, half_life: float, history: int) -> float:
    """P = (1 + weight of scores at least as high) / (1 + weight), the newest weighing 1."""
    above = total = 0.0
    for age, score in enumerate(reversed(scores[-history:])):
        weight = 0.5 ** (age / half_life)
        total += weight
        above += weight * (score >= value)
    return (1 + above) / (1 + total)


def randomised(scores: list[float], value: float, draw: float) -> float:
    """P = (#{higher} + (#{equal} + 1) u) / (1 + n)."""
    higher = sum(score > value for score in scores)
    equal = sum(score == value for score in scores)
    return (higher + (equal + 1) * draw) / (1 + len(scores))


def simes(rank: int, size: int, delta: float) -> float:
    """The bound of Bates and others (2023) on the tail at a rank, factor by factor."""
    half = max(size // 2, 1)
    product = 1.0
    for step in range(half):
        product *= max(size + 1 - rank - step, 0) ** (1 / half) / (size - step) ** (1 / half)
    return 1 - delta ** (1 / half) * product


@dataclass
class Blocks:
    """The tail of a row by block maxima, without a pool and without extremes."""

    block: int
    history: int
    least: int
    scores: list[float] = field(default_factory=list)

    def tail(self, value: float) -> float:
        whole = len(self.scores) // self.block
        blocks = [self.scores[i * self.block : (i + 1) * self.block] for i in range(whole)]
        if whole < self.least:
            return math.nan
        maxima = [max(block) for block in blocks][-self.history :]
        share = (1 + sum(m >= value for m in maxima)) / (1 + len(maxima))
        if share <= 0.75:
            return 1 - (1 - share) ** (1 / self.block)
        firsts = self.scores[:: self.block][-self.history :]
        plain = (1 + sum(s >= value for s in firsts)) / (1 + len(firsts))
        return max(plain, 1 - 0.25 ** (1 / self.block))


@dataclass
class Controlled:
    """Adaptive conformal inference over a plain conformal tail, without a pool."""

    level: float
    step: float
    history: int
    alone: int
    least: int
    at: float = math.nan
    scores: list[float] = field(default_factory=list)
    errors: list[bool] = field(default_factory=list)

    def plain(self, value: float) -> float:
        past = self.scores[-self.history :]
        if len(past) < self.least:
            return math.nan
        return (1 + sum(score >= value for score in past)) / (1 + len(past))

    def learn(self, value: float) -> None:
        if len(self.scores) >= self.alone:
            self.at = self.level if math.isnan(self.at) else self.at
            self.errors.append(self.plain(value) <= self.at)
            self.at += self.step * (self.level - self.errors[-1])
        self.scores.append(value)


def distance_from_uniform(tails: Floats) -> float:
    """Wasserstein-1 distance of tails (n,) from evenly spread ones."""
    return float(np.abs(np.sort(tails) - (np.arange(len(tails)) + 0.5) / len(tails)).mean())


def tails_of(weight: Floats, line: Floats) -> Floats:
    """Tails of the scores of `line` after the first `len(weight)`; weights are newest first."""
    window = len(weight)
    tails = []
    for place in range(window, len(line)):
        past = line[place - window : place][::-1]
        tails.append((1 + weight[past >= line[place]].sum()) / (1 + weight.sum()))
    return np.array(tails)


def power_bets(tails: list[float], exponent: float) -> list[float]:
    """Values of the power martingale."""
    values, value = [], 1.0
    for tail in tails:
        value *= exponent * tail ** (exponent - 1)
        values.append(value)
    return values


def jumper_bets(tails: list[float], jump: float) -> list[float]:
    """Values of the simple jumper."""
    capital = {-1: 1 / 3, 0: 1 / 3, 1: 1 / 3}
    values = []
    for tail in tails:
        total = sum(capital.values())
        for lean, stake in list(capital.items()):
            shared = (1 - jump) * stake + jump * total / 3
            capital[lean] = shared * (1 + lean * (tail - 0.5))
        values.append(sum(capital.values()))
    return values


def peaks_law(
    scores: list[float], history: int, size: int, peaks: int
) -> tuple[float, list[float], float]:
    """Threshold, kept peaks and their rate, for scores that never need a new threshold."""
    first = sorted(scores[:history])
    threshold = first[-size - 1]
    found = [(0, score) for score in first[-size:]]
    found += [(i, s) for i, s in enumerate(scores) if i >= history and s > threshold]
    since = found[-peaks][0] if len(found) > peaks else 0
    kept = found[-peaks:]
    return threshold, [score for _, score in kept], (len(kept) + 1) / (len(scores) - since + 1)


def log_mixture_series(count: int, surprise: float) -> float:
    """The log of the mixture of all power bets, as the sum of s^k n! / (n + 1 + k)!; s < n + 1."""
    factors = surprise / (count + 1.0 + np.arange(1, 30_000))
    return float(np.log1p(np.cumprod(factors).sum()) - np.log(count + 1))
