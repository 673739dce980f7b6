"""`advance` is the score/learn loop, bit for bit, whatever the blocks."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from oracles.streams import rough

from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.half_space_trees import HalfSpaceTrees
from tocsin.detectors.classical.mahalanobis import Mahalanobis
from tocsin.detectors.classical.moving_std import MovingStd
from tocsin.detectors.classical.moving_z import MovingZ
from tocsin.detectors.images.block_dct import BlockDct
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import grow, keyed_fields, read_field
from tocsin.pipeline.types import Batch, Spec, Streaming

KEYS = 13
SCORERS: list[Any] = [
    MovingZ(window=7),
    Ewma(half_life=5),
    MovingStd(window=5),
    Mahalanobis(half_life=8),
    HalfSpaceTrees(trees=4, depth=3, window=11),
    BlockDct(block=4, half_life=6),
]


def _stream(scorer: Any, ticks: int, seed: int) -> tuple[Spec, Batch]:
    """Rough windows of 2 frames of many keys; each tick has some of the keys."""
    item = (3,) if scorer.traits.item == "channels" else (6, 8)
    rng = np.random.default_rng(seed)
    values = rough(2 * ticks * KEYS, int(np.prod(item)), seed).reshape(ticks * KEYS, 2, *item)
    if scorer.traits.item == "frame":  # so that some blocks are whole
        values[:, :, :4, :4] = rng.standard_normal(values[:, :, :4, :4].shape)
    time = np.repeat(np.arange(ticks, dtype=np.int64), KEYS)
    batch = Batch(np.tile(np.arange(KEYS, dtype=np.int64), ticks), time, values)
    return Spec(item, window=2), batch.take(rng.random(len(batch)) < 0.7)


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: type(scorer).__name__)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blocks_of_any_size_give_the_bits_of_the_loop(scorer: Any, seed: int) -> None:
    spec, stream = _stream(scorer, 60, seed)
    looped = scorer.start(spec)
    grow(looped, KEYS)
    fast = deepcopy(looped)
    parts = []
    for tick in stream.ticks():
        parts.append(scorer.score(looped, tick))
        scorer.learn(looped, tick)
    edges = np.flatnonzero(np.diff(stream.time)) + 1
    cuts = np.sort(np.random.default_rng(seed).choice(edges, size=9, replace=False))
    blocks = np.split(np.arange(len(stream)), cuts)
    found = [scorer.advance(fast, stream.take(block)) for block in blocks]
    for column in ("value", "blame"):
        wanted = np.concatenate([getattr(part, column) for part in parts])
        seen = np.concatenate([getattr(part, column) for part in found])
        assert np.isfinite(wanted).any()
        np.testing.assert_array_equal(seen, wanted)
    for name in keyed_fields(looped):
        np.testing.assert_array_equal(read_field(fast, name), read_field(looped, name))


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: type(scorer).__name__)
def test_frames_before_the_newest_are_not_blamed(scorer: Any) -> None:
    spec, stream = _stream(scorer, 40, seed=3)
    state = scorer.start(spec)
    grow(state, KEYS)
    blame = scorer.advance(state, stream).blame
    assert blame.shape == stream.values.shape
    assert not blame[:, 0].any()
    assert blame[:, 1].any()


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: type(scorer).__name__)
@pytest.mark.parametrize("key", [-1, 8])
def test_a_key_without_room_is_refused(scorer: Any, key: int) -> None:
    spec, stream = _stream(scorer, 1, seed=4)
    state = scorer.start(spec)
    grow(state, 8)
    one = stream.take(np.array([0]))
    with pytest.raises(TocsinError, match="in a state with room for 8"):
        scorer.score(state, Batch(np.array([key]), one.time, one.values))


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: type(scorer).__name__)
def test_frames_of_another_shape_are_refused(scorer: Any) -> None:
    spec, stream = _stream(scorer, 1, seed=5)
    state = scorer.start(spec)
    grow(state, KEYS)
    with pytest.raises(TocsinError, match="values must be"):
        scorer.learn(state, Batch(stream.key, stream.time, stream.values[..., :2]))


@pytest.mark.parametrize("scorer", SCORERS[:-1], ids=lambda scorer: type(scorer).__name__)
def test_detectors_of_channels_refuse_pictures(scorer: Any) -> None:
    with pytest.raises(ConfigError, match="takes rows of channels"):
        scorer.start(Spec((8, 8)))


@pytest.mark.parametrize(
    ("scorer", "bytes_a_key"),
    [
        (MovingZ(window=100), 8 * 3 * (2 * 100 + 3)),
        (Ewma(), 32 * 3),
        (MovingStd(window=50), 8 * 3 * (2 * 50 + 5)),
        (Mahalanobis(), 8 * 3 * (3 + 3) + 8),
        (HalfSpaceTrees(trees=25, depth=8, window=250), 8 * 252 * 3 + 2 * 25 * 511 + 8),
    ],
    ids=lambda value: type(value).__name__,
)
def test_memory_a_key_is_what_the_docstring_says(scorer: Any, bytes_a_key: int) -> None:
    state = scorer.start(Spec((3,)))
    grow(state, 64)
    assert sum(read_field(state, name).nbytes for name in keyed_fields(state)) == 64 * bytes_a_key


def test_detectors_fit_the_protocol() -> None:
    fits: list[Streaming[Any]] = [
        MovingZ(), Ewma(), MovingStd(), Mahalanobis(), HalfSpaceTrees(), BlockDct()
    ]  # fmt: skip
    assert len({scorer.traits.detects for scorer in fits}) > 1
