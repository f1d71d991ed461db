"""Intervals of what samples leave open: that of a share, of a mean, of an area under the ROC curve. Free of torch.

Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927; Efron, "Bootstrap Methods: Another
Look at the Jackknife", 1979; DeLong, DeLong and Clarke-Pearson, "Comparing the Areas under Two or More Correlated
Receiver Operating Characteristic Curves: A Nonparametric Approach", 1988.
"""

import math

import numpy as np

Z = 1.959964  # of the 95 % interval
DRAWS = 1000
_MANY = 2000  # values of a mean that need no bootstrap

Interval = tuple[float, float]
Known = tuple[float, Interval]  # a value with its interval


def bootstrap(values: np.ndarray) -> Interval:
    """Returns the 95 % interval of a mean; of many values by their standard error, which then is the same.

    Args:
        values: (N,).
    """
    if len(values) > _MANY:
        mean, error = float(values.mean()), float(values.std()) / math.sqrt(len(values))
        return mean - Z * error, mean + Z * error
    draws = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    return middle(values[draws].mean(1))


def middle(scores: np.ndarray) -> Interval:
    """Returns where 95 % of the scores lie."""
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


def wilson(right: float, total: int) -> Interval:
    """Returns the 95 % interval of a share.

    Args:
        right: how many are right.
        total: of how many.
    """
    share, spread = right / total, Z**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, round(centre - half, 12)), min(1.0, round(centre + half, 12))


def f1_macro(counts: np.ndarray) -> np.ndarray:
    """Returns the mean over classes of the F1 score (B,), of those that are there or are predicted.

    Args:
        counts: (B, K, K), row the true class, column the predicted one.
    """
    right = np.diagonal(counts, axis1=1, axis2=2)  # (B, K)
    seen = counts.sum(1) + counts.sum(2)
    scores = np.where(seen > 0, 2 * right / np.maximum(seen, 1), 0)
    means: np.ndarray = scores.sum(1) / np.maximum((seen > 0).sum(1), 1)
    return means


def auroc(probabilities: np.ndarray, targets: np.ndarray) -> Known | None:
    """Returns the mean over classes of the area under the ROC curve, of one against the rest, and its 95 % interval.

    The error is DeLong's, of the mean: each sample's parts in the areas of all classes are added up. The interval is
    taken of the logit, since no area is above 1.

    Args:
        probabilities: (N, K).
        targets: the true classes, (N,).

    Returns:
        None where no class has samples and lacks some, or no sample is on the wrong side of another.
    """
    areas, parts = [], np.zeros(len(targets))
    for label in np.unique(targets):
        is_own = targets == label
        own, rest = probabilities[is_own, label], probabilities[~is_own, label]
        if not len(rest):
            continue
        below, above = _shares_below(own, np.sort(rest)), 1 - _shares_below(rest, np.sort(own))
        areas.append(float(below.mean()))
        parts[is_own] += (below - areas[-1]) / len(own)
        parts[~is_own] += (above - areas[-1]) / len(rest)
    area = float(np.mean(areas)) if areas else 1.0
    if not 0 < area < 1:
        return None
    half = Z * float(np.linalg.norm(parts)) / len(areas) / (area * (1 - area))
    logit = math.log(area / (1 - area))
    return area, ((1 + math.tanh((logit - half) / 2)) / 2, (1 + math.tanh((logit + half) / 2)) / 2)


def _shares_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the share of others, which are sorted, that score less, those that score the same counting half."""
    return (np.searchsorted(others, scores) + np.searchsorted(others, scores, side="right")) / (2 * len(others))
