"""What order and its ticks promise, one row after another with plain lists."""

from collections.abc import Sequence

from tocsin.pipeline.order import Order

Rows = Sequence[tuple[int, int]]  # key and time of each row, as they come


def placed(rule: Order, rows: Rows) -> tuple[list[int], list[tuple[int, str]]]:
    """The rows in the order they leave in, all of them in the end, and the refused ones."""
    last: dict[int, int] = {}
    series: set[int] = set()
    accepted: list[int] = []  # times
    waiting: list[tuple[int, int, int]] = []
    left: list[int] = []
    refused: list[tuple[int, str]] = []
    step = ahead = 0
    for row, (key, time) in enumerate(rows):
        series.add(key)
        clock = max(accepted, default=None)
        if (time, key) in [(at, which) for at, which, _ in waiting] or last.get(key) == time:
            refused.append((row, "duplicate"))
            continue
        if key in last and time < last[key]:
            refused.append((row, "late"))
            continue
        if clock is not None:
            far = time - clock > max(rule.max_ahead_ns, 10 * step)
            if far and len(series) > 1 and len(accepted) >= 16:
                ahead += 1
                if ahead < rule.agree:
                    refused.append((row, "ahead"))
                    continue
            step = max(step, time - clock)
        ahead = 0
        accepted.append(time)
        waiting.append((time, key, row))
        ready = [entry for entry in sorted(waiting) if entry[0] <= max(accepted) - rule.lateness_ns]
        waiting = [entry for entry in waiting if entry not in ready]
        for at, which, number in ready:
            last[which] = max(at, last.get(which, at))
            left.append(number)
    return left + [row for _, _, row in sorted(waiting)], refused


def tick_starts(clock: int, members: set[int], rows: Rows) -> list[int]:
    """Where ticks begin: at a time newer than any before, or at a key that the tick has."""
    starts: list[int] = []
    present = set(members)
    for row, (key, time) in enumerate(rows):
        if time > clock or key in present:
            starts.append(row)
            present = set()
        present.add(key)
        clock = max(clock, time)
    return starts
