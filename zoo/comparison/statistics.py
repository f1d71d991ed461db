"""What few seeds tell: mean, spread, confidence, and whether two groups differ.

Student, "The Probable Error of a Mean", 1908; Welch, "The Generalization of Student's Problem when Several Different
Population Variances are Involved", 1947; Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

FEW = 5  # seeds from which on a test is worth its name
LEVEL = 0.05


class Summary(NamedTuple):
    """Several values in figures.

    Attributes:
        size: how many.
        mean: their mean.
        std: their standard deviation, of a sample; None of one.
        interval: half the width of the 95 % confidence interval of the mean; None of one.
    """

    size: int
    mean: float
    std: float | None
    interval: float | None

    def __str__(self) -> str:
        if self.std is None:
            return f"{self.mean:.4g}"
        return f"{self.mean:.4g} ± {self.interval:.2g}"


def summarized(values: Sequence[float]) -> Summary:
    """Returns the figures of at least one value."""
    count, mean = len(values), math.fsum(values) / len(values)
    if count < 2:
        return Summary(count, mean, None, None)
    from scipy.special import stdtrit  # scipy.stats takes a second

    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    return Summary(count, mean, std, float(stdtrit(count - 1, 0.975)) * std / math.sqrt(count))


def welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Returns the two-sided p-value of equal means, by Welch's t-test.

    Args:
        first: values of a group.
        second: values of the other.

    Returns:
        From 0 to 1; None where a group has fewer than two values, or neither has a spread.
    """
    if min(len(first), len(second)) < 2:
        return None
    one, two = summarized(first), summarized(second)
    assert one.std is not None and two.std is not None
    parts = one.std**2 / one.size, two.std**2 / two.size
    if sum(parts) == 0:
        return None
    from scipy.special import stdtr

    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (one.size - 1) + parts[1] ** 2 / (two.size - 1))
    return float(2 * stdtr(freedom, -abs(one.mean - two.mean) / math.sqrt(sum(parts))))


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[Summary, float | None]:
    """Returns the differences of pairs, second less first, and the two-sided p-value of none, by Student's t-test.

    Runs of one seed share what chance brings, such as the order of samples: between them it cancels out.

    Args:
        first: values of a group.
        second: values of the other, each beside that of the same seed.

    Returns:
        The figures of the differences, and the p-value; None of one pair, or where all differ by the same.
    """
    found = summarized([other - one for one, other in zip(first, second, strict=True)])
    # Differences that are all the same differ by what rounding leaves.
    if found.std is None or found.std <= 1e-9 * max(map(abs, (*first, *second))):
        return found, None
    from scipy.special import stdtr

    return found, float(2 * stdtr(found.size - 1, -abs(found.mean) / found.std * math.sqrt(found.size)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values that hold for all of several tests together."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def verdict(first: Sequence[float], second: Sequence[float], p_value: float | None) -> str:
    """Returns in words whether the second group differs from the first.

    Args:
        first: values of a group.
        second: values of the other.
        p_value: of equal means, corrected where several groups are compared; None where there is no test.
    """
    difference = summarized(second).mean - summarized(first).mean
    fewest = min(len(first), len(second))
    if fewest < 2:
        return f"difference {difference:+.3g}: too few seeds for a test, which takes two of each and better {FEW}"
    if p_value is None:
        return f"difference {difference:+.3g}: no spread among the seeds, so that there is nothing to test"
    says = "significant" if p_value < LEVEL else "not significant"
    few = f"; only {fewest} seeds, so that but large differences can be told" if fewest < FEW else ""
    return f"difference {difference:+.3g}: {says} at 5 % (p = {p_value:.2g}, Welch's t-test{few})"
