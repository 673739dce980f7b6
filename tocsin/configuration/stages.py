"""Calibrators and alarm rules by name, as the parts of a configuration that have a `method`."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tocsin.configuration.making import build
from tocsin.configuration.settings import Section, check, model_of, nearest, shown

_HERE = "tocsin.pipeline"
CALIBRATORS: dict[str, str] = {
    "conformal": f"{_HERE}.calibrate:Conformal",
    "randomised": f"{_HERE}.calibration.randomised:Randomised",
    "conditional": f"{_HERE}.calibration.conditional:Conditional",
    "block": f"{_HERE}.calibration.block:BlockConformal",
    "weighted": f"{_HERE}.calibration.weighted:WeightedConformal",
    "online_weighted": f"{_HERE}.calibration.online:OnlineWeighted",
    "adaptive_level": f"{_HERE}.calibration.level:AdaptiveLevel",
    "pareto": f"{_HERE}.calibration.pareto:ParetoTail",
    "seasonal": f"{_HERE}.calibration.seasonal:Seasonal",
}
THRESHOLDS: dict[str, str] = {
    "budget": f"{_HERE}.threshold:AlertBudget",
    "tail": f"{_HERE}.threshold:FixedTail",
    "paced": f"{_HERE}.thresholds.paced_budget:PacedBudget",
    "online_fdr": f"{_HERE}.thresholds.online_fdr:OnlineFdr",
    "contamination": f"{_HERE}.thresholds.contamination_tail:ContaminationTail",
}


class Method(Section):
    """A part whose other keys depend on its method."""

    method: str


def load(path: str) -> type[Any]:
    """The class of a path such as "package.module:Class"."""
    module, _, name = path.partition(":")
    target: type[Any] = getattr(import_module(module), name)
    return target


def calibrator(given: object, wrong: list[str]) -> Any:
    """The calibrator of `scoring.calibrate`; None, with `wrong` added to, where it cannot be."""
    at = "$.scoring.calibrate"
    if given is None:
        return load(CALIBRATORS["conformal"])()
    if not isinstance(given, Mapping):
        wrong.append(f"{at}: found {shown(given)}, wanted a map")
        return None
    return _made({"method": "conformal", **given}, CALIBRATORS, at, wrong)


def threshold(given: object, wrong: list[str]) -> Any:
    """The alarm rule of `thresholds.default`: a budget, a tail, or what its `method` names."""
    at = "$.thresholds.default"
    if given is None:
        return load(THRESHOLDS["budget"])()
    if not isinstance(given, Mapping):
        wrong.append(f"{at}: found {shown(given)}, wanted a map")
        return None
    if "method" not in given and ("budget" in given) == ("tail" in given):
        wrong.append(f"{at}: give either budget or tail, one of the two, or a method")
        return None
    usual = "tail" if "tail" in given else "budget"
    return _made({"method": usual, **given}, THRESHOLDS, at, wrong)


def section_of(name: str, target: type[Any]) -> type[Section]:
    """The keys of a part; those of a fixed tail are called as people call them."""
    made = model_of(target, Method)
    if name != "tail":
        return made
    return model_of(_fixed, Method)


def _fixed(tail: float) -> Any:
    return load(THRESHOLDS["tail"])(tail)


def _made(given: Mapping[str, Any], known: Mapping[str, str], at: str, wrong: list[str]) -> Any:
    name = given["method"]
    if name not in known:
        wrong.append(f"{at}.method: {shown(name)}; {nearest(str(name), known)}")
        return None
    target = load(known[name])
    values, mistakes = check(section_of(name, target), given, at)
    wrong += mistakes
    if mistakes:
        return None
    return build(_fixed if name == "tail" else target, values, at, wrong)
