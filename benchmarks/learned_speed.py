"""Learned detectors: windows a second by batch on one core, training, memory, and number formats.

Windows a second are those of `score` on windows of a trained series, as live. Training is `fit` on
clean rows and the first score, which makes the model. Memory is that of the model without the
training rows that the state keeps. Times are of the processor and of one thread, so that what else
runs on the machine counts little.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numba.core.errors import TypingError

from tocsin.detectors.catalogue import CATALOGUE, Entry, load
from tocsin.detectors.context.shipped import encoder_of
from tocsin.detectors.context.views import VIEWS
from tocsin.detectors.device import one_thread
from tocsin.detectors.trained import Trained
from tocsin.pipeline.keyed import grow, keyed_fields, read_field
from tocsin.pipeline.types import Batch, FloatArray, Spec, frames_of

CHANNELS, ROWS = 3, 5000
BATCHES = (1, 32, 256)
ROUNDS = 3
WARM, FEW = 400, 300  # rows
WINDOW = 1024  # of the encoder
KERNELS = ("oracle_ad", "degradation_transformer", "autoencoder", "linear_forecast")
LEARNED = ("context", "forecast", "reconstruction")  # folders of detectors/
OFFICIAL_S = 2.6  # official model's forward pass over 5,000 points: elsewhere, on 2 threads


@dataclass(frozen=True, slots=True)
class Line:
    """What one detector costs: seconds to train, bytes of the model, windows a second by batch."""

    name: str
    training_s: float
    model_bytes: int
    rates: tuple[float, ...]

    def __str__(self) -> str:
        rates = " ".join(f"{rate:9,.0f}" for rate in self.rates)
        trained = f"{self.training_s:7.2f} s"
        return f"{self.name:<24} {trained} {self.model_bytes / 1024:9,.0f} KiB {rates}"


def report() -> Iterator[str]:
    """All lines."""
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are only timed here
        heads = " ".join(f"{f'at {size}':>9}" for size in BATCHES)
        yield f"{'':<24} {'training':>9} {'model':>13} {heads}  windows a second"
        for entry in learned():
            yield str(measured(entry.name))
        for name in KERNELS:
            yield single_precision(name)
        yield from encoder_formats()
        yield from zero_shot()


def learned() -> list[Entry]:
    """The learned detectors of the catalogue."""
    prefixes = tuple(f"tocsin.detectors.{folder}." for folder in LEARNED)
    return [entry for entry in CATALOGUE.values() if entry.path.startswith(prefixes)]


def series(rows: int, channels: int = CHANNELS) -> FloatArray:
    """Waves that go together, with noise: (rows, channels)."""
    rng = np.random.default_rng(0)
    turn = np.arange(rows)[:, None] / 12 + np.arange(channels)
    return np.asarray(np.sin(turn) + 0.1 * rng.normal(size=(rows, channels)))


def windows(values: FloatArray, frames: int) -> Batch:
    """All windows of one key's rows (N, C), a row a second."""
    cut = np.lib.stride_tricks.sliding_window_view(values, frames, axis=0)
    rows = np.arange(len(cut))
    spaced = np.ascontiguousarray(np.moveaxis(cut, -1, 1))
    return Batch(np.zeros(len(cut), dtype=np.int64), rows * 1_000_000_000, spaced)


def seconds(job: Callable[[], object]) -> float:
    began = time.process_time()
    job()
    return time.process_time() - began


def middle(job: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median time of a job that has been run once before."""
    job()
    return sorted(seconds(job) for _ in range(rounds))[rounds // 2]


def measured(name: str) -> Line:
    """The costs of one detector at its defaults."""
    scorer = load(name)()
    frames = frames_of(scorer)
    spec = Spec((CHANNELS,), frames)
    batch = windows(series(ROWS + frames + max(BATCHES)), frames)
    past, later = batch.take(np.arange(ROWS)), batch.take(np.arange(ROWS, ROWS + max(BATCHES)))
    _trained(_hasty(scorer), spec, past.take(np.arange(WARM)), later)  # compiles
    began = time.process_time()
    state = _trained(scorer, spec, past, later)
    training = time.process_time() - began
    rates = []
    for size in BATCHES:
        part = later.take(np.arange(size))
        rates.append(size / middle(partial(scorer.score, state, part)))
    return Line(name, training, _model_bytes(name, scorer, state), tuple(rates))


def single_precision(name: str) -> str:
    """The quickest safe alternative to the float64 that a detector's kernels compute in."""
    scorer = load(name)()
    frames = frames_of(scorer)
    batch = windows(series(FEW + frames + max(BATCHES)), frames)
    model = _hasty(scorer).model(series(FEW))
    later = batch.values[-max(BATCHES) :]
    small, short = _cast(model), later.astype(np.float32)
    double, single = (partial(scorer.measure, *each) for each in ((model, later), (small, short)))
    try:
        gain = middle(double) / middle(single)
    except (TypeError, TypingError):
        return f"{name:<24} float64 only"
    alike = _rank_correlation(double()[0], np.asarray(single()[0], dtype=np.float64))
    return f"{name:<24} float64 / float32 {gain:5.2f}x, rank correlation {alike:.6f}"


@torch.inference_mode()
def encoder_formats() -> list[str]:
    """The encoder of `rcd` in float32, and in the formats that processors have units for."""
    encoder = encoder_of("")
    rng = np.random.default_rng(0)
    views = torch.from_numpy(rng.normal(size=(8, VIEWS, WINDOW)).astype(np.float32))

    def brief() -> FloatArray:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return np.asarray(encoder(views)[0].float(), dtype=np.float64)

    whole = np.asarray(encoder(views)[0], dtype=np.float64)
    plain = middle(partial(encoder, views))
    alike = _rank_correlation(whole.ravel(), brief().ravel())
    gain = plain / middle(brief)
    return [
        f"{'encoder of rcd':<24} float32 / bfloat16 {gain:5.2f}x, rank correlation {alike:.6f}, "
        f"{8 / plain:,.0f} windows of {WINDOW} a second in float32"
    ]


@torch.inference_mode()
def zero_shot() -> list[str]:
    """`rcd` on 5,000 points of one channel, against the official model's time elsewhere."""
    values = series(ROWS, 1)
    scorer = load("rcd")()
    encoder, spec, none = encoder_of(""), Spec((1,)), np.empty((0, 1))
    tiles = -(-ROWS // WINDOW)
    views = torch.zeros(tiles, VIEWS, WINDOW)
    batch = windows(values, frames_of(scorer))
    state = scorer.start(Spec((1,), frames_of(scorer)))
    grow(state, 1)
    state.seen[:] = scorer.warmup
    some = batch.take(np.arange(max(BATCHES)))
    rate = len(some) / middle(partial(scorer.score, state, some))
    jobs = {
        f"forward pass, {tiles} windows of {WINDOW}": middle(partial(encoder, views)),
        "offline, both sides, five scales": middle(
            partial(scorer.offline, spec, none, values), rounds=1
        ),
        "live, each row in windows of its own": ROWS / rate,
    }
    return [
        f"rcd, {ROWS:,} points, {what:<38} {took:7.3f} s, official model's {OFFICIAL_S} s "
        f"(measured elsewhere, on 2 threads) / ours {OFFICIAL_S / took:6.1f}x"
        for what, took in jobs.items()
    ]


def _trained(scorer: Any, spec: Spec, past: Batch, later: Batch) -> Any:
    """The state after history, with its model made by a first score."""
    if hasattr(scorer, "fit"):
        state = scorer.fit(spec, [past])
    else:
        state = scorer.start(spec)
        grow(state, 1)
        for row in range(len(past)):
            scorer.learn(state, past.take(np.arange(row, row + 1)))
    scorer.score(state, later.take(np.arange(1)))
    return state


def _hasty(scorer: Any) -> Any:
    """The same detector, trained for a moment: it runs the same code."""
    brief = {"steps": 2, "epochs": 1, "rounds": 2, "train": FEW, "bank": 50}
    known = {field.name for field in fields(scorer)}
    return replace(scorer, **{name: value for name, value in brief.items() if name in known})


def _model_bytes(name: str, scorer: Any, state: Any) -> int:
    """Bytes of what scores: the model, or the state's numbers, and the weights that come along."""
    shipped = sum(array.nbytes for array in encoder_of("").state_dict().values())
    own = 0
    if isinstance(scorer, Trained):
        own = weigh(scorer._model_of(state, 0))  # noqa: SLF001 - that which has just scored
    elif name != "rcd":
        rows = ("rows", "time")  # what training needs
        kept = [path for path in keyed_fields(state) if path not in rows]
        own = sum(read_field(state, path)[:1].nbytes for path in kept)
    return own + (shipped if name in ("rcd", "themis") else 0)


def weigh(model: object) -> int:
    """Bytes of the arrays in a model of tuples, lists, mappings and dataclasses."""
    if isinstance(model, np.ndarray):
        return int(model.nbytes)
    if isinstance(model, bytes):
        return len(model)
    if isinstance(model, Mapping):
        return sum(map(weigh, model.values()))
    if isinstance(model, tuple | list):
        return sum(map(weigh, model))
    if is_dataclass(model):
        return sum(weigh(getattr(model, field.name)) for field in fields(model))
    return 8 if isinstance(model, int | float) else 0


def _cast(model: Any) -> Any:
    """A model of tuples with its float64 arrays in float32."""
    if isinstance(model, np.ndarray):
        return model.astype(np.float32) if model.dtype == np.float64 else model
    if isinstance(model, tuple):
        parts = [_cast(part) for part in model]
        return type(model)(*parts) if hasattr(model, "_fields") else tuple(parts)
    return model


def _rank_correlation(one: FloatArray, other: FloatArray) -> float:
    """Spearman's correlation of scores (N,)."""
    first, second = (np.argsort(np.argsort(each, kind="stable")) for each in (one, other))
    return float(np.corrcoef(first, second)[0, 1])


if __name__ == "__main__":
    for line in report():
        print(line, flush=True)
