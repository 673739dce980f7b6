"""Kernels compile, with a cache on disk where there is room for one."""

from typing import Any

import numba
import pytest

from tocsin.evaluation.metrics.compiled import compiled


def _half(x: float) -> float:
    return x / 2.0


def test_a_kernel_is_machine_code() -> None:
    kernel: Any = compiled(_half)
    assert kernel(3.0) == 1.5
    assert kernel.signatures


def test_without_room_for_a_cache_a_kernel_compiles_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def njit(*, cache: bool = False, error_model: str) -> Any:
        asked.append(cache)

        def wrap(function: Any) -> Any:
            if cache:
                raise RuntimeError("no locator available")
            assert error_model == "numpy"
            return function

        return wrap

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled(_half)(3.0) == 1.5
    assert asked == [True, False]
