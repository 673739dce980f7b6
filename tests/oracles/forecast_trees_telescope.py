"""A telescope that is made up: temperatures, covariates, and incidents whose causes are known."""

from typing import NamedTuple

import numpy as np

from tocsin.pipeline.types import FloatArray

TEMPERATURES, COVARIATES = 11, 35
ORBIT = 96  # rows

_CAUSES = 8  # covariates that can heat
_KEEPS = 0.8  # of a temperature's deviation from one row to the next
_PULSE = 4.0  # standard deviations that a covariate leaves its range by
_BUSY = 0.3  # of the time that a covariate is harmlessly out of its range
_HEAT = 1.0  # that a pulse puts into a temperature each row, before noise of 0.3


class Planted(NamedTuple):
    """One incident: rows first to stop, the covariate that caused it, the temperatures it moved."""

    first: int
    stop: int
    cause: int  # among the covariates; -1 is none
    moved: tuple[int, ...]


class Telescope(NamedTuple):
    """Rows (N, 46): temperatures, then covariates; the first `clean` have no incident."""

    rows: FloatArray
    clean: int
    incidents: tuple[Planted, ...]


def telescope(clean: int = 1500, incidents: int = 50, seed: int = 0) -> Telescope:
    """Clean rows, then incidents some 75 rows apart.

    A cause is a covariate that leaves its range for 15 to 25 rows and heats or cools one to three
    temperatures of its own. All covariates leave their range as far and for as long a third of the
    time, harmlessly, a cause then at its other end: ten of them stand out beside the cause. Every
    fifth incident has no cause: `cause` is -1.
    """
    rng = np.random.default_rng(seed)
    apart = 75
    count = clean + apart * (incidents + 1)
    covariates = _ordinary(count, rng)
    order = rng.permutation(COVARIATES)
    causes = order[:_CAUSES]
    moves = [rng.permutation(TEMPERATURES)[: 1 + i % 3] for i in range(_CAUSES)]
    pulses = np.zeros((count, COVARIATES))
    heat = np.zeros((count, TEMPERATURES))
    planted = []
    for i in range(incidents):
        which = int(rng.integers(_CAUSES))
        first = clean + apart * (i + 1) + int(rng.integers(-20, 20))
        stop = first + int(rng.integers(15, 26))
        sign = 1.0 if which % 2 else -1.0
        heat[first:stop, moves[which]] += sign * _HEAT
        moved = tuple(sorted(int(c) for c in moves[which]))
        cause = -1 if i % 5 == 4 else int(causes[which])
        planted.append(Planted(first, stop, cause, moved))
    for k in range(COVARIATES):
        ends = (-1.0,) if k in causes else (-1.0, 1.0)
        for first in rng.integers(clean, count, int(_BUSY * (count - clean) / 20)).tolist():
            pulses[first : first + int(rng.integers(15, 26)), k] += rng.choice(ends) * _PULSE
    for one in planted:
        if one.cause >= 0:
            pulses[one.first : one.stop, one.cause] = _PULSE
    temperatures = _temperatures(covariates, heat, rng)
    rows = np.concatenate((temperatures, covariates + pulses), axis=1)
    return Telescope(rows, clean, tuple(planted))


def _ordinary(count: int, rng: np.random.Generator) -> FloatArray:
    """Covariates of spread about 1: orbit, fast and slow walks in pairs, switches."""
    time = np.arange(count)
    columns = [np.sin(2 * np.pi * time / ORBIT + turn) * 1.4 for turn in rng.uniform(0, 6, 5)]
    for keeps in (0.9, 0.995):
        for _ in range(5):
            shared = _walk(count, keeps, rng)
            columns += [0.8 * shared + 0.6 * _walk(count, keeps, rng) for _ in range(2)]
    for _ in range(COVARIATES - len(columns)):
        turned = rng.random(count) < 0.03
        columns.append(2.0 * (np.cumsum(turned) % 2) - 1.0)
    return np.stack(columns, axis=1) + 0.05 * rng.normal(size=(count, COVARIATES))


def _walk(count: int, keeps: float, rng: np.random.Generator) -> FloatArray:
    """A walk that is drawn back to 0, of spread 1."""
    steps = rng.normal(size=count) * np.sqrt(1 - keeps**2)
    level, found = 0.0, np.empty(count)
    for row, step in enumerate(steps.tolist()):
        level = keeps * level + step
        found[row] = level
    return found


def _temperatures(covariates: FloatArray, heat: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Temperatures that follow the orbit, a little of two covariates each, and the heat."""
    count = len(covariates)
    orbit = np.sin(2 * np.pi * np.arange(count) / ORBIT)
    found = np.empty((count, TEMPERATURES))
    for c in range(TEMPERATURES):
        drawn = covariates[:, rng.permutation(COVARIATES)[:2]] @ rng.uniform(-0.1, 0.1, 2)
        level = 0.0
        for row in range(count):
            level = _KEEPS * level + drawn[row] + heat[row, c] + 0.3 * rng.normal()
            found[row, c] = 20.0 + level + 2.0 * orbit[row]
    return found
