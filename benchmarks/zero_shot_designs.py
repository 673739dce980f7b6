"""Ways to read windows offline that `rcd` could have, on labelled series that no table reports.

They were chosen by it, and by VUS-PR: a mean over the series of a collection, then over the
collections (`docs/models/rcd.md`). `python benchmarks/zero_shot_designs.py DATA [WEIGHTS]`; DATA is
a folder of data sets, WEIGHTS a file of the encoder's, or none for those that come along. Of SMAP
and MSL the telemetry is read, after its training part; of other data all channels and rows, up to
50,000 in parts of 10,000 that have a label each.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tocsin.detectors.context.progress import average_precision
from tocsin.detectors.context.rcd import RelativeContext
from tocsin.detectors.context.reading import (
    by_scale,
    logits_by,
    shared,
    together,
    usual_taken_off,
)
from tocsin.detectors.context.shipped import encoder_of
from tocsin.evaluation.datasets.catalogue import read_folder
from tocsin.evaluation.datasets.labelled import Labelled
from tocsin.evaluation.metrics.volume import vus_pr
from tocsin.pipeline.types import BoolArray, FloatArray

Scales = dict[int, FloatArray]  # the logits of a channel's blocks, by their rows
Join = Callable[[list[FloatArray]], FloatArray]  # of the scales' logits (N,)

_PART, _MOST = 10_000, 50_000  # rows
_TELEMETRY = ("SMAP", "MSL")
_WINDOW = 100  # of VUS-PR, rows
_UNSEEN = -1e9


def mean(scales: list[FloatArray]) -> FloatArray:
    """The mean of the scales, as shipped."""
    return np.mean(scales, axis=0)


def softened(scales: list[FloatArray]) -> FloatArray:
    """The mean of log(1 + exp(logit))."""
    return np.mean([np.logaddexp(0.0, logit) for logit in scales], axis=0)


def half_largest(scales: list[FloatArray]) -> FloatArray:
    """Half the mean and half the largest of the scales."""
    return 0.5 * np.mean(scales, axis=0) + 0.5 * np.max(scales, axis=0)


def own(logit: FloatArray) -> FloatArray:
    """Each block's logit by itself."""
    return logit


DESIGNS: dict[str, tuple[Callable[[FloatArray], FloatArray], Join]] = {
    "as shipped": (shared, mean),
    "nothing shared": (own, mean),
    "nothing shared, log(1 + exp)": (own, softened),
    "shared, half the largest scale": (shared, half_largest),
}


def parts(one: Labelled) -> Iterator[tuple[FloatArray, BoolArray]]:
    """Values (N, C) and labels (N,) of what is judged of a series."""
    values, label = one.stream.values, one.truth.label
    if one.dataset in _TELEMETRY:
        values, label = values[one.train :, :1], label[one.train :]
        if label.any():
            yield values, label
        return
    for first in range(0, min(len(label), _MOST), _PART):
        rows = slice(first, first + _PART)
        if label[rows].any():
            yield values[rows], label[rows]


def scores(channels: list[Scales], values: FloatArray, design: str) -> FloatArray:
    """The scores (N,) of a series by its channels' logits, as `rcd` joins them."""
    share, join = DESIGNS[design]
    joined = [
        join([np.repeat(share(logit), size)[: len(values)] for size, logit in scales.items()])
        for scales in channels
    ]
    score = together(usual_taken_off(np.stack(joined, axis=1), values))
    return np.nan_to_num(score, nan=_UNSEEN)


def main(data: Path, weights: str) -> None:
    """Print average precision and VUS-PR of each design, by collection and over them."""
    read, logits = RelativeContext(), logits_by(encoder_of(weights, "offline"))
    found: dict[str, dict[str, list[tuple[float, float]]]] = {
        design: defaultdict(list) for design in DESIGNS
    }
    for one in read_folder(data):
        for values, label in parts(one):
            channels = [by_scale(each, read.wide, read.wide_scales, logits) for each in values.T]
            for design in DESIGNS:
                score = scores(channels, values, design)
                both = average_precision(score, label), vus_pr(label, score, _WINDOW)
                found[design][one.dataset].append(both)
    for design, collections in found.items():
        means = {name: np.mean(each, axis=0) for name, each in collections.items()}
        means["mean"] = np.mean(list(means.values()), axis=0)
        print(design)
        for name, (precision, volume) in means.items():
            print(f"  {name:<20} AP {precision:.3f}  VUS-PR {volume:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
