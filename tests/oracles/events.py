"""Categorical events, slowly: laws over all events at once, and walks one step at a time."""

import itertools
import math
from collections import Counter

import numpy as np
from scipy.optimize import minimize

from tocsin.pipeline.types import FloatArray, IntArray


def all_events(codes: tuple[int, ...]) -> IntArray:
    """Every event (E, C) of channels with so many codes each."""
    return np.array(list(itertools.product(*[range(count) for count in codes])))


def pairwise_law(codes: tuple[int, ...], seed: int) -> FloatArray:
    """Chances (E,) of all events, by random tastes of each code and each pair of codes."""
    rng, events = np.random.default_rng(seed), all_events(codes)
    log_chance = np.zeros(len(events))
    for i, j in itertools.combinations(range(len(codes)), 2):
        log_chance += rng.normal(size=(codes[i], codes[j]))[events[:, i], events[:, j]]
    chance = np.exp(log_chance)
    return np.asarray(chance / chance.sum())


def exact_fit(rows: IntArray, codes: tuple[int, ...]) -> FloatArray:
    """Log chances (E,) of all events by maximum likelihood of all pairs, the constant exact."""
    events = all_events(codes)
    tables = [
        np.eye(codes[i] * codes[j])[events[:, i] * codes[j] + events[:, j]]
        for i, j in itertools.combinations(range(len(codes)), 2)
    ]
    design = np.hstack(tables)  # (E, all pairs of codes)
    place = {tuple(event): n for n, event in enumerate(events.tolist())}
    share = np.bincount([place[tuple(row)] for row in rows.tolist()], minlength=len(events))
    share = share / len(rows)

    def loss(taste: FloatArray) -> tuple[float, FloatArray]:
        energy = design @ taste
        constant = float(np.log(np.exp(energy).sum()))
        slope = design.T @ (np.exp(energy - constant) - share) + 1e-4 * taste
        return constant - float(share @ energy) + 5e-5 * float(taste @ taste), slope

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B")
    energy = design @ found.x
    return np.asarray(energy - np.log(np.exp(energy).sum()))


class SlowWalk:
    """Transitions between the visits of one series of codes, counted in plain dictionaries."""

    def __init__(self, codes: FloatArray, restart: float) -> None:
        visits = path(codes)
        self.step = Counter(itertools.pairwise(visits))
        self.left = Counter(visits[:-1])
        self.rows = Counter(code for code in codes.tolist() if not math.isnan(code))
        self.total = self.rows.total() + 0.5 * (len(self.rows) + 1)
        self.restart = restart

    def share(self, code: float) -> float:
        return (self.rows[code] + 0.5) / self.total

    def strangeness(self, codes: FloatArray) -> list[float]:
        """-log of the chance of each visit of a path, the first by its share."""
        visits = path(codes)
        found = [-math.log(self.share(visits[0]))]
        for start, stop in itertools.pairwise(visits):
            chance = self.step[start, stop] + self.restart * self.share(stop)
            found.append(-math.log(chance / (self.left[start] + self.restart)))
        return found


def path(codes: FloatArray) -> list[float]:
    """The visits of a series of codes (N,): no NaN, and no code twice in a row."""
    return [code for code, _ in itertools.groupby(c for c in codes.tolist() if not math.isnan(c))]
