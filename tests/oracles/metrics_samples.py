"""Labels, scores and alarms to compare metrics on: short, with ties, short events and full ones."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def labels(draw, rows=30):
    """Labels (N,) with rows of both kinds, in runs of any length, the ends included."""
    n = draw(st.integers(3, rows))
    found = np.zeros(n, dtype=bool)
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, n - 1))
        found[first : first + draw(st.integers(1, 7))] = True
    if found.all():
        found[draw(st.integers(0, n - 1))] = False
    return found


@st.composite
def labelled(draw, rows=30):
    """Labels (N,) and scores (N,), with few or many distinct values."""
    truth = draw(labels(rows))
    size = len(truth)
    scores = draw(
        st.one_of(
            st.lists(st.integers(0, 3), min_size=size, max_size=size),
            st.lists(st.integers(-999, 999), min_size=size, max_size=size),
        )
    )
    return truth, np.array(scores) / 8


@st.composite
def alarmed(draw, rows=30):
    """Labels (N,) and alarms (N,)."""
    truth = draw(labels(rows))
    size = len(truth)
    return truth, np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))


def tiny():
    """Labels, scores and alarms (200,) that the golden values were made from."""
    t = np.arange(200)
    truth = ((t >= 40) & (t < 60)) | ((t >= 120) & (t < 125)) | (t >= 180)
    lifted = 0.6 * ((t >= 45) & (t <= 70)) + 0.4 * ((t >= 118) & (t <= 121))
    scores = (37 * t) % 101 / 101 + lifted
    return truth, scores, scores >= 0.95
