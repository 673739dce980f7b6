"""The conformance suite: every promise of the contracts, as a check anybody can run.

A scorer that passes can be saved, restored, replayed, cut into batches of any size and alarmed on
without surprises. Each check is a plain function of a scorer and a spec that raises
`ConformanceError`, saying what was promised, what was seen and where. Calibrators, sources and
sinks have their checks in `tocsin.evaluation.checks`.

Under pytest, one case a check:

    from tocsin.evaluation.conformance import Subject, cases

    @pytest.mark.parametrize("case", cases([Subject(MyScorer(), Spec((3,)))]))
    def test_conformance(case):
        case()

A promise that cannot be kept yet is excepted with its reason; it then runs as a strict xfail, so
that the exception goes when the reason does:

    Subject(MyScorer(), Spec((3,)), excepted={"units": "log of the input; needs positive values"})

Without pytest, `conformance` gives one result a check:

>>> from dataclasses import dataclass
>>> import numpy as np
>>> from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec, Traits
>>> @dataclass
... class Nothing:
...     rows: int = 0
>>> @dataclass(frozen=True)
... class AlwaysZero:
...     traits = Traits()
...     version = 1
...     warmup = 10
...     def start(self, spec: Spec) -> Nothing:
...         return Nothing()
...     def score(self, state: Nothing, batch: Batch) -> Scores:
...         return Scores(np.zeros(len(batch)))
...     def learn(self, state: Nothing, batch: Batch) -> None:
...         pass
>>> results = conformance(AlwaysZero(), Spec((3,)))
>>> [result.check for result in results if result.outcome == "failed"]
['warm_up', 'missing_data', 'stranger_is_higher']
>>> next(result.message for result in results if result.check == "warm_up")
'promised: scores are NaN before any data; seen: [0. 0. 0.]'
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from tocsin.evaluation.checks.contract import check_settings, check_shapes, check_state_is_plain
from tocsin.evaluation.checks.inputs import (
    check_hard_input,
    check_input_layouts,
    check_missing_data,
)
from tocsin.evaluation.checks.invariance import (
    check_chunks_do_not_matter,
    check_deterministic,
    check_keys_are_separate,
    check_rows_do_not_see_each_other,
)
from tocsin.evaluation.checks.meaning import (
    check_beats_chance,
    check_stranger_is_higher,
    check_units,
)
from tocsin.evaluation.checks.opinions import (
    check_no_aliasing,
    check_score_changes_nothing,
    check_warm_up,
)
from tocsin.evaluation.checks.play import is_trainable
from tocsin.evaluation.checks.snapshots import (
    check_fit_survives_saving,
    check_foreign_state_is_refused,
    check_forgotten_keys_are_new,
    check_memory_is_bounded,
    check_saved_and_restored,
)
from tocsin.evaluation.checks.verdict import ConformanceError
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import Scorer, Spec

Outcome = Literal["passed", "failed", "excepted", "not excepted any more"]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise: its name, the function that holds a scorer to it, and whom it concerns."""

    name: str
    run: Callable[[Scorer[Any], Spec], None]
    applies: Callable[[Scorer[Any]], bool] = field(default=lambda _: True)


@dataclass(frozen=True, slots=True)
class Subject:
    """A scorer to hold to the suite, the spec to run it on, and the reasons of its exceptions."""

    scorer: Scorer[Any]
    spec: Spec
    excepted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """How one check went; `message` says what was promised and seen, or why it is excepted."""

    check: str
    outcome: Outcome
    message: str = ""


def _keeps_keys_apart(scorer: Scorer[Any]) -> bool:
    return not scorer.traits.shared


CHECKS: tuple[Check, ...] = (
    Check("settings", check_settings),
    Check("state_is_plain", check_state_is_plain),
    Check("shapes", check_shapes),
    Check("warm_up", check_warm_up),
    Check("score_changes_nothing", check_score_changes_nothing),
    Check("no_aliasing", check_no_aliasing),
    Check("deterministic", check_deterministic),
    Check("rows_do_not_see_each_other", check_rows_do_not_see_each_other),
    Check("chunks_do_not_matter", check_chunks_do_not_matter),
    Check("saved_and_restored", check_saved_and_restored),
    Check("foreign_state_is_refused", check_foreign_state_is_refused),
    Check("missing_data", check_missing_data),
    Check("memory_is_bounded", check_memory_is_bounded),
    Check("forgotten_keys_are_new", check_forgotten_keys_are_new),
    Check("units", check_units),
    Check("stranger_is_higher", check_stranger_is_higher),
    Check("keys_are_separate", check_keys_are_separate, _keeps_keys_apart),
    Check("fit_survives_saving", check_fit_survives_saving, is_trainable),
    Check("hard_input", check_hard_input),
    Check("input_layouts", check_input_layouts),
    Check("beats_chance", check_beats_chance),
)


def conformance(
    scorer: Scorer[Any], spec: Spec, excepted: Mapping[str, str] | None = None
) -> list[Result]:
    """Every check that concerns the scorer, in order, and how it went.

    What the scorer itself raises is not caught: the traceback says more than a result could.
    TocsinError for an exception to a check that does not exist.
    """
    reasons = _known(excepted or {})
    results = []
    for check in CHECKS:
        if not check.applies(scorer):
            continue
        try:
            check.run(scorer, spec)
        except ConformanceError as error:
            reason = reasons.get(check.name)
            outcome: Outcome = "failed" if reason is None else "excepted"
            results.append(Result(check.name, outcome, reason or str(error)))
        else:
            stale = check.name in reasons
            results.append(Result(check.name, "not excepted any more" if stale else "passed"))
    return results


def cases(subjects: Iterable[Subject]) -> list[Any]:
    """Parameters for `pytest.mark.parametrize`, each a call that runs one check on one subject."""
    import pytest  # noqa: PLC0415 - only those who test need it

    found = []
    for subject in subjects:
        reasons = _known(subject.excepted)
        for check in CHECKS:
            if not check.applies(subject.scorer):
                continue
            marks = []
            if check.name in reasons:
                reason = reasons[check.name]
                marks.append(pytest.mark.xfail(reason=reason, raises=ConformanceError, strict=True))
            run = partial(check.run, subject.scorer, subject.spec)
            found.append(pytest.param(run, marks=marks, id=f"{_name(subject)}-{check.name}"))
    return found


def _name(subject: Subject) -> str:
    """Such as `Ewma-3`, `BlockDct-24x32` or, for windows of 4 frames, `MovingZ-2-window4`."""
    item = "x".join(str(side) for side in subject.spec.item)
    window = f"-window{subject.spec.window}" if subject.spec.window > 1 else ""
    return f"{type(subject.scorer).__name__}-{item}{window}"


def _known(excepted: Mapping[str, str]) -> Mapping[str, str]:
    names = {check.name for check in CHECKS}
    unknown = sorted(excepted.keys() - names)
    if unknown:
        raise TocsinError(
            f"no check is called {unknown[0]!r}; there are {', '.join(sorted(names))}"
        )
    return excepted
