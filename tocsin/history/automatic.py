"""What `auto` stands for: a detector by the shape of the data."""

from typing import Any

from tocsin.detectors.classical.mahalanobis import Mahalanobis
from tocsin.detectors.classical.moving_std import MovingStd
from tocsin.detectors.combined.ensemble import Ensemble
from tocsin.detectors.patches.patch_memory import PatchMemory
from tocsin.detectors.signature.signature_knn import SignatureKnn
from tocsin.detectors.windows.window_std import WindowStd
from tocsin.pipeline.types import Scorer

ENOUGH = 300  # rows of clean history, two windows of patches and some more


def automatic(channels: int, history: int) -> tuple[Scorer[Any], str]:
    """The detector for rows of so many channels after so many rows of clean history, and why.

    What the labelled data of the backtest showed has a part in it, so numbers of `auto` on those
    very data are optimistic: the choice between learning as it goes and training, the members, and
    the window and half-life of the moving standard deviation.
    """
    if history < ENOUGH:
        return _as_it_goes(channels)
    if channels == 1:
        return PatchMemory(), (
            "one channel with clean history: the shape of the last rows, unlike any there, shows "
            "most faults"
        )
    return Ensemble((PatchMemory(), SignatureKnn(), WindowStd())), (
        f"{channels} channels with clean history: the shape of the last rows, their path and their "
        "spread, each unlike any there, joined by their tails, show most faults"
    )


def _as_it_goes(channels: int) -> tuple[Scorer[Any], str]:
    if channels == 1:
        return MovingStd(window=100, half_life=1000), (
            "one channel: a spread that is unlike the channel's usual one shows most faults"
        )
    return Mahalanobis(), (
        f"{channels} channels: a row that breaks their usual relation shows most faults"
    )
