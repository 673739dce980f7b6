"""What a metric of alarms is made of: a precision and a recall."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """A precision and a recall, both from 0 to 1.

    >>> round(PrecisionRecall(0.5, 1.0).f1, 4)
    0.6667
    """

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Their harmonic mean, 0 where both are 0."""
        return self.f(1.0)

    def f(self, beta: float) -> float:
        """F-beta: recall weighs `beta` times as much as precision; 0 where both are 0."""
        weighted = beta * beta * self.precision + self.recall
        return (1.0 + beta * beta) * self.precision * self.recall / weighted if weighted else 0.0


@dataclass(frozen=True, slots=True)
class Warned:
    """A number that must not be shown without its warning."""

    value: float
    warning: str

    def __float__(self) -> float:
        return self.value
