"""Half-space trees give what trees of objects, and River's own, give."""

import math
from typing import Any

import numpy as np
import pytest
from oracles import half_space_trees
from oracles.streams import batch_of, blame_of, played, rough

from tocsin.detectors.classical.half_space_trees import HalfSpaceTrees
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Spec


@pytest.mark.parametrize("width", [1, 4])
def test_rows_score_as_in_the_slow_version(width: int) -> None:
    values = rough(200, width, seed=width)
    scorer = HalfSpaceTrees(trees=7, depth=4, window=40, seed=width)
    forest = scorer.start(Spec((width,)))
    score, blame = half_space_trees.scores(values, (forest.channel, forest.threshold), 40)
    seen = played(scorer, values)
    np.testing.assert_allclose(seen.value, score, rtol=1e-9)
    np.testing.assert_allclose(blame_of(seen), blame, rtol=1e-9, atol=1e-12)


def test_masses_are_those_of_river_on_the_same_trees() -> None:
    anomaly = pytest.importorskip("river.anomaly", reason="river is the model")
    rng = np.random.default_rng(0)
    values = rng.beta(2, 5, size=(100, 2))
    values[0], values[1] = 0.0, 1.0  # the window's range is then that which River supposes
    values[2::7, 0] = np.nan
    values[3::7, 1] = np.nan
    scorer = HalfSpaceTrees(trees=5, depth=4, window=100)
    state = scorer.start(Spec((2,)))
    grow(state, 1)
    river = anomaly.HalfSpaceTrees(n_trees=5, height=4, window_size=100, seed=0)
    river.learn_one({0: 0.5, 1: 0.5})
    river.counter = 0
    for tree, channel, threshold in zip(river.trees, state.channel, state.threshold, strict=True):
        _replant(tree, channel.tolist(), threshold.tolist(), 0)
    for row in values.tolist():
        river.learn_one({c: value for c, value in enumerate(row) if not math.isnan(value)})
    scorer.advance(state, batch_of(values))
    for number, tree in enumerate(river.trees):
        assert _masses(tree, 0) == dict(enumerate(state.mass[0, number].tolist()))


def test_farther_out_is_never_less_strange() -> None:
    values = np.random.default_rng(1).standard_normal((300, 3))
    scorer = HalfSpaceTrees()
    state = scorer.start(Spec((3,)))
    grow(state, 1)
    scorer.advance(state, batch_of(values))
    out = np.zeros((200, 3))
    out[:, 1] = np.geomspace(5.0, 1e6, 200)
    for side in (1.0, -1.0):
        assert (np.diff(scorer.score(state, batch_of(side * out)).value) > 0).all()


def test_a_flat_stream_scores_nothing_until_it_moves() -> None:
    values = np.full((30, 2), 0.1)
    values[29, 1] = 0.2
    scores = played(HalfSpaceTrees(window=20), values)
    assert scores.value[20:29].tolist() == [0.0] * 9
    assert scores.value[29] == np.inf
    assert blame_of(scores)[29].argmax() == 1


def test_a_wild_row_spoils_one_window_and_no_more() -> None:
    values = np.random.default_rng(2).standard_normal((300, 1))
    wild = values.copy()
    wild[110] = 1e9
    seen = played(HalfSpaceTrees(window=50), wild).value[200:]
    np.testing.assert_array_equal(seen, played(HalfSpaceTrees(window=50), values).value[200:])


def test_the_channel_that_leaves_its_range_is_blamed_most() -> None:
    values = np.random.default_rng(3).standard_normal((260, 5))
    values[-1, 3] += 20.0
    assert blame_of(played(HalfSpaceTrees(), values))[-1].argmax() == 3


def test_another_seed_grows_other_trees() -> None:
    one, other = (HalfSpaceTrees(seed=seed).start(Spec((3,))) for seed in (0, 1))
    assert not np.array_equal(one.threshold, other.threshold)


@pytest.mark.parametrize(
    ("setting", "value"), [("trees", 0), ("depth", 0), ("depth", 17), ("window", 40_000)]
)
def test_a_setting_out_of_range_is_refused(setting: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{setting} must be .*; found {value}"):
        HalfSpaceTrees(**{setting: value})


def _replant(node: Any, channel: list[int], threshold: list[float], at: int) -> None:
    """Give River's tree our splits and no mass."""
    node.l_mass = node.r_mass = 0
    if at < len(channel):
        node.feature, node.threshold = channel[at], threshold[at]
        for side in (0, 1):
            _replant(node.children[side], channel, threshold, 2 * at + 1 + side)


def _masses(node: Any, at: int) -> dict[int, int]:
    """River's masses of the last window, by our numbers of the nodes."""
    found = {at: node.r_mass}
    for side, child in enumerate(getattr(node, "children", ())):
        found |= _masses(child, 2 * at + 1 + side)
    return dict(sorted(found.items()))
