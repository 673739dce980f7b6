"""What stands in a detector's place while the other stages run without one."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from tocsin.pipeline.types import Batch, Scores, Spec, Traits


@dataclass(slots=True)
class Heard:
    """The newest frames of all rows that came by; grows, so it lives no longer than a fit."""

    parts: list[Batch] = field(default_factory=list)

    def frames(self, item: tuple[int, ...]) -> Batch:
        """The rows (N,) with values (N, *item)."""
        none = np.empty(0, dtype=np.int64)
        parts = [Batch(none, none, np.empty((0, *item))), *self.parts]
        columns = ([getattr(part, name) for part in parts] for name in ("key", "time", "values"))
        return Batch(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True, slots=True)
class Listener:
    """Stands where a detector of these traits would, has no opinion, and hears what that is given.

    Without `keeps` it forgets it at once: the other stages run, and nothing is scored.
    """

    traits: Traits
    keeps: bool = True

    version: ClassVar[int] = 1
    warmup: ClassVar[int] = 0

    def start(self, spec: Spec) -> Heard:
        return Heard()

    def score(self, state: Heard, batch: Batch) -> Scores:
        return Scores(np.full(len(batch), np.nan))

    def learn(self, state: Heard, batch: Batch) -> None:
        if self.keeps:
            state.parts.append(Batch(batch.key, batch.time, batch.values[:, -1].copy()))

    def advance(self, state: Heard, batch: Batch) -> Scores:
        self.learn(state, batch)
        return self.score(state, batch)
