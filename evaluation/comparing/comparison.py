"""Detectors side by side on the series that all of them have: what every comparison starts from.

Results are a DataFrame with a row for each (dataset, series, detector, mode, seed) and the columns
of `KEY`, `fitted` (how the detector was fitted), `error` ("" where all went well), and one of
floats for each metric, NaN where there is no value.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray, IntArray

Mode = Literal["causal", "offline"]
MODES: tuple[Mode, ...] = ("causal", "offline")
KEY = ("dataset", "series", "detector", "mode", "seed")

# Values that differ by less are a tie: metrics are exact to about this many decimals.
DECIMALS = 9

# What any detector must beat; they stand in every table.
CONTROLS = (
    "random",
    "constant",
    "position",
    "moving_std_50",
    "knn_train",
    "mahalanobis_train",
)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One metric of D detectors of one mode on the S series that all of them have.

    `series` are (dataset, series) in order and `values` (S, D) the metric, averaged over seeds,
    never NaN. `left_out` are the series that at least one of the detectors lacks, `missing` says
    how many series each one lacks, and `absent` are the detectors without a value on any series:
    they are not compared, as otherwise there would be nothing left.
    """

    metric: str
    mode: Mode
    detectors: tuple[str, ...]
    series: tuple[tuple[str, str], ...]
    values: FloatArray
    left_out: tuple[tuple[str, str], ...]
    missing: Mapping[str, int]
    absent: tuple[str, ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that have a series left, in order."""
        return tuple(sorted({dataset for dataset, _ in self.series}))

    @property
    def group(self) -> IntArray:
        """The place in `datasets` of each series' data set, (S,)."""
        place = {dataset: i for i, dataset in enumerate(self.datasets)}
        return np.array([place[dataset] for dataset, _ in self.series], dtype=np.int64)

    def of(self, detector: str) -> FloatArray:
        """The values of one detector, (S,); a TocsinError where it is not compared."""
        if detector not in self.detectors:
            raise TocsinError(
                f"{self.metric}, {self.mode}: {detector!r} is not among the detectors compared, "
                f"which are {', '.join(self.detectors) or 'none'}"
            )
        return self.values[:, self.detectors.index(detector)]

    def gaps(self) -> str:
        """In words, how many series are compared, how many are not, and by whose fault."""
        total = len(self.series) + len(self.left_out)
        told = f"{self.metric}: {len(self.series)} of {total} series compared"
        if self.left_out and self.missing:
            worst = max(self.missing, key=lambda name: (self.missing[name], name))
            where = pd.Series([dataset for dataset, _ in self.left_out]).value_counts(sort=False)
            counts = ", ".join(f"{dataset} {count}" for dataset, count in sorted(where.items()))
            told += (
                f", {len(self.left_out)} left out as a detector has no value there ({counts}; "
                f"most often {worst}, {self.missing[worst]})"
            )
        if self.absent:
            told += f"; without any value: {', '.join(self.absent)}"
        return told


def compare(
    results: pd.DataFrame,
    metric: str,
    mode: Mode | None = None,
    detectors: Collection[str] | None = None,
) -> Comparison:
    """The detectors side by side in one mode; all of them, or those named.

    Seeds are averaged within a series. A series counts as missing for a detector where any of its
    seeds failed, has NaN or was not run: the mean of the seeds that worked would flatter it.
    Causal and offline scores are never compared: without a `mode`, results of both are refused.
    """
    rows = checked(results, (metric,))
    mode = _one_mode(rows, mode)
    rows = rows[rows["mode"] == mode]
    if detectors is not None:
        unknown = sorted(set(detectors) - set(rows["detector"]))
        if unknown:
            raise TocsinError(f"no {mode} results of {', '.join(unknown)}")
        rows = rows[rows["detector"].isin(list(detectors))]
    grid = _over_seeds(rows, metric)  # series by detectors
    known = grid.notna()
    taking_part = known.columns[known.any().to_numpy()]
    whole = known[taking_part].all(axis=1).to_numpy() & bool(len(taking_part))
    names = [(str(dataset), str(series)) for dataset, series in grid.index]
    return Comparison(
        metric=metric,
        mode=mode,
        detectors=tuple(map(str, taking_part)),
        series=tuple(name for name, stays in zip(names, whole, strict=True) if stays),
        values=grid.loc[whole, taking_part].to_numpy(dtype=np.float64),
        left_out=tuple(name for name, stays in zip(names, whole, strict=True) if not stays),
        missing={str(name): int((~known[name]).sum()) for name in taking_part},
        absent=tuple(str(name) for name in known.columns if name not in taking_part),
    )


def failures(results: pd.DataFrame, mode: Mode) -> dict[str, int]:
    """How many jobs of each detector ended in an error, one for each series and seed."""
    rows = checked(results, ())
    rows = rows[rows["mode"] == mode]
    counts = (rows["error"] != "").groupby(rows["detector"]).sum()
    return {str(name): int(count) for name, count in counts.items()}


def require_controls(rows: pd.DataFrame, mode: Mode) -> None:
    """Raise a TocsinError naming the controls of which `rows` hold nothing in this mode."""
    have = set(rows.loc[rows["mode"] == mode, "detector"])
    missing = [name for name in CONTROLS if name not in have]
    if missing:
        raise TocsinError(
            f"no {mode} results of {', '.join(missing)}: these controls stand in every table, "
            "so run them beside the detectors, in the same mode"
        )


def checked(results: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The columns that matter, metrics as floats with NaN wherever the job failed.

    A TocsinError names missing columns, rows without a name, unknown modes, jobs that are there
    twice, and metrics that are infinite or no numbers.
    """
    require_columns(results, (*KEY, "fitted", "error", *metrics))
    rows = results[[*KEY, "fitted", "error", *metrics]].reset_index(drop=True)
    nameless = rows[list(KEY)].isna().any(axis=1).to_numpy()
    if nameless.any():
        raise TocsinError(f"row {int(nameless.argmax())} of the results has no value in {KEY}")
    require_modes(rows)
    twice = rows.duplicated(list(KEY)).to_numpy()
    if twice.any():
        job = ", ".join(str(rows.loc[int(twice.argmax()), name]) for name in KEY)
        raise TocsinError(f"the results have this job twice: {job}")
    rows["error"] = rows["error"].fillna("")
    failed = rows["error"] != ""
    for metric in metrics:
        rows[metric] = _floats(rows, metric).mask(failed)
    return rows


def require_columns(frame: pd.DataFrame, wanted: Collection[str]) -> None:
    """Raise a TocsinError naming the columns that the frame lacks."""
    lacking = [name for name in wanted if name not in frame.columns]
    if lacking:
        have = ", ".join(map(str, frame.columns))
        raise TocsinError(f"the frame lacks {', '.join(lacking)}; its columns are {have}")


def require_modes(frame: pd.DataFrame) -> None:
    """Raise a TocsinError where a row's mode is neither causal nor offline."""
    unknown = sorted(set(map(str, frame["mode"])) - set(MODES))
    if unknown:
        raise TocsinError(f"mode is causal or offline; found {', '.join(map(repr, unknown))}")


def _one_mode(rows: pd.DataFrame, mode: Mode | None) -> Mode:
    found: list[Mode] = [known for known in MODES if (rows["mode"] == known).any()]
    if mode is None and len(found) > 1:
        raise TocsinError(
            "causal and offline scores have no common ranking, as offline ones have seen the "
            "future; say which mode to compare"
        )
    chosen = found[0] if mode is None and found else mode
    if chosen is None or chosen not in found:
        raise TocsinError(f"no results of mode {mode or 'causal or offline'}")
    return chosen


def _floats(rows: pd.DataFrame, metric: str) -> "pd.Series[float]":
    try:
        values = rows[metric].astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TocsinError(f"column {metric!r} of the results is not all numbers: {error}") from None
    endless = np.isinf(values.to_numpy())
    if endless.any():
        raise TocsinError(f"{metric} is infinite in row {int(endless.argmax())} of the results")
    return values


def _over_seeds(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means over seeds, (dataset, series) by detector; NaN where a seed is missing."""
    jobs = rows.sort_values(list(KEY)).groupby(["dataset", "series", "detector"], sort=True)
    found = jobs[metric].agg(["mean", "count"])
    seeds = rows.groupby("detector")["seed"].transform("nunique")
    wanted = seeds.groupby([rows["dataset"], rows["series"], rows["detector"]], sort=True).first()
    return found["mean"].where(found["count"] == wanted).unstack("detector")
