"""The patch memory keeps every promise, frozen and adapting, apart and joint."""

from collections.abc import Callable

import pytest

from tocsin.detectors.patches.patch_memory import PatchMemory
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.types import Spec

FROZEN = PatchMemory(train=60, memory=200, widths=(4, 8, 16), patches=64)
ADAPTING = PatchMemory(train=60, memory=200, widths=(4, 8), patches=32, adapt=True, room=12)

SUBJECTS = (
    Subject(FROZEN, Spec((2,), window=16)),
    Subject(ADAPTING, Spec((2,), window=8)),
)


@pytest.mark.parametrize("check", cases(SUBJECTS))
def test_patch_memory_keeps_the_promise(check: Callable[[], None]) -> None:
    check()
