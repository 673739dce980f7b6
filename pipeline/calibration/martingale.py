"""Bets against the calibrator: if its tails stop being uniform, the stake grows without bound.

A test martingale starts at 1 and multiplies by a bet on each tail that is fair for uniform ones. By
Ville's inequality it ever reaches 1/a with a chance of at most a, while tails are independent and
uniform, at whatever row one looks (Vovk, Nouretdinov and Gammerman 2003; Ville 1939). So
`log value > ville(a)` is the drift alarm of the calibrator itself, right at any time at once.
It wants tails that are uniform to the last digit: those of `Randomised`.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.groups import group
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray

Bet = Literal["power", "mixture", "jumper"]

N = TypeVar("N", float, FloatArray)
Stakes = tuple[N, N, N]  # a jumper's capital in each lean, its sum being 1

LEANS = 3  # -1, 0 and 1, of a jumper's bets 1 + lean (p - 1/2)
EVEN = 1 / LEANS  # of its capital in each lean before any tail
_DROP = 45.0  # e^-45 of the largest is nothing
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


@dataclass(slots=True)
class MartingaleState:
    """What each key's bets have come to."""

    log_value: FloatArray = per_key(0.0)  # (K,)
    count: IntArray = per_key(0)  # (K,) tails
    log_sum: FloatArray = per_key(0.0)  # (K,) of their logarithms
    stakes: FloatArray = per_key(EVEN)  # (K, 3) a jumper's capital in each lean, its sum being 1


@dataclass(frozen=True, slots=True)
class Martingale:
    """A test martingale on tails, with exact log values in constant memory a key.

    "power" bets e p^(e-1) with e = `exponent` (Vovk, Nouretdinov and Gammerman 2003): it wins on
    small tails. "mixture" is the mean of the power martingales over all e from 0 to 1, at any row
    within a logarithmic term of the best of them. "jumper" spreads its stake over the bets
    1 + lean (p - 1/2), lean -1, 0 and 1, and redistributes a share `jump` at each row (the simple
    jumper; Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman 2021, arXiv:2102.10439): it
    wins where tails are small, or large, for a while. NaN tails are passed over.
    State: 56 bytes a key.

    >>> from tocsin.pipeline.keyed import grow
    >>> bets = Martingale("power", exponent=0.5)
    >>> state = bets.start()
    >>> grow(state, 1)
    >>> small = np.full(3, 0.01)
    >>> bets.advance(state, np.zeros(3, np.int64), small).round(2).tolist()
    [1.61, 3.22, 4.83]
    """

    bet: Bet = "jumper"
    exponent: float = 0.5
    jump: float = 0.01

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.bet not in ("power", "mixture", "jumper"):
            raise ConfigError(f"need bet power, mixture or jumper; found {self}")
        if not 0 < self.exponent < 1 or not 0 < self.jump <= 1:
            raise ConfigError(f"need 0 < exponent < 1 and 0 < jump <= 1; found {self}")

    def start(self) -> MartingaleState:
        """The state before any tail, with room for no key."""
        return MartingaleState(
            np.empty(0), np.empty(0, dtype=np.int64), np.empty(0), np.empty((0, LEANS))
        )

    def advance(self, state: MartingaleState, key: IntArray, tail: FloatArray) -> FloatArray:
        """Bet on tails (B,), in time order for each key; log values (B,) after each.

        Learns in place. A row without a tail has the value before it.
        """
        value = np.empty(len(key))
        groups = group(key)
        order = groups.order[np.argsort(groups.round, kind="stable")]
        ends = np.cumsum(np.bincount(groups.round))
        for rows in np.split(order, ends[:-1]) if len(key) else []:
            known = rows[~np.isnan(tail[rows])]
            self._bet(state, key[known], tail[known])
            value[rows] = state.log_value[key[rows]]
        return value

    def _bet(self, state: MartingaleState, key: IntArray, tail: FloatArray) -> None:
        log_tail = np.log(tail)
        state.count[key] += 1
        state.log_sum[key] += log_tail
        if self.bet == "power":
            won = math.log(self.exponent) + (self.exponent - 1) * log_tail
            state.log_value[key] += won
        elif self.bet == "mixture":
            state.log_value[key] = log_mixture(state.count[key], -state.log_sum[key])
        else:
            low, level, high = state.stakes[key].T
            stakes, won = jumper_bet((low, level, high), tail, self.jump)
            state.stakes[key] = np.stack(stakes, axis=1)  # (B, 3)
            state.log_value[key] += np.log(won)


def jumper_bet(stakes: Stakes[N], tail: N, jump: float) -> tuple[Stakes[N], N]:
    """One step of the simple jumper: the stakes in each lean after a tail, and what the bet won.

    Numbers, or arrays (B,) for a row each, to the same bits. Stakes sum to 1 before and after. A
    bet multiplies the capital by 0.5 to 1.5, by 1 on average where the tail is uniform.

    >>> stakes, won = jumper_bet((0.5, 0.3, 0.2), 0.1, 0.0)
    >>> [round(stake, 3) for stake in stakes], round(won, 3)
    ([0.625, 0.268, 0.107], 1.12)
    """
    kept, even, lean = 1 - jump, jump / LEANS, tail - 0.5
    low = (kept * stakes[0] + even) * (1 - lean)
    level = kept * stakes[1] + even
    high = (kept * stakes[2] + even) * (1 + lean)
    won = low + level + high
    return (low / won, level / won, high / won), won


def ville(chance: float) -> float:
    """The log value that a martingale on uniform tails ever reaches with at most this chance.

    >>> round(ville(0.01), 3)
    4.605
    """
    if not 0 < chance < 1:
        raise ConfigError(f"need a chance between 0 and 1; found {chance}")
    return -math.log(chance)


def log_mixture(count: IntArray, surprise: FloatArray) -> FloatArray:
    """The logarithm of the integral over e in (0, 1) of e^n exp((1 - e) s).

    n (B,) counts tails and s (B,) >= 0 is minus the sum of their logarithms. The integrand has one
    hump; either side of it is integrated with 64 nodes up to where it has fallen by e^45, which is
    exact to about 1e-13 of the value.

    >>> log_mixture(np.array([0]), np.array([1.0])).round(6).tolist()  # ln(e - 1)
    [0.541325]
    """
    n, s = count.astype(np.float64), np.maximum(surprise, 0.0)
    peak = np.minimum(np.divide(n, s, out=np.ones_like(s), where=s > 0), 1.0)
    top = _log_integrand(peak, n, s)
    low, high = (_edge(peak, side, n, s, top) for side in (np.zeros_like(s), np.ones_like(s)))
    area = np.zeros_like(s)
    for first, last in ((low, peak), (peak, high)):
        half = (last - first) / 2
        at = first[:, None] + half[:, None] * (1 + _NODES)  # (B, 64)
        drop = _log_integrand(at, n[:, None], s[:, None]) - top[:, None]
        area += half * (np.exp(drop) * _WEIGHTS).sum(axis=1)
    return top + np.log(area)


def _log_integrand(e: FloatArray, n: FloatArray, s: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 0, n * np.log(e), 0.0) + (1 - e) * s


def _edge(
    peak: FloatArray, side: FloatArray, n: FloatArray, s: FloatArray, top: FloatArray
) -> FloatArray:
    """Where the integrand has fallen far enough from its peak, or `side` if that comes first."""
    near, far = peak, side
    for _ in range(30):  # near enough: all of the integrand counts, if not much of it here
        middle = (near + far) / 2
        fallen = _log_integrand(middle, n, s) < top - _DROP
        near, far = np.where(fallen, near, middle), np.where(fallen, middle, far)
    return far
