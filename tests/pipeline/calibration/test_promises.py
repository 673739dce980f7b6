"""Every calibrator keeps the promises of the shipped conformance suite."""

from typing import Any

import pytest

from tocsin.evaluation.checks.calibrators import CALIBRATOR_CHECKS
from tocsin.pipeline.calibrate import Calibrator, Conformal
from tocsin.pipeline.calibration.block import BlockConformal
from tocsin.pipeline.calibration.conditional import Conditional
from tocsin.pipeline.calibration.level import AdaptiveLevel
from tocsin.pipeline.calibration.online import OnlineWeighted
from tocsin.pipeline.calibration.pareto import ParetoTail
from tocsin.pipeline.calibration.randomised import Randomised
from tocsin.pipeline.calibration.seasonal import Seasonal
from tocsin.pipeline.calibration.weighted import WeightedConformal

SHORT: dict[str, Any] = {"history": 60, "alone": 40, "least": 10}
SEASON: dict[str, Any] = {"period_ns": 600_000_000_000, "bins": 4, "memory": 50}

# Each with the scores after which a key is judged by its own history alone.
CASES: dict[str, tuple[Calibrator[Any], int]] = {
    "conformal": (Conformal(**SHORT), 60),
    "randomised": (Randomised(**SHORT), 60),
    "simes": (Conditional(**SHORT), 60),
    "dkw": (Conditional(**SHORT, bound="dkw"), 60),
    "block": (BlockConformal(block=5, history=40, alone=20, least=10), 200),
    "weighted": (WeightedConformal(half_life=60, history=300, least=10), 300),
    "online": (OnlineWeighted(level=0.05, window=60, least=10), 140),
    "level": (AdaptiveLevel(level=0.2, step=0.05, **SHORT), 60),
    "pareto": (ParetoTail(peaks=20, **SHORT), 60),
    "pareto with drift": (ParetoTail(peaks=20, depth=20, **SHORT), 60),
    "seasonal": (Seasonal(**SHORT, **SEASON), 80),
}

BELOW = "it goes on below its history by a fitted law"
NO_FLOOR = {
    "conformal": BELOW,
    "randomised": "a draw takes the tail below 1/(n+1)",
    "block": BELOW,
    "level": "steering takes the tail below 1/(n+1)",
    "pareto": BELOW,
    "pareto with drift": BELOW,
    "seasonal": BELOW,
}
PAIRS = [
    (case, check)
    for case in CASES
    for check in CALIBRATOR_CHECKS
    if not (check == "tail_has_a_floor" and case in NO_FLOOR)
]


@pytest.mark.parametrize(("case", "check"), PAIRS, ids=[f"{c}-{n}" for c, n in PAIRS])
def test_every_calibrator_keeps_every_promise(case: str, check: str) -> None:
    calibrator, history = CASES[case]
    CALIBRATOR_CHECKS[check](calibrator, history)
