"""What must not matter: global random state, batch mates, cuts of the stream, other series."""

import dataclasses
import random
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np

from tocsin.evaluation.checks.play import (
    KEYS,
    begin,
    beginnings,
    blank,
    cut_at,
    history,
    is_streaming,
    is_trainable,
    join,
    long_enough,
    play,
    rebuilt,
    rough,
    step_through,
    tick_edges,
    warmed,
)
from tocsin.evaluation.checks.verdict import expect, expect_same_scores, expect_same_state
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, IntArray, Scorer, Scores, Spec

_RANDOM_CUTS = 3


def check_deterministic(scorer: Scorer[Any], spec: Spec) -> None:
    """Two runs are equal to the bit whatever the global generators; only `seed` may matter."""
    stream = rough(spec, long_enough(scorer), KEYS, seed=10)
    promise = "two runs are equal to the bit, with any global random state"
    with _global_random(1):
        state, scores = _run(scorer, spec, stream)
    for seed, other in ((2, scorer), (1, rebuilt(scorer))):
        with _global_random(seed):
            again, repeated = _run(other, spec, stream)
        expect_same_scores(repeated, scores, promise, stream)
        expect_same_state(again, state, promise)
    _check_seed(scorer, spec, stream, scores)


def _check_seed(scorer: Scorer[Any], spec: Spec, stream: Batch, scores: Scores) -> None:
    names = [f.name for f in dataclasses.fields(scorer)]  # type: ignore[arg-type]  # check_settings holds it to be a dataclass
    stochastic = scorer.traits.stochastic
    expect(not stochastic or "seed" in names, "a stochastic scorer has a seed", f"{scorer!r}")
    if "seed" not in names:
        return
    seed = getattr(scorer, "seed", 0)
    _, other = _run(rebuilt(scorer, seed=seed + 1), spec, stream)
    differs = not np.array_equal(other.value, scores.value, equal_nan=True)
    expect(
        differs == stochastic,
        "seed moves the scores of stochastic scorers and of no other",
        f"stochastic={stochastic}, and another seed "
        f"{'changed' if differs else 'did not change'} the scores",
    )


def _run(scorer: Scorer[Any], spec: Spec, stream: Batch) -> tuple[Any, Scores]:
    if is_trainable(scorer):  # anew each time: the fit itself is under test
        state = scorer.fit(spec, [history(scorer, spec)])  # type: ignore[attr-defined]  # is_trainable saw it
        grow(state, KEYS)
    else:
        state = begin(scorer, spec)
    return state, step_through(scorer, state, stream)


@contextmanager
def _global_random(seed: int) -> Iterator[None]:
    """The global generators at `seed` for a while, then as they were."""
    kept_python, kept_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - put back below
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - disturbing the global generator is the point
    try:
        yield
    finally:
        random.setstate(kept_python)
        np.random.set_state(kept_numpy)  # noqa: NPY002 - puts back what it found


def check_rows_do_not_see_each_other(scorer: Scorer[Any], spec: Spec) -> None:
    """A row's score is the same alone, in company and in any order."""
    state = warmed(scorer, spec, keys=5)
    batch = rough(spec, 6, 5, seed=11)
    whole = scorer.score(state, batch)
    order = np.random.default_rng(11).permutation(len(batch))
    expect_same_scores(
        scorer.score(state, batch.take(order)),
        _rows(whole, order),
        "a row's score does not depend on its place in the batch",
        batch.take(order),
    )
    alone = join([scorer.score(state, batch.take(np.array([row]))) for row in range(len(batch))])
    expect_same_scores(alone, whole, "a row scores alone as it does in company", batch)


def check_chunks_do_not_matter(scorer: Scorer[Any], spec: Spec) -> None:
    """`advance` over any cut into blocks is the score/learn loop, to the bit."""
    stream = rough(spec, long_enough(scorer), KEYS, seed=12)
    for start in beginnings(scorer, spec):
        _expect_any_cut(scorer, start, stream)


def _expect_any_cut(scorer: Scorer[Any], start: Any, stream: Batch) -> None:
    looped = deepcopy(start)
    wanted = step_through(scorer, looped, stream)
    if not scorer.traits.shared:
        _expect_learned_in_pieces(scorer, start, stream, wanted, looped)
    if not is_streaming(scorer):
        return
    for edges in _cuts(stream):
        state = deepcopy(start)
        parts = [play(scorer, state, part) for part in cut_at(stream, edges)]
        promise = f"advance in {len(edges) + 1} blocks is the score/learn loop"
        expect_same_scores(join(parts), wanted, promise, stream)
        expect_same_state(state, looped, promise)


def _cuts(stream: Batch) -> Iterator[list[int]]:
    edges = tick_edges(stream)
    yield []
    yield edges.tolist()
    yield edges[::7].tolist()
    rng = np.random.default_rng(12)
    for _ in range(_RANDOM_CUTS):
        yield edges[rng.random(len(edges)) < rng.uniform(0.02, 0.5)].tolist()


def _expect_learned_in_pieces(
    scorer: Scorer[Any], start: Any, stream: Batch, wanted: Scores, looped: Any
) -> None:
    state, parts = deepcopy(start), []
    for tick in stream.ticks():
        parts.append(scorer.score(state, tick))
        for piece in cut_at(tick, [len(tick) // 2]):
            scorer.learn(state, piece)
    promise = "a tick may be learned in pieces"
    expect_same_scores(join(parts), wanted, promise, stream)
    expect_same_state(state, looped, promise)


def check_keys_are_separate(scorer: Scorer[Any], spec: Spec) -> None:
    """Other series change nothing, and series may change names; for models that are not shared."""
    stream = rough(spec, long_enough(scorer), KEYS, seed=13)
    whole = play(scorer, blank(scorer, spec), stream)
    for key in range(KEYS):
        rows = np.flatnonzero(stream.key == key)
        alone = play(scorer, blank(scorer, spec), stream.take(rows))
        promise = f"key {key} scores alone as it does among {KEYS} keys"
        expect_same_scores(alone, _rows(whole, rows), promise, stream.take(rows))
    names = np.array([9, 2, 5])  # (KEYS,) new ids, in another order and with holes
    renamed = Batch(names[stream.key], stream.time, stream.values)
    order = np.lexsort((renamed.key, renamed.time))
    state = blank(scorer, spec, keys=10)
    expect_same_scores(
        play(scorer, state, renamed.take(order)),
        _rows(whole, order),
        "keys under other ids score the same",
        renamed.take(order),
    )


def _rows(scores: Scores, rows: IntArray) -> Scores:
    blame = None if scores.blame is None else scores.blame[rows]
    return Scores(scores.value[rows], blame)
