"""An alarm level from how much of a series is anomalous, followed over time."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.thresholds.binomial import beta_quantile
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass(slots=True)
class ContaminationState:
    """Each key's Beta posterior: rows held anomalous and normal, beyond the prior's, and when."""

    anomalous: FloatArray = per_key(0.0)  # (K,)
    normal: FloatArray = per_key(0.0)  # (K,)
    at: IntArray = per_key(NEVER)  # (K,)


@dataclass(frozen=True, slots=True)
class ContaminationTail:
    """The level at which a share `false` of the alarming rows is expected to be false.

    A Beta filter follows the share of anomalous rows: each row is held anomalous with the
    probability that its tail gives it under the share so far, and rows are forgotten with a half
    life of event time. Tails of normal rows are uniform, those of anomalous ones are taken to have
    the density s t^(s - 1), s being `sharpness`. With a share g the level is
    false / (1 - false) x g / (1 - g), the tail at which false alarms are that share of all alarms
    if every anomalous row alarms (Efron 2004, doi:10.1198/016214504000000089), and at most `most`.
    So a clean series has hardly any alarms, and one with faults every day is held to a milder
    level. `expected` and `rows` are the prior: a share, and how many rows it is worth.

    A fault that lasts raises the share, and so the level, while it lasts. Tails that are not
    uniform on normal rows are mistaken for contamination. Judged tick by tick. State: 24 bytes a
    key.
    """

    expected: float = 0.001
    rows: float = 1000.0
    false: float = 0.1
    half_life: str = "30d"
    sharpness: float = 0.2
    most: float = 0.01

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        shares = (self.expected, self.false, self.sharpness, self.most)
        if not all(0 < share < 1 for share in shares) or not self.rows > 0:
            raise ConfigError(
                f"expected, false, sharpness and most lie between 0 and 1, rows above 0; "
                f"found {self}"
            )
        if parse_duration(self.half_life) <= 0:
            raise ConfigError(f"a half life is longer than 0; found {self.half_life!r}")

    def start(self) -> ContaminationState:
        return ContaminationState(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))

    def alpha(
        self, state: ContaminationState, key: IntArray, time: IntArray, interval: FloatArray
    ) -> FloatArray:
        share = self.share(state, key, time)
        return np.minimum(self.false / (1 - self.false) * share / (1 - share), self.most)

    def opened(self, state: ContaminationState, key: int, time: int) -> None:
        """Rows are counted, not incidents."""

    def observe(
        self, state: ContaminationState, key: IntArray, time: IntArray, tail: FloatArray
    ) -> None:
        """Take a tick's judged rows (B,) in; a key stands once, NaN is passed over."""
        known = ~np.isnan(tail)
        who, when = key[known], np.maximum(time[known], state.at[key[known]])
        share = self.share(state, who, when)
        strange = self.sharpness * np.maximum(tail[known], 1e-300) ** (self.sharpness - 1)
        held = share * strange / (share * strange + 1 - share)
        kept = self._kept(state, who, when)
        state.anomalous[who] = kept * state.anomalous[who] + held
        state.normal[who] = kept * state.normal[who] + 1 - held
        state.at[who] = when

    def share(self, state: ContaminationState, key: IntArray, time: IntArray) -> FloatArray:
        """The mean of each row's (B,) posterior at its time."""
        anomalous, normal = self._shapes(state, key, time)
        return anomalous / (anomalous + normal)

    def interval(
        self, state: ContaminationState, key: IntArray, time: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """The 90 % interval (B,), (B,) of the share of anomalous rows at a time."""
        anomalous, normal = self._shapes(state, key, time)
        return beta_quantile(anomalous, normal, 0.05), beta_quantile(anomalous, normal, 0.95)

    def _shapes(
        self, state: ContaminationState, key: IntArray, time: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        kept = self._kept(state, key, time)
        prior = self.expected * self.rows
        return (
            prior + kept * state.anomalous[key],
            self.rows - prior + kept * state.normal[key],
        )

    def _kept(self, state: ContaminationState, key: IntArray, time: IntArray) -> FloatArray:
        """How much of what each key has learned is left at a time."""
        at = state.at[key]
        since = time - np.where(at == NEVER, time, np.minimum(at, time))
        kept: FloatArray = 0.5 ** (since / parse_duration(self.half_life))
        return kept
