"""Confidence intervals of metrics, from what was predicted for each sample of the test.

Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927; Efron, "Bootstrap Methods: Another
Look at the Jackknife", 1979. They tell how far the metric may be from that on all data of the kind, not how far another
seed's run would be: `seeds=5` tells that.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.report.files import RunFiles, read_table

Z = 1.959964  # of the 95 % interval
_DRAWS = 1000
_CLOSE = 2e-3  # by which a metric may differ from that of the table, and still be the same

Interval = tuple[float, float]


def intervals(run: RunFiles) -> dict[str, Interval]:
    """Returns the 95 % intervals of the metrics of which each sample's part is known.

    Args:
        run: a run, or an evaluation, of a classifier; others have none.
    """
    table = run.tables.get("predictions")
    rows = read_table(table, ["target", "prediction"]) if table else []
    pairs = [(row["target"], row["prediction"]) for row in rows if row.get("target") and row.get("prediction")]
    if not pairs or len(pairs) < len(rows):
        return {}
    names = sorted({name for pair in pairs for name in pair})
    place = {name: number for number, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)))  # (K, K), row the true class
    np.add.at(counts, tuple(np.array([[place[a], place[b]] for a, b in pairs]).T), 1)
    total = len(pairs)
    right = float(np.trace(counts))
    found = {"accuracy": (right / total, wilson(right, total))}
    drawn = np.random.default_rng(0).multinomial(total, counts.ravel() / total, _DRAWS) if len(names) <= 100 else None
    if drawn is not None:
        scores = f1_macro(drawn.reshape(_DRAWS, *counts.shape))
        low, high = np.quantile(scores, [0.025, 0.975])
        found["f1_macro"] = (float(f1_macro(counts[None])[0]), (float(low), float(high)))
    return {name: found[short][1] for name, short in _judged(run.metrics) if _is(run.metrics[name], found.get(short))}


def wilson(right: float, total: int) -> Interval:
    """Returns the 95 % interval of a share.

    Args:
        right: how many are right.
        total: of how many.
    """
    share, spread = right / total, Z**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


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


def _judged(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns metrics of the split that the table is of, which is the test where there is one."""
    stage = "test/" if any(name.startswith("test/") for name in metrics) else "val/"
    return [(name, name.removeprefix(stage)) for name in metrics if name.startswith(stage)]


def _is(value: Any, known: tuple[float, Interval] | None) -> bool:
    return known is not None and isinstance(value, int | float) and abs(value - known[0]) < _CLOSE
