"""`tocsin.detect`: a DataFrame in, scores and incidents out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tocsin.config import AUTO
from tocsin.detectors.feature_shift import localise
from tocsin.evaluation.panel import Panel
from tocsin.history.batch import Mode, history_rows, judge_rows, spread
from tocsin.history.choosing import choose
from tocsin.history.explaining import Explanation, Origin, accounted, explain, rows_of
from tocsin.history.frames import Table, table_of
from tocsin.history.judging import Judged, Rows, panels
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.types import IntArray, Scorer

Train = int | float | pd.DataFrame | None

_INCIDENT = (
    *("id", "series", "kind", "started_at", "opened_at", "ended_at", "peak_at", "level"),
    *("severity", "score", "tail", "rows", "channels", "reason"),
)


@dataclass(frozen=True, slots=True)
class Detection:
    """What `detect` found.

    `rows` has the frame's index and, for each row, `score` (higher is stranger), `tail` (how
    likely a normal row scores as high) and `alarm`; NaN is "no opinion": warm-up, training
    history, a row without a time of its own. `incidents` has an incident a row, `chosen` says
    what judged the rows and why, `mode` how. `panels` is the same by series, for pictures, and
    `origin` the detector and the history that it was fitted on.
    """

    rows: pd.DataFrame
    incidents: pd.DataFrame
    chosen: Mapping[str, Any]
    mode: Mode
    panels: tuple[Panel, ...]
    origin: Origin

    def explained(self, incident: str, covariates: Sequence[str] = ()) -> Explanation:
        """What an incident is put down to, as data; `to_json` makes plain values of it.

        Blamed and shifted channels, what was expected of the rows where the detector forecasts
        them, and the shares of `covariates`: names of channels, or those that the detector itself
        takes as covariates. `docs/explanations.md` says how far each can be believed. Raises
        ConfigError for an incident or a channel that is not there.
        """
        panel, found = self._where(incident)
        return explain(panel, found, self.origin, covariates)

    def shifted(self, incident: str, before: int = 3000) -> pd.DataFrame:
        """Which channels shifted in an incident: its rows against the `before` rows before it.

        A row a channel, the one that shifted most first: `statistic` (how much its law given all
        other channels has changed), `excess` (how far beyond the usual) and `p_value`. It asks
        another question than the blame of the detector, which says what made the score. See
        `tocsin.detectors.feature_shift`. Raises ConfigError for an incident that is not there.
        """
        panel, found = self._where(incident)
        rows = rows_of(found, panel.time)
        past = panel.values[max(0, rows.start - before) : rows.start]
        told = localise(past, panel.values[rows])
        columns = {"statistic": told.statistic, "excess": told.excess, "p_value": told.p_value}
        names = pd.Index(panel.channels, name="channel")
        return pd.DataFrame(columns, index=names).iloc[told.order]

    def _where(self, incident: str) -> tuple[Panel, Incident]:
        for panel in self.panels:
            for one in panel.incidents:
                if one.id == incident:
                    return panel, one
        known = ", ".join(self.incidents.id) or "none"
        raise ConfigError(f"no incident {incident!r}; there are {known}")

    def draw(self, path: Path | str, title: str = "Tocsin") -> None:
        """Write a PNG of the signals, tails, thresholds and incidents.

        Where the detector forecasts rows, a band behind the signals says what it expected.
        """
        from tocsin.evaluation.picture import draw  # noqa: PLC0415 - matplotlib is slow to load

        marked = title if self.mode == "causal" else f"{title} (offline)"
        draw([accounted(panel, self.origin) for panel in self.panels], Path(path), marked)


def detect(
    frame: pd.DataFrame,
    detector: str | Scorer[Any] = AUTO,
    train: Train = None,
    mode: Mode = "causal",
    *,
    time: str | None = None,
    key: str | None = None,
    **settings: Any,
) -> Detection:
    """Find anomalies in a DataFrame.

    `frame` has a row a time: the time is the column `time`, the index, or guessed (see
    `tocsin.history.frames`); the column `key`, if named, tells several series apart; all other
    columns are channels and must be numbers. NaN and infinities are missing. Rows may stand in any
    order and are judged in that of time; a second row of one time is refused and has NaN.

    `detector` is a name that `tocsin list detectors` shows, a scorer, or "auto": a plain choice by
    the number of channels. `settings` are the detector's own, and `budget` ("2/week": false alarms
    of a series that are put up with), `alpha` (a fixed alarm level for the tail instead) or
    `every` ("5m": gather rows on a regular grid first).

    `train` is clean history: so many times from the start, a share of them (a number under 1), or
    a frame of its own. It is learned whole and not judged: rows of the frame that were trained on
    have NaN, so what is learned from and what is judged are never the same rows.

    `mode` "causal" never lets a row's score depend on later rows. "offline" also plays the rows
    backwards and takes the mean of both scores, then ranks it in the whole series. It is for
    history alone, and its scores are not to be compared with causal ones unmarked.

    Raises ConfigError for what is asked wrongly, naming the nearest setting.

    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"flow": rng.normal(size=1000), "power": rng.normal(size=1000)})
    >>> frame.loc[900:920, "flow"] += 9
    >>> found = detect(frame)
    >>> found.chosen["detector"], len(found.incidents), bool(found.rows.alarm[905])
    ('mahalanobis', 1, True)
    """
    table = table_of(frame, time, key)
    places = np.flatnonzero(table.usable)
    rows = table.rows.take(places)
    asked = _training(train, rows, time, key)
    known = history_rows(rows, asked)
    choice = choose(detector, len(rows.channels), rows.step_ns(), settings, known)
    found = judge_rows(rows, choice, mode, asked)
    told = {**choice.words, "mode": mode, "time": table.time_from, "trained_on": found.trained_on}
    return Detection(
        rows=_columns(found.judged, places, len(frame)).set_axis(frame.index, axis=0),
        incidents=_incidents(found.judged.incidents),
        chosen=told,
        mode=mode,
        panels=panels(rows, found.judged),
        origin=Origin(choice.stages.scorer, found.history, causal=mode == "causal"),
    )


def _training(train: Train, rows: Rows, time: str | None, key: str | None) -> Any:
    """`train` as rows where it is a frame; otherwise as it is."""
    if not isinstance(train, pd.DataFrame):
        return train
    table: Table = table_of(train, time, key)
    history = table.rows.take(np.flatnonzero(table.usable))
    if set(history.channels) != set(rows.channels):
        raise ConfigError(
            f"the clean history has channels {', '.join(history.channels)}, "
            f"the frame has {', '.join(rows.channels)}"
        )
    order = [history.channels.index(name) for name in rows.channels]
    return replace(history, values=history.values[:, order], channels=rows.channels)


def _columns(judged: Judged, places: IntArray, rows: int) -> pd.DataFrame:
    wide = spread(judged, places, rows)
    return pd.DataFrame({"score": wide.score, "tail": wide.tail, "alarm": wide.alarm})


def _incidents(incidents: tuple[Incident, ...]) -> pd.DataFrame:
    """An incident a row, in order of time; times are UTC, NaT while an incident is open."""
    ordered = sorted(incidents, key=lambda i: (i.started_at, i.id))
    columns = {name: [getattr(each, name) for each in ordered] for name in _INCIDENT}
    table = pd.DataFrame(columns, columns=list(_INCIDENT))
    for name in ("started_at", "opened_at", "ended_at", "peak_at"):
        times = [pd.NaT if not when else pd.Timestamp(when) for when in columns[name]]
        table[name] = pd.DatetimeIndex(times).as_unit("ns").tz_localize("UTC")
    table["channels"] = pd.Series([dict(each.channels) for each in ordered], dtype=object)
    return table
