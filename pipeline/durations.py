"""Durations and rates as people write them."""

import re

from tocsin.pipeline.errors import ConfigError

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_PERIODS = {"minute": "1m", "hour": "1h", "day": "1d", "week": "1w", "month": "30d", "year": "365d"}
_PERIODS |= {unit: f"1{unit}" for unit in _UNITS}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|d|w)")


def parse_duration(text: str | float) -> int:
    """Nanoseconds in a duration such as "90s", "1h30m" or "250ms"; a bare number is seconds.

    >>> parse_duration("1h30m") // 1_000_000_000
    5400
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return round(text * _UNITS["s"])
    parts = _PART.findall(str(text))
    if not parts or _PART.sub("", str(text)).strip():
        raise ConfigError(f"{text!r} is not a duration; wanted one such as 30s, 5m, 1h30m or 2d")
    return sum(round(float(number) * _UNITS[unit]) for number, unit in parts)


def parse_budget(text: str) -> tuple[float, int, str]:
    """Incidents, period in nanoseconds and scope of a budget such as "2/week/asset".

    >>> parse_budget("2/week/asset") == (2.0, parse_duration("7d"), "asset")
    True
    """
    parts = [part.strip() for part in str(text).split("/")]
    scope = parts[2] if len(parts) == 3 else "series"
    try:
        count = float(parts[0])
        period = parse_duration(_PERIODS.get(parts[1], parts[1]))
    except (ValueError, IndexError, ConfigError) as error:
        raise ConfigError(
            f"{text!r} is not a budget; wanted one such as 2/week/asset, 1/day or 5/12h/series"
        ) from error
    if not 0 < count < float("inf") or period <= 0 or len(parts) > 3:
        raise ConfigError(f"{text!r} is not a budget; wanted a positive count and period")
    return count, period, scope


def describe_duration(nanoseconds: int) -> str:
    """A duration in its two largest units.

    >>> describe_duration(5_400_000_000_000), describe_duration(250_000_000)
    ('1h30m', '250ms')
    """
    if nanoseconds < 0:
        return f"-{describe_duration(-nanoseconds)}"
    parts: list[str] = []
    for unit in ("d", "h", "m", "s", "ms", "us", "ns"):
        count, nanoseconds = divmod(nanoseconds, _UNITS[unit])
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
        if len(parts) == 2:
            break
    return "".join(parts) or "0s"
