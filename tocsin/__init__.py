"""Tocsin: streaming anomaly detection, from telemetry to incidents.

>>> import tocsin
>>> tocsin.__version__
'0.1.0'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.api import Detection, detect
    from tocsin.backtesting.backtest import backtest

__version__ = "0.1.0"
__all__ = ["Detection", "__version__", "backtest", "detect"]

_LAZY = {
    "Detection": "tocsin.api",
    "detect": "tocsin.api",
    "backtest": "tocsin.backtesting.backtest",
}


def __getattr__(name: str) -> Any:
    """What loads pandas is imported when it is first asked for: `import tocsin` stays light."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'tocsin' has no attribute {name!r}")
