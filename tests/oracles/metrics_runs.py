"""Runs of marked rows, found one row at a time."""


def runs(marked):
    found, start = [], None
    for t, mark in enumerate([*marked, False]):
        if mark and start is None:
            start = t
        elif not mark and start is not None:
            found.append((start, t - 1))
            start = None
    return found
