"""Ranges of numbers as annotations: the class signature is the schema that options are checked against.

Free of torch, so that a wrong option is found before anything slow is imported.
"""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Range:
    """An interval of numbers.

    Args:
        minimum: lower bound.
        maximum: upper bound, or None for no bound.
        open_minimum: whether the lower bound itself is excluded.
        open_maximum: whether the upper bound itself is excluded.
    """

    minimum: float
    maximum: float | None = None
    open_minimum: bool = False
    open_maximum: bool = False

    def __contains__(self, value: float) -> bool:
        """Whether `value` lies in the interval; NaN never does."""
        above = value > self.minimum if self.open_minimum else value >= self.minimum
        if self.maximum is None:
            return above
        return above and (value < self.maximum if self.open_maximum else value <= self.maximum)

    def __str__(self) -> str:
        """The rule in words a user reads in an error: "at least 1", "from 0 to below 1"."""
        if self.maximum is None:
            return f"above {self.minimum:g}" if self.open_minimum else f"at least {self.minimum:g}"
        lower = f"above {self.minimum:g}" if self.open_minimum else f"from {self.minimum:g}"
        return f"{lower} to {'below ' if self.open_maximum else ''}{self.maximum:g}"


PositiveInt = Annotated[int, Range(1)]
AtLeastTwo = Annotated[int, Range(2)]
NonNegativeInt = Annotated[int, Range(0)]
PositiveFloat = Annotated[float, Range(0, open_minimum=True)]
NonNegativeFloat = Annotated[float, Range(0)]
Fraction = Annotated[float, Range(0, 1)]
Probability = Annotated[float, Range(0, 1, open_maximum=True)]
