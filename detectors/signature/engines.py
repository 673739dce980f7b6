"""Signatures by another library, where one is installed: pysiglib, in compiled C++."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from tocsin.detectors.signature.kernel import signatures
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

_NAME = "pysiglib"


def fast_signatures(paths: FloatArray, depth: int) -> FloatArray:
    """As `signatures`, by pysiglib where it is installed, else by our own kernel.

    The two agree to rounding, 1e-12 of the largest coordinate, and not to the bit: what a scorer
    gives must not hang on what is installed, so that scorers keep to our own. This is for bulk work
    on long paths.
    """
    return by_pysiglib(paths, depth) if has_pysiglib() else signatures(paths, depth)


def has_pysiglib() -> bool:
    """Whether pysiglib is installed."""
    return find_spec(_NAME) is not None


def by_pysiglib(paths: FloatArray, depth: int) -> FloatArray:
    """Signatures (B, D) of paths (B, L, d) by pysiglib; ConfigError where it is not installed."""
    if not has_pysiglib():
        raise ConfigError(f"{_NAME} is not installed: pip install {_NAME}")
    library: Any = import_module(_NAME)
    whole = np.ascontiguousarray(paths, dtype=np.float64)
    found = library.sig(whole, depth, scalar_term=False, n_jobs=1)
    return np.asarray(found, dtype=np.float64)
