"""A copy of what the stages know of a few series, and rows replayed through it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.blobs import decode, encode
from tocsin.pipeline.chain import Chain, ChainState
from tocsin.pipeline.keyed import capacity, keyed_fields, take, write_field
from tocsin.pipeline.state import Plain, flatten
from tocsin.pipeline.types import Batch, FloatArray, IntArray

_STAGES = ("window", "scorer", "calibrator")
_BYTES = 64 * 1024 * 1024  # of state and windows that are replayed at once


@dataclass(slots=True)
class Shadow:
    """States of window, scorer and calibrator for a few series, numbered from 0."""

    window: Any
    scorer: Any
    calibrator: Any


@dataclass(frozen=True, slots=True)
class Replay:
    """Raw scores and tails (M, N) of M versions of the same N rows."""

    score: FloatArray
    tail: FloatArray


def save(chain: Chain, state: ChainState, keys: IntArray) -> NDArray[np.uint8]:
    """What the stages know of the keys at the close of the open tick, as bytes.

    Costs as much as the stages' memory of these keys, and what they share between all keys.
    """
    plain: Plain = {}
    for name in _STAGES:
        whole, rows = flatten(getattr(state, name)), take(getattr(state, name), keys)
        plain |= {f"{name}.{path}": rows.get(path, value) for path, value in whole.items()}
    shadow = _made(chain, plain, np.arange(len(keys)))
    _learn_open_tick(chain, state, keys, shadow)
    for name in _STAGES:
        stage = getattr(shadow, name)
        paths = keyed_fields(stage)
        plain |= {
            f"{name}.{path}": value[: len(keys)] if path in paths else value  # type: ignore[index] # keyed fields are arrays
            for path, value in flatten(stage).items()
        }
    return np.frombuffer(encode(plain), dtype=np.uint8).copy()


def replay(
    chain: Chain, saved: NDArray[np.uint8], place: int, time: IntArray, versions: FloatArray
) -> Replay:
    """Score and learn versions (M, N, *item) of the rows of the `place`-th saved series.

    Each version begins from the saved copy and learns its own rows, whatever alarms: up to the
    first alarm that is what the pipeline does with rows of a calm series.
    """
    plain = decode(saved.tobytes(), "the copy that a self-test keeps")
    parts = [
        _replayed(chain, plain, place, time, versions[part])
        for part in _parts(chain, plain, versions)
    ]
    return Replay(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.tail for part in parts]),
    )


def _parts(chain: Chain, plain: Plain, versions: FloatArray) -> Iterator[slice]:
    """Versions that go side by side: one where series share a model, else what memory allows."""
    rows = sum(value.nbytes for value in plain.values() if isinstance(value, np.ndarray))
    windows = versions[0].nbytes * chain.window.length if len(versions) else 0
    size = 1 if chain.scorer.traits.shared else max(1, _BYTES // (rows + 2 * windows + 1))
    for first in range(0, len(versions), size):
        yield slice(first, first + size)


def _replayed(
    chain: Chain, plain: Plain, place: int, time: IntArray, versions: FloatArray
) -> Replay:
    count, rows = versions.shape[:2]
    shadow = _made(chain, plain, np.full(count, place))
    key, times = np.tile(np.arange(count), rows), np.repeat(time, count)
    values = np.swapaxes(versions, 0, 1).reshape(rows * count, *versions.shape[2:])
    batch = chain.window.advance(shadow.window, key, times, values)
    score = _scores(chain, shadow, batch)
    tail = chain.calibrator.advance(shadow.calibrator, key, times, score)
    return Replay(score.reshape(rows, count).T, tail.reshape(rows, count).T)


def _scores(chain: Chain, shadow: Shadow, batch: Batch) -> FloatArray:
    advance = getattr(chain.scorer, "advance", None)
    if advance is not None:
        found: FloatArray = advance(shadow.scorer, batch).value
        return found
    parts: list[FloatArray] = []
    for tick in batch.ticks():
        parts.append(chain.scorer.score(shadow.scorer, tick).value)
        chain.scorer.learn(shadow.scorer, tick)
    return np.concatenate(parts)


def _learn_open_tick(chain: Chain, state: ChainState, keys: IntArray, shadow: Shadow) -> None:
    """Rows of the open tick are scored and held; in the copy they are learned already."""
    held = state.held
    for row in np.flatnonzero(np.isin(held.key, keys)).tolist():
        place = np.flatnonzero(keys == held.key[row])
        time, values = held.time[row : row + 1], held.values[row : row + 1]
        if held.learnable[row]:
            chain.scorer.learn(shadow.scorer, Batch(place, time, values))
        chain.calibrator.learn(shadow.calibrator, place, time, held.lesson[row : row + 1])


def _made(chain: Chain, plain: Plain, places: IntArray) -> Shadow:
    """States with one series for each of `places` among the saved ones."""
    shadow = Shadow(
        chain.window.start(chain.spec.item),
        chain.scorer.start(chain.window_spec()),
        chain.calibrator.start(),
    )
    for name in _STAGES:
        stage = getattr(shadow, name)
        fills = keyed_fields(stage)
        for path in flatten(stage):
            value = plain[f"{name}.{path}"]
            if path in fills and isinstance(value, np.ndarray):
                shape = (capacity(len(places)), *value.shape[1:])
                rows = np.full(shape, fills[path], dtype=value.dtype)
                rows[: len(places)] = value[places]
                write_field(stage, path, rows)
            else:
                copied = value.copy() if isinstance(value, np.ndarray) else value
                write_field(stage, path, copied)
    return shadow
