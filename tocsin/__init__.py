"""Tocsin: streaming anomaly detection, from telemetry to incidents.

>>> import tocsin
>>> tocsin.__version__
'0.1.0'
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.api import Detection, detect

__version__ = "0.1.0"
__all__ = ["Detection", "__version__", "detect"]


def __getattr__(name: str) -> Any:
    """`detect` and `Detection` load pandas, so they are imported when first asked for."""
    if name in {"detect", "Detection"}:
        from tocsin import api  # noqa: PLC0415 - keeps `import tocsin` light

        return getattr(api, name)
    raise AttributeError(f"module 'tocsin' has no attribute {name!r}")
