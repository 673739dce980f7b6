"""How the scorers' inner loops are compiled: the one place that imports numba.

Kernels call only functions of their own file: a stored kernel is looked up by the age of that one
file, so a change elsewhere would not be noticed.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function as machine code, compiled at its first call and kept on disk.

    Arithmetic keeps its written order and rounding (no fastmath), so a number does not depend on
    which loop it came from; a division by zero gives inf or NaN, as in numpy. Other threads go on
    meanwhile, so that a fit in the background does not hold rows up. Where no folder can
    be written, as in a container with a read-only root, each process compiles anew.

    >>> @compiled
    ... def half(x: float) -> float:
    ...     return x / 2
    >>> half(3.0)
    1.5
    """
    try:
        return cast("F", numba.njit(cache=True, error_model="numpy", nogil=True)(function))
    except RuntimeError:  # numba found no folder for its cache
        return cast("F", numba.njit(error_model="numpy", nogil=True)(function))
