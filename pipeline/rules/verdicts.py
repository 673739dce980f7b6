"""What is said of a row: calm, alarm, can't say, or why an alarm was not given."""

from collections import Counter

import numpy as np

from tocsin.pipeline.types import ByteArray

NO_OPINION = -1  # no tail or no alarm level
CALM = 0
ALARM = 1
UNSURE = 2  # would be decided otherwise under other calibration scores: can't say
DIRECTION = 3
SMALL = 4
INVALID = 5
OFF_HOURS = 6
SILENCED = 7
RELEARNING = 8

WORDS = {
    NO_OPINION: "no opinion",
    CALM: "calm",
    ALARM: "alarm",
    UNSURE: "can't say",
    DIRECTION: "suppressed: the other direction",
    SMALL: "suppressed: too small a deviation",
    INVALID: "suppressed: outside the valid range",
    OFF_HOURS: "suppressed: outside the calendar's hours",
    SILENCED: "suppressed: silenced",
    RELEARNING: "suppressed: learning a new normal",
}

QUIET = (CALM, DIRECTION, SMALL)  # bring an open incident nearer to its end; the others do not
EXCUSED = (DIRECTION, SMALL, OFF_HOURS, SILENCED, RELEARNING)  # may be learned all the same


def tally(verdict: ByteArray) -> dict[str, int]:
    """How many rows (N,) have each verdict, in words; verdicts that no row has are left out.

    >>> tally(np.array([0, 0, 2, 1, 2, -1], dtype=np.int8))
    {'no opinion': 1, 'calm': 2, 'alarm': 1, "can't say": 2}
    """
    counts = Counter(np.asarray(verdict).tolist())
    return {WORDS[code]: counts[code] for code in sorted(counts)}
