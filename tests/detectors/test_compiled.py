"""Kernels compile, with a cache on disk where there is room for one."""

from collections.abc import Callable
from typing import Any

import numba
import pytest

from tocsin.detectors.compiled import compiled


def _double(x: float) -> float:
    return 2.0 * x


def test_without_a_folder_for_the_cache_a_kernel_compiles_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bool] = []

    def njit(*, cache: bool = False, error_model: str, nogil: bool) -> Callable[..., Any]:
        asked.append(cache)
        assert nogil

        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            if cache:
                raise RuntimeError("cannot cache function: no locator available")
            assert error_model == "numpy"
            return function

        return wrap

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled(_double)(3.0) == 6.0
    assert asked == [True, False]


def test_a_kernel_is_machine_code() -> None:
    kernel: Any = compiled(_double)
    assert kernel(3.0) == 6.0
    assert kernel.signatures
