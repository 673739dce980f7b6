"""LORD++, SAFFRON and e-LOND written out sum by sum, for one series and with all it remembers."""

import math

from tocsin.pipeline.types import FloatArray


def lord_weight(j: int) -> float:
    return 0.07720838 * math.log(max(j, 2)) / (j * math.exp(math.sqrt(math.log(j))))


def saffron_weight(j: int) -> float:
    return 0.4374901658 / j**1.6


def lord_plus_plus(p: FloatArray, target: float) -> list[float]:
    levels: list[float] = []
    alarms: list[int] = []
    wealth = target / 2
    for t, value in enumerate(p.tolist(), start=1):
        level = target / 2 * lord_weight(t)
        for nth, tau in enumerate(alarms):
            level += (target / 2 if nth == 0 else target) * lord_weight(t - tau)
        level = min(level, wealth)
        wealth -= level
        levels.append(level)
        if value <= level:
            wealth += target
            alarms.append(t)
    return levels


def saffron(p: FloatArray, target: float, candidate: float) -> list[float]:
    levels: list[float] = []
    alarms: list[int] = []
    for t, value in enumerate(p.tolist(), start=1):
        level = target / 2 * saffron_weight(t - int((p[: t - 1] <= candidate).sum()))
        for nth, tau in enumerate(alarms):
            lag = t - tau - int((p[tau : t - 1] <= candidate).sum())
            level += (target / 2 if nth == 0 else target) * saffron_weight(lag)
        levels.append(min(candidate, (1 - candidate) * level))
        if value <= levels[-1]:
            alarms.append(t)
    return levels


def e_lond(p: FloatArray, target: float) -> list[float]:
    """Levels for p, from e = 1 / (2 sqrt(p)) >= 1 / level."""
    levels: list[float] = []
    alarms = 0
    for t, value in enumerate(p.tolist(), start=1):
        level = target * lord_weight(t) * (alarms + 1)
        levels.append((level / 2) ** 2)
        alarms += 1 / (2 * math.sqrt(value)) >= 1 / level
    return levels
