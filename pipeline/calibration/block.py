"""Tails for scores that come in runs: high ones are judged by the highest of each block."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.calibration.rounds import in_rounds
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray

_BODY = 0.75  # a score below three quarters of the blocks' highest is no tail


@dataclass(slots=True)
class BlockState:
    """The highest and the first score of past blocks, and the block that is being filled."""

    maxima: ConformalState
    firsts: ConformalState
    highest: FloatArray = per_key(np.nan)  # (K,)
    filled: IntArray = per_key(0)  # (K,) scores in the block so far


@dataclass(frozen=True, slots=True)
class BlockConformal:
    """Conformal tail by block maxima, right for autocorrelated scores.

    What it holds: cut a series' learned scores into blocks of `block`. At a level a, the share of
    blocks with at least one score whose tail is below a is 1 - (1 - a)^block, which is what
    independent scores would give; for small a that is one alarmed block in 1/a rows. Alarms of one
    block are mostly one incident, so a is the rate of incidents a row. `Conformal` holds the rate
    of alarmed rows instead, which on scores that come in runs is another thing: there, far fewer
    blocks alarm than the level says, each many times.

    A score is compared with the highest score of each of the key's newest `history` whole blocks,
    q = (1 + #{maxima at least as high}) / (1 + blocks), and its tail is 1 - (1 - q)^(1/block). It
    is right where the maxima are exchangeable: block maxima of a stationary series whose memory is
    short against `block` (Leadbetter 1974, doi:10.1007/BF00532947); take at least five times the
    correlation time, or `block_length` of a calm history. Scores below three quarters of the maxima
    have the plain tail of the blocks' first scores: levels above 1 - 0.25^(1/block) are of rows.
    Young keys borrow maxima from a pool, and there is no opinion before `least` blocks: 30 blocks
    of 50 minutes are a day. Where rows that alarm are not learned, the blocks go without them.
    State: 16 bytes x (`history` + 4) a key, and 16 x `pool` bytes.

    >>> BlockConformal(block=50).history
    200
    """

    block: int = 50
    history: int = 200  # blocks
    alone: int = 100
    least: int = 30
    pool: int = 1000
    extremes: bool = True

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._maxima()
        if self.block < 1:
            raise ConfigError(f"need block >= 1; found {self}")

    def start(self) -> BlockState:
        return BlockState(
            maxima=self._maxima().start(),
            firsts=self._firsts().start(),
            highest=np.empty(0),
            filled=np.empty(0, dtype=np.int64),
        )

    def tail(
        self, state: BlockState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        of_block = self._maxima().tail(state.maxima, key, time, value)
        of_first = self._firsts().tail(state.firsts, key, time, value)
        return np.where(
            of_block <= _BODY,
            self._a_row(np.minimum(of_block, _BODY)),
            np.where(np.isnan(of_block), np.nan, np.fmax(of_first, self._a_row(np.array(_BODY)))),
        )

    def learn(self, state: BlockState, key: IntArray, time: IntArray, value: FloatArray) -> None:
        known = ~np.isnan(value)
        key, time, value = key[known], time[known], value[known]
        begins = state.filled[key] == 0
        self._firsts().learn(state.firsts, key[begins], time[begins], value[begins])
        state.highest[key] = np.fmax(state.highest[key], value)
        state.filled[key] += 1
        full = state.filled[key] == self.block
        done = key[full]
        self._maxima().learn(state.maxima, done, time[full], state.highest[done])
        state.highest[done] = np.nan
        state.filled[done] = 0

    def advance(
        self, state: BlockState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return in_rounds(self, state, key, time, value)

    def renew(self, state: BlockState) -> None:
        self._maxima().renew(state.maxima)
        self._firsts().renew(state.firsts)

    def size(self, state: BlockState, key: IntArray) -> IntArray:
        """How many blocks (B,) each row's tail rests on, its own and borrowed."""
        return self._maxima().size(state.maxima, key)

    def _a_row(self, of_block: FloatArray) -> FloatArray:
        """The tail of a row, from that of the highest of a block of independent rows."""
        return -np.expm1(np.log1p(-of_block) / self.block)

    def _maxima(self) -> Conformal:
        return Conformal(self.history, self.alone, self.least, self.pool, self.extremes)

    def _firsts(self) -> Conformal:
        return Conformal(self.history, self.alone, self.least, self.pool, extremes=False)


def block_length(scores: FloatArray, *, most: int = 1000) -> int:
    """A block length for calm scores (N,) of one series: ten times their correlation time.

    The correlation time is half of 1 + 2 (r1 + r2 + ...), summed over pairs of autocorrelations for
    as long as a pair is positive (Geyer 1992, doi:10.1214/ss/1177011137). NaN is passed over. At
    least 10, at most `most`; scores without spread, and fewer than 20, have no say and give 10.

    >>> rng = np.random.default_rng(0)
    >>> block_length(rng.normal(size=5000))
    10
    """
    known = scores[np.isfinite(scores)]
    shortest = 10
    if len(known) < 2 * shortest:
        return shortest
    centred = known - known.mean()
    spread = float(np.dot(centred, centred))
    if spread <= 0:
        return shortest
    lags = min(most, len(known) // 2)
    total = 0.0
    for lag in range(0, lags - 1, 2):
        pair = sum(
            float(np.dot(centred[: len(known) - k], centred[k:])) / spread for k in (lag, lag + 1)
        )
        if pair <= 0:
            break
        total += pair
    return int(np.clip(np.ceil(10 * (total - 0.5)), shortest, most))
