"""How the metrics' inner loops are compiled: the one place of the evaluation that imports numba."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function as machine code, compiled at its first call and kept on disk.

    Arithmetic keeps its written order (no fastmath); a division by zero gives inf or NaN, as in
    numpy. Where no folder for the cache can be written, each process compiles anew. A kernel calls
    no kernel of another file, because the cache looks at the age of its own file alone.

    >>> @compiled
    ... def twice(x: float) -> float:
    ...     return 2 * x
    >>> twice(3.0)
    6.0
    """
    try:
        return cast("F", numba.njit(cache=True, error_model="numpy")(function))
    except RuntimeError:  # numba found no folder for its cache
        return cast("F", numba.njit(error_model="numpy")(function))
