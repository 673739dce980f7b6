"""The weights that come along, as an encoder, and what it says of packs of windows."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tocsin.detectors.context import checkpoint
from tocsin.detectors.context.encoder import Encoder, Size
from tocsin.detectors.context.examples import Form
from tocsin.detectors.context.views import Singles
from tocsin.detectors.device import CPU, torch_device, working_on
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.types import FloatArray

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


def answers(
    encoder: Encoder, views: Singles, ask: Callable[[Encoder, Tensor], Tensor]
) -> FloatArray:
    """What `ask` gets of an encoder for windows, whose views (B, VIEWS, L) are on the processor.

    It works where its weights are: in one thread or, on a graphics card, in a fixed order, and
    always on eight windows, for the bits. Those of one kind of card are not those of another.
    """
    with torch.inference_mode(), working_on(str(encoder.device)) as device:
        found = [ask(encoder, torch.from_numpy(pack).to(device)) for pack in packs(views)]
        return torch.cat(found)[: len(views)].cpu().numpy().astype(np.float64)


def encoder_of(path: str, form: Form = "live", device: str = CPU) -> Encoder:
    """The encoder with the weights of a file; without one, those that come along for the form.

    It is on that device, remembered and never changed. StateError where the file has no weights,
    ConfigError where the device is not here.
    """
    return _loaded(path or str(WEIGHTS[form]), torch_device(device))


@lru_cache(maxsize=8)
def _loaded(path: str, device: torch.device) -> Encoder:
    arrays, header = checkpoint.read(Path(path))
    try:
        encoder = Encoder(Size(**header["size"]))
        tensors = {n: torch.from_numpy(array.astype(np.float32)) for n, array in arrays.items()}
        encoder.load_state_dict(tensors)
    except (KeyError, TypeError, RuntimeError) as error:
        raise StateError(f"{path}: not weights of this encoder: {error}") from error
    return encoder.to(device).eval().requires_grad_(requires_grad=False)
