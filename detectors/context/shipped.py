"""The weights that come along, as an encoder, and windows in packs of one shape for it."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from tocsin.detectors.context import checkpoint
from tocsin.detectors.context.encoder import Encoder, Size
from tocsin.detectors.context.examples import Form
from tocsin.detectors.context.views import Singles
from tocsin.pipeline.errors import StateError

_HERE = Path(__file__).parent
WEIGHTS: dict[Form, Path] = {
    "live": _HERE / "rcd.safetensors",
    "offline": _HERE / "rcd_offline.safetensors",
}
LOGS: dict[Form, Path] = {  # of the trainings that made the weights
    "live": _HERE / "rcd.log.jsonl",
    "offline": _HERE / "rcd_offline.log.jsonl",
}

_PACK = 8  # windows the encoder is always given at once; fewer are filled up


def packs(views: Singles) -> Iterator[Singles]:
    """Eight windows at a time, the last ones filled up with zeros.

    The order in which a matrix product adds depends on its shape, so the shape is always the same:
    then a window's logits do not depend on which others it came with.
    """
    for first in range(0, len(views), _PACK):
        pack = views[first : first + _PACK]
        short = _PACK - len(pack)
        yield np.ascontiguousarray(np.pad(pack, ((0, short), (0, 0), (0, 0))))


def encoder_of(path: str, form: Form = "live") -> Encoder:
    """The encoder with the weights of a file; without one, those that come along for the form.

    StateError where the file has none.
    """
    return _loaded(path or str(WEIGHTS[form]))


@lru_cache(maxsize=4)
def _loaded(path: str) -> Encoder:
    arrays, header = checkpoint.read(Path(path))
    try:
        encoder = Encoder(Size(**header["size"]))
        tensors = {n: torch.from_numpy(array.astype(np.float32)) for n, array in arrays.items()}
        encoder.load_state_dict(tensors)
    except (KeyError, TypeError, RuntimeError) as error:
        raise StateError(f"{path}: not weights of this encoder: {error}") from error
    return encoder.eval().requires_grad_(requires_grad=False)
