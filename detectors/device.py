"""Where networks work: on the processor, or on a graphics card that torch can reach.

All are trained there. The encoder of `rcd`, `rcd_tuned` and `themis` reads windows there too. Of
every other network, what leaves is arrays of numpy, and scores are computed from them on the
processor, so that they are the same to the bit wherever the weights came from.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from tocsin.pipeline.errors import ConfigError

CPU = "cpu"


def torch_device(name: str) -> torch.device:
    """The device of that name, "cpu", "cuda" or "cuda:1"; a ConfigError for one that is not here.

    >>> torch_device("cpu")
    device(type='cpu')
    """
    if name == CPU:  # always there; cards are not asked for with every row that is read
        return torch.device(CPU)
    there = devices()
    if name not in there:
        raise ConfigError(f'device "{name}" is not here; there is {", ".join(there)}')
    return torch.device(name)


def devices() -> tuple[str, ...]:
    """The names of the devices that networks can work on here, "cpu" first."""
    if not torch.cuda.is_available():
        return (CPU,)
    return (CPU, "cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count())))


@contextmanager
def working_on(name: str) -> Iterator[torch.device]:
    """While it lasts, torch works in one thread and on that device, in the same order every time.

    New tensors are made there; those of numpy have to be brought. A ConfigError where the device is
    not here.
    """
    device = torch_device(name)
    with one_thread():
        if device.type == CPU:
            yield device
        else:
            with _ORDER.kept(), device:
                yield device


@contextmanager
def one_thread() -> Iterator[None]:
    """While it lasts, torch computes in one thread, as sums in several have no fixed order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _in_order() -> Iterator[None]:
    """While it lasts, a graphics card sums in a fixed order, or torch raises where it cannot."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it torch refuses products
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(mode=True)
    try:
        with sdpa_kernel(SDPBackend.MATH):  # the quicker kernels have no order on the way back
            yield
    finally:
        torch.use_deterministic_algorithms(before)


class _Order:
    """A graphics card's fixed order, kept until the last has left.

    Torch knows one order for all threads, and one may train while another reads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._undo = ExitStack()

    @contextmanager
    def kept(self) -> Iterator[None]:
        with self._lock:
            if not self._inside:
                self._undo.enter_context(_in_order())
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._undo.close()


_ORDER = _Order()
