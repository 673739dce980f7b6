"""The conformal tail without its extremes, by counting in plain lists."""

import math
from dataclasses import dataclass, field

from tocsin.pipeline.calibrate import Conformal


@dataclass
class Counting:
    """Every key's scores and the pool, with nothing thrown away."""

    rule: Conformal
    scores: dict[int, list[float]] = field(default_factory=dict)
    pooled: list[float] = field(default_factory=list)
    fresh: dict[int, float] = field(default_factory=dict)

    def tail(self, key: int, value: float) -> float:
        """P = (1 + #{at least as high}) / (1 + n) over own scores and what is borrowed."""
        own = self.scores.get(key, [])[-self.rule.history :]
        pool = self.pooled[-self.rule.pool :]
        borrowed = min(max(self.rule.alone - len(own), 0), len(pool))
        size = len(own) + borrowed
        if math.isnan(value) or size < self.rule.least:
            return math.nan
        above = float(sum(score >= value for score in own))
        if borrowed:
            above += borrowed * sum(score >= value for score in pool) / len(pool)
        return (1 + above) / (1 + size)

    def learn(self, key: int, value: float) -> None:
        """Keep a score."""
        if not math.isnan(value):
            self.scores.setdefault(key, []).append(value)
            self.fresh[key] = value

    def renew(self) -> None:
        """Put each key's newest score since the last call into the pool, in key order."""
        self.pooled += [self.fresh[key] for key in sorted(self.fresh)]
        self.fresh = {}
