"""A person's word that what a series shows is the new normal."""

import numpy as np

from tocsin.pipeline import gate
from tocsin.pipeline.chain import Chain, ChainState, join_verdicts, naming
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.events import ANOMALY, CALM
from tocsin.pipeline.keyed import forget
from tocsin.pipeline.membership import with_groups
from tocsin.pipeline.step import Outcome
from tocsin.pipeline.types import NO_KEYS


def accept(chain: Chain, state: ChainState, series: str) -> Outcome:
    """A person says that what a firing series shows is the new normal; called between steps.

    What scorer, calibrator and rules know of the series is forgotten, and what was bet against the
    calibrator; its anomaly is resolved and does not reopen, and its next rows are learned whatever
    they show (`Gate.relearn_rows`). Its budget, windows, health but for its count of scores, and
    all other series stay as they are, and so does what a scorer shares among the series. Nothing
    happens to a series that has no anomaly pending or open.
    """
    key = state.keys.find(series)
    if key < 0:
        raise StateError(f"no series is called {series!r}")
    none = join_verdicts([])
    if state.episodes.phase[key, ANOMALY] == CALM:
        return Outcome(none, [], [], NO_KEYS)
    ended = list(chain.episodes.accept(state.episodes, key, naming(chain, state)))
    incidents = with_groups(chain, state, ended)
    touched = np.array([key])
    for stage in (state.scorer, state.calibrator, state.rules, state.drift):
        forget(stage, touched)
    gate.accept(state.gate, key, chain.gate.relearn_rows)
    state.health.scored[key] = state.health.unscored[key] = 0  # its warm-up is no blindness
    state.waiting = state.waiting.take(state.waiting.key != key)
    return Outcome(none, incidents, [], touched)
