"""A checkpoint is written whole or not at all, and a damaged one is refused."""

from pathlib import Path

import numpy as np
import pytest

from tocsin.detectors.context import checkpoint
from tocsin.pipeline.errors import StateError


def test_arrays_and_header_read_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    arrays = {"x": np.arange(6.0).reshape(2, 3).T, "half": np.ones(3, dtype=np.float16)}
    checkpoint.write(path, arrays, {"step": 3, "of": {"a": [1, 2]}})
    found, header = checkpoint.read(path)
    assert header == {"step": 3, "of": {"a": [1, 2]}}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    checkpoint.write(path, {"x": np.zeros(1)}, {"step": 1})
    with pytest.raises(TypeError):
        checkpoint.write(path, {"x": np.ones(1)}, {"step": object()})
    assert checkpoint.read(path)[1] == {"step": 1}


@pytest.mark.parametrize("cut", [0, 4, 30, -1])
def test_a_cut_file_is_refused_by_name(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.safetensors"
    checkpoint.write(path, {"x": np.zeros(100)}, {"step": 1})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(StateError, match=r"a\.safetensors: not a checkpoint of tocsin"):
        checkpoint.read(path)


def test_a_file_of_others_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save  # noqa: PLC0415 - what another program would write

    path = tmp_path / "b.safetensors"
    path.write_bytes(save({"x": np.zeros(3)}))
    with pytest.raises(StateError, match="not a checkpoint of tocsin"):
        checkpoint.read(path)
