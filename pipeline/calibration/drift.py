"""The drift alarm of the calibrator itself: whether the tails of calm rows are still even.

A calibrated tail of a normal row is uniform. Of every series some of them are bet against; where
the bets win for a while, the tails are no longer uniform, and no alarm level can be trusted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.calibration.conditional import Conditional
from tocsin.pipeline.calibration.martingale import EVEN, LEANS, jumper_bet
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.groups import Groups, group
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

_JUMP = 0.01  # share of the stakes that is spread anew at each tail


@dataclass(slots=True)
class DriftState:
    """Each key's bets, and what they have come to."""

    since: IntArray = per_key(0)  # (K,) calm rows since the last bet or row under its level
    stakes: FloatArray = per_key(EVEN)  # (K, 3) of the jumper
    evidence: FloatArray = per_key(0.0)  # (K,) the Shiryaev-Roberts statistic of the bets
    doubt: IntArray = per_key(0)  # (K,) tails to go until the key's level is trusted again


@dataclass(frozen=True, slots=True)
class Tails:
    """Rows (N,) as they were judged; `aside` are those that tell nothing of the calibrator."""

    key: IntArray
    tail: FloatArray
    alpha: FloatArray
    aside: BoolArray


@dataclass(frozen=True, slots=True)
class DriftWatch:
    """Bets against the tails of calm rows, and doubts a series whose tails have lost.

    A row counts where its tail is known and not under its alarm level, unless it is `aside`; after
    a row under its level the count begins again. One in `every_rows` of them is bet on by the
    simple jumper (`tocsin.pipeline.calibration.martingale`), so that scores which follow each other
    for less than that are as good as independent. The bets are summed up by the Shiryaev-Roberts
    statistic, R = (1 + R) x bet (Vovk, Testing randomness online, 2021, arXiv:1906.09256; Vovk,
    Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman 2021, arXiv:2102.10439). At R >= `patience`
    the series is in doubt and R begins at 0 again; `quiet` tails after the last such rise it is
    trusted again.

    On independent uniform tails R less the number of tails is a martingale, so the mean number of
    tails to a false alarm is `patience` at least. Tails of calm rows are uniform above their level
    only; they are bet on as (tail - alpha) / (1 - alpha), which is uniform from 0 to 1.

    It finds tails that have become small, or large, for a while. It misses drift that the
    calibrator follows within some bets, and tails that are uneven to both sides of one half alike.
    It changes nothing but its own state, 48 bytes a key. R stays between 0 and `patience`, so it
    needs no logarithm, and its bits do not hang on how a machine takes one.

    >>> from tocsin.pipeline.keyed import grow
    >>> watch = DriftWatch(patience=100.0, every_rows=1)
    >>> state = watch.start()
    >>> grow(state, 1)
    >>> small = np.full(20, 0.05)
    >>> rows = Tails(np.zeros(20, np.int64), small, np.zeros(20), np.zeros(20, bool))
    >>> int(watch.advance(state, rows).argmax())
    10
    """

    patience: float = 100_000.0
    every_rows: int = 10
    quiet: int = 500

    def __post_init__(self) -> None:
        if not 1 < self.patience < math.inf or min(self.every_rows, self.quiet) < 1:
            raise ConfigError(
                "a drift watch needs patience > 1, and every_rows and quiet of 1 or more; "
                f"found {self}"
            )

    def start(self) -> DriftState:
        """The state before any row, with room for no key."""
        none = np.empty(0, dtype=np.int64)
        return DriftState(none, np.empty((0, LEANS)), np.empty(0), none)

    def advance(self, state: DriftState, rows: Tails) -> BoolArray:
        """Bet on rows (N,), in time order for each key; which of them find their series in doubt.

        Learns in place. However rows are cut into calls, what comes of them is the same.
        """
        if not len(rows.key):
            return np.empty(0, dtype=bool)
        groups = group(rows.key)
        bets = self._chosen(state, rows, groups)  # (N,) in key order
        chosen = groups.order[bets]
        tail = (rows.tail[chosen] - rows.alpha[chosen]) / (1 - rows.alpha[chosen])
        made = np.cumsum(bets, dtype=np.int64)  # how many bets up to each row
        first = (made - bets)[groups.start]  # (G,) before each key's first row
        doubt = state.doubt[groups.keys][groups.place]
        after = self._bet(state, groups.keys, np.split(tail, first[1:]))
        later = made > first[groups.place]
        doubt[later] = after[made[later] - 1]
        return groups.scatter(doubt > 0)

    def _chosen(self, state: DriftState, rows: Tails, groups: Groups) -> BoolArray:
        """Which rows are bet on, in key order; notes how many calm ones came since."""
        tail, alpha = rows.tail[groups.order], rows.alpha[groups.order]
        under = tail < alpha
        calm = (tail >= alpha) & (alpha < 1) & ~rows.aside[groups.order]
        count = np.cumsum(calm, dtype=np.int64)
        begins = np.where(under, count, count - calm - state.since[groups.keys][groups.place])
        marks = under | (groups.round == 0)  # where counting begins
        mark = np.maximum.accumulate(np.where(marks, np.arange(len(marks)), 0))
        since = (count - begins[mark]) % self.every_rows
        state.since[groups.keys] = since[groups.start + groups.count - 1]
        return np.asarray(calm & (since == 0))

    def _bet(self, state: DriftState, keys: IntArray, tails: list[FloatArray]) -> IntArray:
        """Bet on the tails of each key; how many each then has to go until it is trusted."""
        doubts = list[int]()
        for key, mine in zip(keys.tolist(), tails, strict=True):
            if not len(mine):
                continue
            low, level, high = state.stakes[key].tolist()
            evidence, doubt = float(state.evidence[key]), int(state.doubt[key])
            stakes = low, level, high
            for tail in mine.tolist():
                stakes, won = jumper_bet(stakes, tail, _JUMP)
                evidence = (1 + evidence) * won
                doubt = max(min(doubt, self.quiet) - 1, 0)  # it may have been set shorter
                if evidence >= self.patience:
                    evidence, doubt = 0.0, self.quiet
                doubts.append(doubt)
            state.stakes[key], state.evidence[key], state.doubt[key] = stakes, evidence, doubt
        return np.array(doubts, dtype=np.int64)


def refuse_uneven(calibrator: object) -> None:
    """ConfigError for a calibrator whose tails are not even, nor meant to be."""
    if isinstance(calibrator, Conditional):
        raise ConfigError("a drift watch needs even tails; those of conditional are higher")


def open_before(key: IntArray, begun: BoolArray, told: Sequence[tuple[int, Incident]]) -> BoolArray:
    """Where an anomaly of the row's series was open before the row (N,).

    `begun` (N,) is whether one was before the first of the rows. `told` are the revisions of
    anomalies that the rows made, each with its row.
    """
    if not told:
        return begun
    change = np.zeros(len(key), dtype=np.int64)
    for row, incident in told:
        change[row] += (incident.state == "open") - (incident.state == "resolved")
    groups = group(key)
    sums = np.cumsum(change[groups.order]) - change[groups.order]  # before each row, over all keys
    here = sums - sums[groups.start][groups.place]
    return groups.scatter(begun[groups.order] + here > 0)
