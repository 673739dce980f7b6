"""What a label changes in a pipeline: what it calibrates by, and what it takes for normal."""

import math
from copy import deepcopy

import numpy as np

from tocsin.pipeline.acceptance import accept
from tocsin.pipeline.chain import Chain, ChainState
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.labels import Label

_MOST = 50  # times that one score is taught; a higher level needs a longer look than one label


def apply(
    chain: Chain, state: ChainState, label: Label, incident: Incident | None
) -> tuple[str, list[Incident]]:
    """Let a label take its effect, in place; gives what it was, in words, and incidents it ended.

    "false_alarm": the incident's highest score is taught to the calibrator as a normal one, as
    often as it takes for the same score not to alarm again at the incident's level. "new_normal":
    as `accept`. The others change nothing here: the rows of an open incident are not learned while
    learning is frozen, and a detector that is fitted anew leaves their rows out.
    """
    key = state.keys.find(label.series)
    if key < 0:
        return "its series is not known here; nothing changes", []
    if label.verdict == "new_normal":
        ended = accept(chain, state, label.series).incidents
        return "what the series shows is learned afresh" if ended else "no incident is open", ended
    if label.verdict != "false_alarm":
        return "kept; nothing changes in what runs", []
    if incident is None or math.isnan(incident.score):
        return "kept; without an incident's score nothing can be taught", []
    times = _often_enough(chain, state, key, incident)
    one, when = np.array([key]), np.array([incident.peak_at])
    for _ in range(times):
        chain.calibrator.learn(state.calibrator, one, when, np.array([incident.score]))
    return f"a score of {incident.score:.3g} is held for normal from now on", []


def _often_enough(chain: Chain, state: ChainState, key: int, incident: Incident) -> int:
    """How often a score must stand in the history for its tail to be at least the level."""
    one, when = np.array([key]), np.array([incident.peak_at])
    score, level = np.array([incident.score]), incident.alpha
    trial = chain.calibrator
    kept = deepcopy(state.calibrator)
    for times in range(1, _MOST + 1):
        trial.learn(kept, one, when, score)
        tail = float(trial.tail(kept, one, when, score)[0])
        if math.isnan(tail) or tail >= level:
            return times
    return _MOST
