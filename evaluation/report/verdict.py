"""Which detector to use and where it fails, said from the results of single series."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from pandas import DataFrame

from tocsin.evaluation.comparing.averages import Average, averages
from tocsin.evaluation.comparing.comparison import KEY, Comparison, Mode, compare
from tocsin.evaluation.report.words import metric_name
from tocsin.evaluation.wording import plain, plural

NOT_METRICS = frozenset((*KEY, "fitted", "error"))


@dataclass(frozen=True, slots=True)
class Standing:
    """A detector's macro mean, its 95 % interval, and its mean in each data set."""

    detector: str
    is_control: bool
    mean: float
    low: float
    high: float
    datasets: dict[str, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The detectors of one mode under one metric, best first.

    Only the `series` that all of them have are counted; `left_out` are the others, and `absent` the
    detectors without a single number.
    """

    mode: Mode
    metric: str
    standings: tuple[Standing, ...]
    series: int
    left_out: int
    absent: tuple[str, ...]

    @property
    def best(self) -> Standing:
        """The detector to use: the best one that is no control, failing that the best control."""
        return next((s for s in self.standings if not s.is_control), self.standings[0])

    @property
    def beaten(self) -> bool:
        """Whether no detector is better than the best control."""
        control = self.best_control
        return control is not None and self.best.mean <= control.mean

    @property
    def best_control(self) -> Standing | None:
        """The control with the highest macro mean, None without controls."""
        return next((s for s in self.standings if s.is_control), None)


def metrics_of(scores: DataFrame) -> list[str]:
    """The columns of numbers that are metrics; VUS-PR first, where it is among them."""
    columns = scores.select_dtypes("number").columns
    found = [str(column) for column in columns if column not in NOT_METRICS]
    return sorted(found, key=lambda name: name != "vus_pr")


def as_results(scores: DataFrame) -> DataFrame:
    """`scores`, a row a series and detector, as results that can be compared."""
    return scores.assign(seed=0, fitted="", error="")


def verdict(
    scores: DataFrame, metric: str, mode: Mode, controls: Collection[str]
) -> Verdict | None:
    """Rank the detectors of one mode; None where no series has a number of all of them.

    `scores` has the columns detector, mode, dataset, series and `metric`, a row a series and
    detector; NaN is no result. The numbers are those of `averages`, so a leaderboard of the same
    results has the same.
    """
    if scores.empty or not (scores["mode"] == mode).any():
        return None
    compared = compare(as_results(scores), metric, mode)
    if not compared.series:
        return None
    standings = [_standing(compared, average, controls) for average in averages(compared)]
    standings.sort(key=lambda s: (-s.mean, s.detector))
    return Verdict(
        mode=mode,
        metric=metric,
        standings=tuple(standings),
        series=len(compared.series),
        left_out=len(compared.left_out),
        absent=compared.absent,
    )


def sentences(found: Verdict) -> list[str]:
    """What a verdict says, in plain words: how sure the best one is, and where it fails."""
    best, control = found.best, found.best_control
    sets = plural(len(best.datasets), "data set")
    told = [
        f"The best is {plain(best.detector)}: its macro mean of {metric_name(found.metric)} is "
        f"{best.mean:.3f} (95 % interval "
        f"{best.low:.3f} to {best.high:.3f}) over {sets}, {plural(found.series, 'series')}."
    ]
    others = [s for s in found.standings if not s.is_control and s is not best]
    if others:
        told.append(_next_best(best, others[0]))
    if control is not None:
        told.append(_against(best, control))
        told.extend(_failures(found))
    else:
        told.append("There are no controls to compare it with.")
    if found.left_out:
        told.append(
            f"{plural(found.left_out, 'series')} left out, as some detector has no result there."
        )
    if found.absent:
        told.append(f"Without any result: {', '.join(map(plain, found.absent))}.")
    return told


def at_one_a_week(budget: DataFrame, detector: str, mode: str) -> str:
    """What a detector catches at the allowance nearest to one false incident a week, or ""."""
    if budget.empty:
        return ""
    rows = budget[(budget["detector"] == detector) & (budget["mode"] == mode)]
    rows = rows.dropna(subset=["per_week", "caught_share"])
    if rows.empty:
        return ""
    nearest = np.abs(np.log(np.maximum(rows["per_week"].to_numpy(float), 1e-9))).argmin()
    row = rows.iloc[int(nearest)]
    allowed, caught, false = (
        float(row[name]) for name in ("per_week", "caught_share", "false_per_week")
    )
    seen = "" if np.isnan(false) else f"; {false:.2g} a week came"
    incidents = "false incident" if allowed == 1 else "false incidents"
    return (
        f"Allowed {allowed:g} {incidents} a week a series, it catches {caught:.0%} of the "
        f"labelled events{seen}."
    )


def _standing(compared: Comparison, average: Average, controls: Collection[str]) -> Standing:
    values, group = compared.of(average.detector), compared.group  # (S,) each
    return Standing(
        detector=average.detector,
        is_control=average.detector in controls,
        mean=average.macro,
        low=average.low,
        high=average.high,
        datasets={
            name: float(values[group == place].mean())
            for place, name in enumerate(compared.datasets)
        },
    )


def _next_best(best: Standing, other: Standing) -> str:
    overlap = (
        "The intervals overlap, so another choice of series may turn the order round."
        if other.high >= best.low
        else "The intervals do not overlap."
    )
    return f"Next comes {plain(other.detector)} with {other.mean:.3f}. {overlap}"


def _against(best: Standing, control: Standing) -> str:
    if best.is_control:
        return "It is a control, and nothing else was compared."
    if control.mean >= best.mean:
        return (
            f"No detector beats the control {plain(control.detector)}, which has "
            f"{control.mean:.3f}: none of them is worth its cost here."
        )
    return f"The best control, {plain(control.detector)}, has {control.mean:.3f}."


def _failures(found: Verdict) -> list[str]:
    """The data sets where a control is at least as good as the best detector."""
    best = found.best
    if best.is_control:
        return []
    told = []
    for dataset, mean in best.datasets.items():
        rivals = [s for s in found.standings if s.is_control and s.datasets[dataset] >= mean]
        if rivals:
            rival = max(rivals, key=lambda s: s.datasets[dataset])
            told.append(
                f"It fails on {plain(dataset)}: it has {mean:.3f} there, the control "
                f"{plain(rival.detector)} {rival.datasets[dataset]:.3f}."
            )
    return told or ["On no data set does a control beat it."]
