"""How unlike the patches of clean history the newest patches of a series are."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from tocsin.detectors.patches.evidence import distances, evidence, shares
from tocsin.detectors.patches.features import FEATURES
from tocsin.detectors.patches.memory import PatchModel, Recipe, learned, newest_points
from tocsin.detectors.patches.neighbours import nearest
from tocsin.detectors.patches.novelty import Door, Room, walk
from tocsin.detectors.patches.whole import ratios_of_series
from tocsin.detectors.rows import channels, need, tidied
from tocsin.detectors.trained import Trained, TrainingState
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

_NARROWEST = 4  # rows of a patch
_FEWEST = 8  # patches of a width
_CHUNK = 2_000_000  # numbers in the windows that are looked at together


@dataclass(slots=True)
class PatchState(TrainingState):
    """Training rows, and the patches that were admitted after training, in spreads."""

    novel: FloatArray = per_key(np.nan)  # (K, S, R, C, D)
    lone: FloatArray = per_key(np.inf)  # (K, S, R) see Room
    gap: FloatArray = per_key(np.inf)  # (K, S, R)
    admitted: IntArray = per_key(0)  # (K, S) of the R places of each width


@dataclass(frozen=True, slots=True)
class PatchMemory(Trained[PatchModel | None]):
    """How unlike the patches of clean history the newest patches of a series are.

    A patch is the newest 8, 16, 32, 64 or 128 rows of a channel, described by nineteen statistics:
    level, spread, quantiles, slope, steps, autocorrelation. Channels are in robust spreads of
    their training rows, statistics in standard deviations over the training patches. A patch's
    distance is the mean to its three nearest training patches, over the median of that distance
    among training patches themselves, each without those it overlaps: 1 is usual. The score is the
    mean over the widths of log(1 + distance), half of it the mean over the channels apart and half
    from one distance of all channels together; `compare` chooses one of the two alone.

    `offline` describes patches every quarter of their width and averages the distances over the
    patches that cover a row; it looks to both sides and is for history alone.

    With `adapt`, rows that are learned after training go on teaching: a patch farther than usual
    from all that is remembered is admitted, to at most `room` patches a width. When these are full
    the most redundant of them, the one nearest to any other, gives way, so that the memory keeps
    covering all that was normal. Without it nothing is learned after training.

    Young series are scored by the widths that fit; a patch with less than three quarters of its
    values has no opinion, nor has a row without any value. A channel that was mostly missing in
    training is left out. `trim` is the share of training patches, the most lonely ones, that are
    not remembered: a history that is taken for clean seldom is, and a clean one hardly misses them.

    `blame` is each channel's distances, spread over the rows of their patches.

    Finds what changes the shape, level, noise or rhythm of a channel, spikes and stretches that
    stand still; with several channels also combinations of statistics never seen. Misses a broken
    relation between channels that each look as ever, and faults shorter than the noise of 8 rows.

    Cost a row: 5 searches among at most `patches` patches, about 30 microseconds a channel; from
    8 channels on, fewer patches are kept so that it rises no further. Memory a key: 8 x `memory` x
    C bytes of rows, and 800 x `patches` x C of patches; with `adapt` 800 x `room` x C more.

    Reference: nearest neighbours as Ramaswamy, Rastogi and Shim, 2000,
    doi:10.1145/342009.335437; the k-centre rule of eviction after Gonzalez, Clustering to minimize
    the maximum intercluster distance, 1985, doi:10.1016/0304-3975(85)90224-5.

    >>> wave = np.sin(np.arange(1200) / 5.0)[:, None]
    >>> still = wave.copy()
    >>> still[1000:1040] = wave[1000]
    >>> score = PatchMemory().offline(Spec((1,)), wave[:800], still[800:]).value
    >>> bool(score[200:240].min() > score[:100].max())
    True
    """

    memory: int = 10_000
    widths: tuple[int, ...] = (8, 16, 32, 64, 128)
    patches: int = 1000
    compare: Literal["apart", "joint", "both"] = "both"
    trim: float = 0.1
    adapt: bool = False
    room: int = 200

    traits: ClassVar[Traits] = Traits(
        detects=frozenset({"spike", "level_shift", "variance_burst", "drift"})
    )

    def check(self) -> None:
        widths = list(self.widths)
        if widths != sorted(set(widths)) or min(widths, default=0) < _NARROWEST:
            raise ConfigError(f"widths must rise, from {_NARROWEST} rows on; found {self.widths}")
        if self.compare not in ("apart", "joint", "both"):
            raise ConfigError(f"compare must be apart, joint or both; found {self.compare!r}")
        super(PatchMemory, self).check()
        need(self.patches >= _FEWEST, "patches", f"{_FEWEST} or more", self.patches)
        need(0.0 <= self.trim <= 0.5, "trim", "0 to 0.5", self.trim)
        need(self.room >= 1, "room", "1 or more", self.room)

    @property
    def frames(self) -> int:
        return self.widths[-1]

    def start(self, spec: Spec) -> PatchState:
        plain = super(PatchMemory, self).start(spec)
        room = self.room if self.adapt else 0
        return PatchState(
            plain.rows,
            plain.used,
            plain.seen,
            plain.mark,
            np.empty((0, len(self.widths), room, channels(spec), FEATURES)),
            np.empty((0, len(self.widths), room)),
            np.empty((0, len(self.widths), room)),
            np.empty((0, len(self.widths)), dtype=np.int64),
        )

    def model(self, rows: FloatArray) -> PatchModel | None:
        return learned(rows, Recipe(self.widths, self.patches, self.trim))

    def measure(
        self, model: PatchModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        return self._measure(model, windows, [], learns=False)

    def score(self, state: TrainingState, batch: Batch) -> Scores:
        if not isinstance(state, PatchState) or not self.adapt:
            return super(PatchMemory, self).score(state, batch)
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: TrainingState, batch: Batch) -> None:
        if isinstance(state, PatchState) and self.adapt:
            self._play(state, batch, scores=False, learns=True)
        else:
            super(PatchMemory, self).learn(state, batch)

    def advance(self, state: TrainingState, batch: Batch) -> Scores:
        if not isinstance(state, PatchState) or not self.adapt:
            return super(PatchMemory, self).advance(state, batch)
        return self._play(state, batch, scores=True, learns=True)

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        past, series = tidied(history), tidied(series)
        model = self.model(past if len(past) else series)
        if model is None:
            return Scores(np.full(len(series), np.nan), np.zeros(series.shape))
        ratio = ratios_of_series(model, series, within=not len(past))
        value = self._value(ratio)
        blame = np.nan_to_num(ratio[:, :, :-1]).sum(axis=1)
        return Scores(value, np.where(np.isnan(value)[:, None], 0.0, blame))

    def _run(self) -> int:
        return 2 * self.frames  # short, so that the stretches are many and spread widely

    def _play(self, state: PatchState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
        """Key by key, each key's rows in order: train on the young ones, follow the others."""
        windows = self._windows(state, batch)
        value, blame = np.full(len(batch), np.nan), np.zeros(batch.values.shape)
        for key in np.unique(batch.key).tolist():
            mine = np.flatnonzero(batch.key == key)
            while learns and mine.size and not state.mark[key]:
                self._keep(state, key, windows[mine[0]])
                mine = mine[1:]
            if state.mark[key] and mine.size:
                rooms = self._rooms(state, key)
                model = self._model_of(state, key)
                found, parts = self._measure(model, windows[mine], rooms, learns=learns)
                state.admitted[key] = [used for _, used in rooms]
                if scores:
                    value[mine], blame[mine, -self.frames :] = found, parts
        return Scores(value, blame)

    def _rooms(self, state: PatchState, key: int) -> list[tuple[Room, int]]:
        """The rooms of one key, as views of the state, and how many places of each are taken."""
        rooms = zip(state.novel[key], state.lone[key], state.gap[key], strict=True)
        return [
            (Room(*room), used)
            for room, used in zip(rooms, state.admitted[key].tolist(), strict=True)
        ]

    def _measure(
        self,
        model: PatchModel | None,
        windows: FloatArray,
        rooms: list[tuple[Room, int]],
        *,
        learns: bool,
    ) -> tuple[FloatArray, FloatArray]:
        """Scores and blame; with rooms these are asked too, and with `learns` they admit."""
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        if model is None or not len(windows):
            return value, blame
        size = max(1, _CHUNK // (self.frames * windows.shape[2]))
        for first in range(0, len(windows), size):
            part = slice(first, first + size)
            ratio = self._ratio(model, windows[part], rooms, learns=learns)
            value[part] = self._value(ratio)
            blame[part] = shares(ratio, self.widths, self.frames)
        return value, blame

    def _ratio(
        self,
        model: PatchModel,
        windows: FloatArray,
        rooms: list[tuple[Room, int]],
        *,
        learns: bool,
    ) -> FloatArray:
        """Distances (B, S, C + 1) of the newest patches, in usual ones."""
        ratio = np.full((len(windows), len(self.widths), windows.shape[2] + 1), np.nan)
        points = newest_points(model, windows, self.widths)
        for s, scale in enumerate(model.scales):
            if scale is None:
                continue
            best = nearest(scale.memory, points[s])
            if rooms:
                room, used = rooms[s]
                limit = float(scale.usual[-1]) ** 2
                door = Door(limit, ~np.isnan(scale.centre[:, 0])) if learns else None
                rooms[s] = room, walk(points[s], best, room, used, door)
            ratio[:, s] = distances(best) / scale.usual
        return ratio

    def _value(self, ratio: FloatArray) -> FloatArray:
        return evidence(ratio, apart=self.compare != "joint", joint=self.compare != "apart")
