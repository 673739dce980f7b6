"""How far, and which way, a channel must be from its usual level for its alarm to count."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.rules.verdicts import ALARM, DIRECTION, INVALID, SMALL
from tocsin.pipeline.types import FloatArray

_SIGNS = {"up": 1.0, "down": -1.0, "both": 0.0}


@dataclass(frozen=True, slots=True)
class Size:
    """A rule for the channels and series that match, both shell patterns; the last match wins.

    An alarm counts if its value lies `direction` of the usual level, by at least `least` in the
    channel's unit and at least `least_share` of the usual level's size, and within `low` and
    `high`: beyond those it is no reading, and health tells it if it has the same limits.
    """

    series: str = "*"
    channel: str = "*"
    direction: Literal["up", "down", "both"] = "both"
    least: float = 0.0
    least_share: float = 0.0
    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        if not (self.least >= 0 and self.least_share >= 0 and self.low < self.high):
            raise ConfigError(f"need least >= 0, least_share >= 0 and low < high; found {self}")
        if self.direction not in _SIGNS:
            raise ConfigError(f"a direction is up, down or both; found {self.direction!r}")


@dataclass(frozen=True, slots=True)
class Sizes:
    """The rules of one series by channel, each (C,); or (1,) for all pixels of a frame."""

    sign: FloatArray
    least: FloatArray
    share: FloatArray
    low: FloatArray
    high: FloatArray

    def verdict(self, value: FloatArray, usual: FloatArray, blame: FloatArray | None) -> int:
        """ALARM, or why the alarm of a row does not count; all arguments are (C,).

        The most blamed channel decides. Where the detector blames none, one present channel that
        keeps its rule is enough. A usual level that is not known yet suppresses nothing.
        """
        away = value - usual
        needed = np.fmax(self.least, self.share * np.abs(usual))
        codes = np.full(value.shape, ALARM, dtype=np.int8)
        codes[np.abs(away) < needed] = SMALL
        codes[away * self.sign < 0] = DIRECTION
        codes[(value < self.low) | (value > self.high)] = INVALID
        if blame is not None and float(blame.max()) > 0:
            return int(codes[blame.argmax()])
        told = codes[~np.isnan(value)]
        return ALARM if not len(told) or (told == ALARM).any() else int(told[0])


@lru_cache(maxsize=65_536)
def sizes_of(rules: tuple[Size, ...], series: str, channels: tuple[str, ...]) -> Sizes | None:
    """The rules that hold for a series, or None; `channels` are empty for frames."""
    mine = [rule for rule in rules if fnmatchcase(series, rule.series)]
    if not mine:
        return None
    chosen = [_last(mine, channel) for channel in channels or ("",)]
    return Sizes(
        sign=np.array([_SIGNS[rule.direction] for rule in chosen]),
        least=np.array([rule.least for rule in chosen]),
        share=np.array([rule.least_share for rule in chosen]),
        low=np.array([rule.low for rule in chosen]),
        high=np.array([rule.high for rule in chosen]),
    )


def _last(rules: Sequence[Size], channel: str) -> Size:
    return next((rule for rule in reversed(rules) if fnmatchcase(channel, rule.channel)), Size())
