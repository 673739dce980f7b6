"""Signatures: our kernel against iisignature and pysiglib, one rolling step, the detectors."""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from tocsin.detectors.signature.kernel import signatures
from tocsin.detectors.signature.rolling import RollingSignature
from tocsin.detectors.signature.signature_knn import SignatureKnn
from tocsin.detectors.signature.signature_mahalanobis import SignatureMahalanobis
from tocsin.pipeline.types import Batch, FloatArray, Spec

PATHS = 256
LENGTH = 100
SIZES = ((5, 3), (10, 2), (3, 5), (3, 3))  # channels, depth
Signatures = Callable[[FloatArray, int], Any]


def others() -> Iterator[tuple[str, Signatures]]:
    """The libraries that are installed here, each on one core."""
    if find_spec("iisignature"):
        yield "iisignature", import_module("iisignature").sig
    if find_spec("pysiglib"):
        library = import_module("pysiglib")
        yield "pysiglib", lambda paths, depth: library.sig(paths, depth, n_jobs=1)


def against_others(rounds: int = 15) -> Iterator[str]:
    """Batches of paths: their milliseconds over ours, the middle of rounds taken in turn."""
    if not list(others()):
        yield "neither iisignature nor pysiglib is installed"
    for width, depth in SIZES:
        paths = np.random.default_rng(0).standard_normal((PATHS, LENGTH, width)).cumsum(axis=1)
        for name, other in others():
            ratios, ours = [], []
            for _ in range(rounds + 1):
                ours.append(seconds(signatures, paths, depth))
                ratios.append(seconds(other, paths, depth) / ours[-1])
            yield (
                f"{name} / ours, {PATHS} paths of {LENGTH} points, d {width:>2}, m {depth}: "
                f"{middle(ratios[1:]):5.2f}x, ours {1e3 * middle(ours[1:]):.2f} ms"
            )


def rolling(steps: int = 20_000) -> Iterator[str]:
    """One step of the rolling signature, against the window's from scratch."""
    for width, depth in ((5, 3), (3, 3)):
        points = np.random.default_rng(0).standard_normal((steps, width))
        roll = RollingSignature(frames=LENGTH, depth=depth)
        roll.push(roll.start(width), points[: 2 * LENGTH])  # compiles
        state = roll.start(width)
        began = time.perf_counter()
        roll.push(state, points)
        step = (time.perf_counter() - began) / steps
        windows = np.repeat(points[None, :LENGTH], PATHS, axis=0)
        again = middle([seconds(signatures, windows, depth) for _ in range(9)]) / PATHS
        yield (
            f"rolling, window {LENGTH}, d {width}, m {depth}: {1e6 * step:.1f} us a step, "
            f"{again / step:.1f}x a batched one from scratch"
        )


def detectors(rows: int = 20_000) -> Iterator[str]:
    """Windows a second once trained, and rows one by one."""
    for scorer in (SignatureKnn(), SignatureMahalanobis()):
        for width in (1, 3, 10):
            values = np.random.default_rng(0).standard_normal((rows, scorer.frames, width))
            batch = Batch(np.zeros(rows, dtype=np.int64), np.arange(rows), values)
            history = batch.take(np.arange(2000))
            state = scorer.fit(Spec((width,), window=scorer.frames), [history])
            scorer.score(state, history)  # compiles
            whole = seconds(scorer.advance, state, batch)
            few = [batch.take(np.array([row])) for row in range(200)]
            single = middle([seconds(scorer.score, state, one) for one in few])
            yield (
                f"{type(scorer).__name__:<20} {width:>2} channels: {rows / whole:>8,.0f} windows/s "
                f"in blocks, {1e6 * single:.0f} us for one alone"
            )


def report() -> Iterator[str]:
    yield from against_others()
    yield from rolling()
    yield from detectors()


def seconds(job: Callable[..., object], *given: object) -> float:
    began = time.perf_counter()
    job(*given)
    return time.perf_counter() - began


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    for line in report():
        print(line, flush=True)
