"""Rows of a file that the detector had no opinion on, told where that is more than warm-up."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tocsin.evaluation.wording import plain, plural
from tocsin.history.batch import Found, Mode
from tocsin.history.choosing import Choice
from tocsin.history.judging import Rows

_NAMED = 3  # series that are told by name


@dataclass(frozen=True, slots=True)
class Opinions:
    """How many rows each series has, and how many of these were trained on, or judged.

    `needs` is about how many rows of a series pass before the detector has an opinion and the
    calibrator knows how usual it is.
    """

    detector: str
    needs: int
    rows: Counter[str]
    trained: Counter[str]
    judged: Counter[str]
    refused: int

    @property
    def silent(self) -> int:
        """Rows that were to be judged and got no opinion."""
        return self.rows.total() - self.trained.total() - self.judged.total() - self.refused

    def words(self) -> Iterator[str]:
        """What a reader of the incidents has to know, in lines; none where all is as usual."""
        if not self.judged.total():
            yield f"No row was judged: {self._needs(self.rows)}."
            return
        unknown = [name for name in self.rows if not self.judged[name]]
        if unknown:
            named = ", ".join(plain(name, 30) for name in unknown[:_NAMED])
            more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
            count = plural(len(unknown), "series")
            yield f"No row was judged of {count} ({named}{more}): {self._needs(unknown)}."
        beyond = self.silent - sum(self._warming(name) for name in self.rows)
        if beyond > 0:
            yield (
                f"No opinion on {plural(self.silent, 'row')}, {beyond} more than it takes to "
                "warm up."
            )

    def _needs(self, series: Iterable[str]) -> str:
        longest = max(self.rows[name] for name in series)
        return (
            f"{self.detector} needs about {plural(self.needs, 'row')} of a series, and the longest "
            f"has {longest}"
        )

    def _warming(self, name: str) -> int:
        return max(0, min(self.rows[name], self.needs) - self.trained[name])


def opinions(rows: Rows, found: Found, choice: Choice, mode: Mode) -> Opinions:
    """The opinions on the rows of a file."""
    stages, judged = choice.stages, found.judged
    least = int(getattr(stages.calibrator, "least", 0)) if mode == "causal" else 0
    known = np.flatnonzero(~np.isnan(judged.tail + judged.alpha))
    return Opinions(
        detector=str(choice.words["detector"]),
        needs=int(stages.scorer.warmup) + least,
        rows=Counter(rows.series),
        trained=Counter() if found.history is None else Counter(found.history.series),
        judged=Counter(rows.series[row] for row in known.tolist()),
        refused=int(judged.refused.sum()),
    )
