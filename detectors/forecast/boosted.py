"""Boosted regression trees: grown by XGBoost, kept as plain arrays, read row by row.

The one file that imports xgboost. Trees are grown on one thread, without sampling, so that the same
rows give the same trees to the bit.
"""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xgboost

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import need
from tocsin.pipeline.types import FloatArray, IntArray

FARTHEST = 8192.0  # where features are cut, so that their grid is exact in single precision

_GRID = 1024.0  # steps of a feature in one unit
_SEED = 0  # nothing is drawn, but the library asks
_LOSS_OF = {"reg:squarederror": "rmse", "reg:quantileerror": "quantile"}


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees are grown: `rounds` of them, of a `depth`, each a step of `rate`.

    `fewest` is the least number of rows a leaf stands for, and `bins` how many places a feature may
    be cut at.
    """

    rounds: int = 100
    depth: int = 4
    rate: float = 0.1
    fewest: float = 5.0
    bins: int = 64

    def __post_init__(self) -> None:
        need(self.rounds >= 1, "rounds", "1 or more", self.rounds)
        need(1 <= self.depth <= 12, "depth", "1 to 12", self.depth)
        need(0 < self.rate <= 1, "rate", "above 0 and at most 1", self.rate)
        need(0 <= self.fewest < np.inf, "fewest", "0 or more", self.fewest)
        need(2 <= self.bins <= 1024, "bins", "2 to 1024", self.bins)


class Trees(NamedTuple):
    """Trees as arrays over all their nodes (M); a node whose children are -1 is a leaf.

    `nodes` (M, 4) has each node's feature, its left and right child, and 1 where a missing value
    goes left; `numbers` (M, 2) its threshold, under which a row goes left, and its answer as a
    leaf. `root` (rounds, outputs) is where each tree begins.
    """

    nodes: IntArray
    numbers: FloatArray
    root: IntArray


class Grown(NamedTuple):
    """Trees, the same in XGBoost's own bytes (UBJSON), and the loss after each round.

    `loss` is of the rows the trees were grown on, `held` of those held out; without any it is
    empty.
    """

    trees: Trees
    raw: bytes
    loss: FloatArray  # (rounds,)
    held: FloatArray  # (rounds,) or (0,)


class Sample(NamedTuple):
    """Features (N, F), NaN where missing, and what they shall foretell (N,)."""

    features: FloatArray
    target: FloatArray


def grow(
    sample: Sample,
    growth: Growth,
    held: Sample | None = None,
    quantiles: tuple[float, ...] = (),
) -> Grown:
    """Grow trees that foretell the target's mean, or its quantiles: one output each.

    Features are read in steps of 1/1024, so they should be in spreads; those beyond 8192 are cut.
    """
    data = xgboost.QuantileDMatrix(
        gridded(sample.features), sample.target, nthread=1, max_bin=growth.bins
    )
    watched: list[tuple[xgboost.DMatrix, str]] = [(data, "grown")]
    if held is not None:
        watched.append((_matrix(held.features, held.target), "held"))
    told: dict[str, dict[str, list[float]]] = {}
    objective = "reg:quantileerror" if quantiles else "reg:squarederror"
    settings = _settings(growth, objective)
    if quantiles:
        settings["quantile_alpha"] = list(quantiles)
    booster = xgboost.train(
        settings, data, growth.rounds, evals=watched, evals_result=told, verbose_eval=False
    )
    raw = bytes(booster.save_raw("ubj"))
    trees = _as_arrays(json.loads(booster.save_raw("json")), max(1, len(quantiles)))
    losses = [told.get(name, {}).get(_LOSS_OF[objective], []) for name in ("grown", "held")]
    return Grown(trees, raw, np.array(losses[0]), np.array(losses[1]))


def first_rounds(trees: Trees, rounds: int) -> Trees:
    """The same trees, read no further than `rounds`."""
    return trees._replace(root=trees.root[:rounds])


def foretold(trees: Trees, features: FloatArray) -> FloatArray:
    """What the trees say of features (N, F): (N, outputs), each row by itself."""
    return _foretold(np.ascontiguousarray(features, dtype=np.float64), *trees)


def contributions(raw: bytes, features: FloatArray) -> FloatArray:
    """SHAP values (N, F + 1) of trees with one output, by the paths through them; last, the base.

    Lundberg and others, From local explanations to global understanding with explainable AI for
    trees, 2020, doi:10.1038/s42256-019-0138-9.
    """
    booster = booster_of(raw)
    found = booster.predict(_matrix(features), pred_contribs=True)
    return np.asarray(found, dtype=np.float64)


def booster_of(raw: bytes) -> xgboost.Booster:
    """XGBoost's own model of its bytes."""
    return xgboost.Booster({"nthread": 1}, model_file=bytearray(raw))


def gridded(features: FloatArray) -> Any:
    """Features as trees are grown on them: in steps of 1/1024 and single precision."""
    near = np.clip(features, -FARTHEST, FARTHEST)
    return (np.round(near * _GRID) / _GRID).astype(np.float32)


def _settings(growth: Growth, objective: str) -> dict[str, Any]:
    return {
        "objective": objective,
        "max_depth": growth.depth,
        "eta": growth.rate,
        "min_child_weight": growth.fewest,
        "max_bin": growth.bins,
        "tree_method": "hist",
        "base_score": 0.0,  # the target is centred; a leaf's sum is then the whole answer
        "eval_metric": _LOSS_OF[objective],
        "nthread": 1,
        "seed": _SEED,
        "verbosity": 0,
    }


def _matrix(features: FloatArray, target: FloatArray | None = None) -> xgboost.DMatrix:
    return xgboost.DMatrix(gridded(features), target, nthread=1)


def _as_arrays(saved: dict[str, Any], outputs: int) -> Trees:
    nodes: list[tuple[int, int, int, int]] = []
    numbers: list[tuple[float, float]] = []
    roots: list[int] = []
    for tree in saved["learner"]["gradient_booster"]["model"]["trees"]:
        first = len(nodes)
        roots.append(first)
        children = [
            [-1 if child < 0 else first + child for child in tree[side]]
            for side in ("left_children", "right_children")
        ]
        nodes += zip(tree["split_indices"], *children, tree["default_left"], strict=True)
        # A threshold is itself a value on the grid. Half a step below it stands between two such
        # values, where rounding of the input cannot change the side a known row falls on.
        numbers += [(cut - 0.5 / _GRID, cut) for cut in tree["split_conditions"]]
    return Trees(
        np.array(nodes, dtype=np.int64).reshape(-1, 4),
        np.array(numbers, dtype=np.float64).reshape(-1, 2),
        np.array(roots, dtype=np.int64).reshape(-1, outputs),
    )


@compiled
def _foretold(
    features: FloatArray, nodes: IntArray, numbers: FloatArray, root: IntArray
) -> FloatArray:
    told = np.zeros((features.shape[0], root.shape[1]))
    for row in range(features.shape[0]):
        for output in range(root.shape[1]):
            for turn in range(root.shape[0]):
                node = root[turn, output]
                while nodes[node, 1] >= 0:
                    value = features[row, nodes[node, 0]]
                    goes_left = value < numbers[node, 0]
                    if np.isnan(value):
                        goes_left = nodes[node, 3] == 1
                    node = nodes[node, 1] if goes_left else nodes[node, 2]
                told[row, output] += numbers[node, 1]
    return told
