"""What an incident is put down to: blamed and shifted channels, what was expected, covariates."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tocsin.detectors.combined.members import expecting
from tocsin.detectors.feature_shift import localise
from tocsin.detectors.remembered import Remembered
from tocsin.detectors.rows import tidied
from tocsin.detectors.trained import Trained
from tocsin.evaluation.panel import REACH, Expected, Panel, Shares
from tocsin.history.following import Marks, begun, followed
from tocsin.history.judging import Rows
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import Incident, iso
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, BoolArray, FloatArray, IntArray, Scorer, Spec, frames_of
from tocsin.pipeline.window import Window

_REFERENCE = 3000  # rows before an incident that it is held against
_AROUND = 30  # rows on either side of an incident whose expectation is drawn, at least
_MOST_ROWS = 20_000  # of a series, that expectations are drawn of
_TOGETHER = 4_000_000  # numbers in the windows that a detector is handed at a time
_TOLD = Remembered(8)  # what was expected of whole series, by `_mark`


@dataclass(frozen=True, slots=True)
class Origin:
    """What rows were judged by: the detector, and the clean history that it was fitted on.

    Without `causal`, scores look both ways, and no forecast made them.
    """

    scorer: Scorer[Any]
    history: Rows | None = None
    causal: bool = True


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a channel left its usual law given all others; see `feature_shift.Localised`."""

    channel: str
    excess: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Course:
    """One channel over an incident's rows (N,): what was, what was expected, and its usual miss."""

    channel: str
    time: IntArray
    value: FloatArray
    expected: FloatArray
    usual: FloatArray


@dataclass(frozen=True, slots=True)
class Covaried:
    """The covariates that go with an incident, and how far they had foretold it.

    `shares` are of all that raised the score; `foretold` is the share of the rise that covariates
    foretell without having seen the incident, and near 0 or below where they do not explain it.
    """

    shares: Shares
    rise: float
    foretold: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an incident is put down to.

    `blamed` are the channels that made the score, `shifted` those that left their usual law, the
    farthest first. `expected` has the channels that the detector told a value of, the most blamed
    first, and is None where it tells none. `covariates` is None where none were given.
    """

    incident: str
    blamed: Shares
    shifted: tuple[Shift, ...]
    expected: tuple[Course, ...] | None
    covariates: Covaried | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON: ISO times in UTC, NaN and infinities as null."""
        return {
            "incident": self.incident,
            "blamed": _named(self.blamed),
            "shifted": [
                {
                    "name": one.channel,
                    "excess": _number(one.excess),
                    "p_value": _number(one.p_value),
                }
                for one in self.shifted
            ],
            "expected": None if self.expected is None else list(map(_course, self.expected)),
            "covariates": None
            if self.covariates is None
            else {
                "shares": _named(self.covariates.shares),
                "rise": _number(self.covariates.rise),
                "foretold": _number(self.covariates.foretold),
            },
        }


def explain(
    panel: Panel, incident: Incident, origin: Origin, covariates: Sequence[str] = ()
) -> Explanation:
    """Explain an incident of a series.

    `covariates` are names of channels that may explain it; without any, those that the detector
    was told to take as covariates. They need `tocsin[trees]`. Raises ConfigError for a name that
    is no channel.
    """
    rows = rows_of(incident, panel.time)
    told = expected_of(panel, origin, np.arange(rows.start, rows.stop))
    return Explanation(
        incident.id,
        incident.channels,
        _shifted(panel, rows),
        None if told is None else _courses(panel, incident, told, rows),
        next(iter(covariates_of(panel, [incident], origin, covariates).values()), None),
    )


def accounted(panel: Panel, origin: Origin) -> Panel:
    """The panel to be drawn: with what was expected, covariates, and what was trained on.

    What was expected is told around its incidents alone.
    """
    scored = [incident for incident in panel.incidents if incident.kind == "anomaly"]
    near = np.zeros(len(panel.time), dtype=np.bool_)
    for incident in scored:
        rows = rows_of(incident, panel.time)
        around = max(_AROUND, rows.stop - rows.start)
        near[max(0, rows.start - around) : rows.stop + around] = True
    told = expected_of(panel, origin, np.flatnonzero(near)[-_MOST_ROWS:])
    found = covariates_of(panel, scored, origin)
    shares = {name: one.shares for name, one in found.items()}
    return replace(panel, expected=told, covariates=shares, trained=_trained(panel, origin))


def rows_of(incident: Incident, time: IntArray) -> slice:
    """The rows of an incident among rows of ascending times (N,); if open, all from its start."""
    first = int(np.searchsorted(time, incident.started_at))
    if incident.ended_at is None:
        return slice(first, len(time))
    return slice(first, int(np.searchsorted(time, incident.ended_at, side="right")))


def expected_of(panel: Panel, origin: Origin, rows: IntArray) -> Expected | None:
    """What was expected of the chosen rows, NaN at all others; None where nobody can tell.

    The detector is fitted as it was before; one that goes on learning goes through the series once
    more. What it then says is told only if it gives these rows, or in the second case all rows up
    to the last of them, the very scores that the panel has. So it is None too where the rows were
    gathered on a grid or the model has changed on the way.
    """
    scorer: Any = origin.scorer
    if not (expecting(scorer) and origin.causal and rows.size):
        return None
    if isinstance(scorer, Trained):
        told = _by_model(scorer, panel, origin, rows)
    else:
        name = (scorer, _mark(panel, origin))
        told = _TOLD.get(name, lambda: _by_state(scorer, panel, origin))
    if told is None:
        return None
    mine = np.isin(np.arange(len(panel.time)), rows)[:, None]
    told = Expected(*(np.where(mine, part, np.nan) for part in told))
    return None if np.isnan(told.middle).all() else told


def covariates_of(
    panel: Panel, incidents: Sequence[Incident], origin: Origin, names: Sequence[str] = ()
) -> dict[str, Covaried]:
    """The covariates that go with each incident, by its id; empty where there are none to look at.

    The second forest learns from all rows of the panel that have a score.
    """
    places = _places(panel, origin, names)
    if not places or not incidents:
        return {}
    causes = _second_forest()
    learned = causes.learn(panel.values[:, places], panel.score)
    chosen = tuple(panel.channels[place] for place in places)
    found = {}
    for incident in incidents:
        one = causes.explain(learned, rows_of(incident, panel.time), chosen, incident.id)
        found[incident.id] = Covaried(one.covariates, one.rise, one.foretold)
    return found


def _by_model(scorer: Any, panel: Panel, origin: Origin, rows: IntArray) -> Expected | None:
    """What a detector that is fitted once expected of the chosen rows."""
    own, past = _steps(panel.time), _past(panel, origin)
    model = scorer.model_of(panel.values[own[: scorer.train]] if past is None else past.values)
    if model is None:
        return None
    told = _nothing(panel)
    chosen = np.isin(own, rows)
    for part, batch in _windows(panel.time[own], panel.values[own], frames_of(scorer), chosen):
        place = own[part]
        score = panel.score[place]
        known = ~np.isnan(score)
        if (scorer.measure(model, batch.values)[0][known] != score[known]).any():
            return None
        band = scorer.band(model, batch.values)
        told.middle[place[known]] = band.expected[known]
        told.usual[place[known]] = band.usual[known]
    return told


def _by_state(scorer: Any, panel: Panel, origin: Origin) -> Expected:
    """What a detector that goes on learning expected of each row, as far as it can be followed."""
    own, past = _steps(panel.time), _past(panel, origin)
    frames = frames_of(scorer)
    spec = Spec(panel.values.shape[1:], frames)
    later = np.ones(len(own), dtype=bool)
    before: Iterator[Batch] = iter(())
    if past is not None:
        later = ~(np.isin(panel.time[own], past.time) & np.isnan(panel.score[own]))
        every = np.ones(len(past), dtype=bool)
        before = (part for _, part in _windows(past.time, past.values, frames, every))
    state = begun(scorer, spec, before)
    rows = (part for _, part in _windows(panel.time[own], panel.values[own], frames, later))
    told, judged = _nothing(panel), own[later]
    marks = Marks(panel.score[judged], _firing(panel)[judged])
    for row, one in followed(scorer, state, rows, marks):
        band = scorer.expects(state, one)
        told.middle[judged[row]], told.usual[judged[row]] = band.expected[0], band.usual[0]
    return told


def _firing(panel: Panel) -> BoolArray:
    """Which rows (N,) alarmed or stand in an incident."""
    firing = panel.alarm.copy()
    for incident in panel.incidents:
        if incident.kind == "anomaly":
            firing[rows_of(incident, panel.time)] = True
    return firing


def _nothing(panel: Panel) -> Expected:
    return Expected(*(np.full(panel.values.shape, np.nan) for _ in range(2)))


def _mark(panel: Panel, origin: Origin) -> bytes:
    """Tells the rows of a series, their scores and its clean history from all others."""
    past = _past(panel, origin)
    digest = hashlib.blake2b(digest_size=16)
    rows = (panel.time, panel.values, panel.score)
    for column in rows if past is None else (*rows, past.time, past.values):
        digest.update(f"{column.shape} {column.dtype}".encode())
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.digest()


def _trained(panel: Panel, origin: Origin) -> int:
    """How many of the panel's first rows are clean history, and so were not judged."""
    past = _past(panel, origin)
    if past is None:
        return 0
    learned = np.isin(panel.time, past.time) & np.isnan(panel.score)
    return int(np.minimum.accumulate(learned).sum())


def _past(panel: Panel, origin: Origin) -> Rows | None:
    """The clean history of the panel's series, a row a time; None where there was none."""
    if origin.history is None:
        return None
    history = origin.history.take(origin.history.in_time())
    mine = history.take(np.flatnonzero(np.array(history.series, dtype=object) == panel.series))
    return mine.take(_steps(mine.time))


def _steps(time: IntArray) -> IntArray:
    """The rows of one series whose time (N,) was not there already; the others are refused."""
    return np.flatnonzero(np.diff(time, prepend=time[:1] - 1) > 0)


def _windows(
    time: IntArray, values: FloatArray, frames: int, chosen: BoolArray
) -> Iterator[tuple[IntArray, Batch]]:
    """The chosen of one series' rows, some at a time: their places, and their windows."""
    window = Window(frames)
    stage = window.start(values.shape[1:])
    grow(stage, 1)
    size = max(1, _TOGETHER // (frames * values.shape[1]))
    for first in range(0, len(time), size):
        place = np.arange(first, min(first + size, len(time)))
        batch = window.advance(stage, 0 * place, time[place], values[place])
        here = batch.take(chosen[place])
        yield place[chosen[place]], replace(here, values=tidied(here.values))


def _shifted(panel: Panel, rows: slice) -> tuple[Shift, ...]:
    before = panel.values[max(0, rows.start - _REFERENCE) : rows.start]
    told = localise(before, panel.values[rows])
    return tuple(
        Shift(panel.channels[c], float(told.excess[c]), float(told.p_value[c]))
        for c in told.order.tolist()
        if not np.isnan(told.statistic[c])
    )


def _courses(
    panel: Panel, incident: Incident, told: Expected, rows: slice
) -> tuple[Course, ...] | None:
    """The channels of which something was expected, the most blamed first; None without any."""
    share = dict(incident.channels)
    order = sorted(range(len(panel.channels)), key=lambda c: -share.get(panel.channels[c], 0.0))
    return (
        tuple(
            Course(
                panel.channels[c],
                panel.time[rows],
                panel.values[rows, c],
                told.middle[rows, c],
                told.usual[rows, c],
            )
            for c in order
            if not np.isnan(told.middle[rows, c]).all()
        )
        or None
    )


def _places(panel: Panel, origin: Origin, names: Sequence[str]) -> list[int]:
    """Where the covariates stand among the channels: those named, or the detector's own."""
    if not names:
        return list(getattr(origin.scorer, "covariates", ()))
    unknown = [name for name in names if name not in panel.channels]
    if unknown:
        known = ", ".join(panel.channels)
        raise ConfigError(f"{unknown[0]!r} is no channel; there are {known}")
    return [panel.channels.index(name) for name in names]


def _second_forest() -> Any:
    """The module that learns how scores follow from covariates."""
    try:
        from tocsin.detectors.forecast import explain_covariates  # noqa: PLC0415 - xgboost is heavy
    except ModuleNotFoundError as error:
        if error.name != "xgboost":
            raise
        raise ConfigError("covariates need xgboost: pip install 'tocsin[trees]'") from error
    return explain_covariates


def _course(course: Course) -> dict[str, Any]:
    reach = REACH * course.usual
    columns = {
        "value": course.value,
        "expected": course.expected,
        "low": course.expected - reach,
        "high": course.expected + reach,
    }
    numbers = {name: list(map(_number, column.tolist())) for name, column in columns.items()}
    return {"name": course.channel, "time": list(map(iso, course.time.tolist())), **numbers}


def _named(shares: Shares) -> list[dict[str, Any]]:
    return [{"name": name, "share": share} for name, share in shares]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
