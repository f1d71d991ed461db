"""Confidence intervals of metrics, from what was predicted for each sample of the test.

They tell how far the metric may be from that on all data of the kind, not how far another seed's run would be:
`seeds=5` tells that. The calibration error has none, since drawing samples again makes it larger, and neither have FID
and its like.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.report.files import RunFiles, read_table
from zoo.report.statistics import DRAWS, Interval, Known, auroc, bootstrap, f1_macro, middle, wilson

_CLOSE = 2e-3  # by which a metric may differ from that of the table, and still be the same
_NEAR = 0.05  # share of a metric by which the windows that do not overlap may differ from all
_FEWEST = 8  # values of a mean that give an interval
_LARGE = 5_000_000  # bytes of a table whose probabilities are not read


def intervals(run: RunFiles) -> dict[str, Interval]:
    """Returns the 95 % intervals of the metrics of which each sample's part is known.

    Args:
        run: a run, or an evaluation, that wrote what it predicted for each sample.
    """
    found = {**_of_parts(run), **_of_strings(run), **_of_classes(run), **_of_images(run)}
    return {name: found[short][1] for name, short in _judged(run.metrics) if _is(run.metrics[name], found.get(short))}


def _of_classes(run: RunFiles) -> dict[str, Known]:
    """Returns accuracy and F1 by what each sample was taken for."""
    table = run.tables.get("predictions")
    rows = read_table(table, ["target", "prediction"]) if table else []
    pairs = [(row["target"], row["prediction"]) for row in rows if row.get("target") and row.get("prediction")]
    if not pairs or len(pairs) < len(rows):
        return {}
    names = sorted({name for pair in pairs for name in pair})
    total, right = len(pairs), sum(target == preds for target, preds in pairs)
    found = {"accuracy": (right / total, wilson(right, total)), **_of_probabilities(table)}
    if len(names) <= 100:
        place = {name: number for number, name in enumerate(names)}
        counts = np.zeros((len(names), len(names)))  # (K, K), row the true class
        np.add.at(counts, tuple(np.array([[place[a], place[b]] for a, b in pairs]).T), 1)
        drawn = np.random.default_rng(0).multinomial(total, counts.ravel() / total, DRAWS)
        scores = f1_macro(drawn.reshape(DRAWS, *counts.shape))
        found["f1_macro"] = (float(f1_macro(counts[None])[0]), middle(scores))
    return found


def _of_probabilities(table: Path | None) -> dict[str, Known]:
    """Returns the negative log likelihood and the share of the five likeliest, where probabilities are in the table."""
    if table is None or table.stat().st_size > _LARGE:
        return {}
    rows = read_table(table)
    names = [name for name in rows[0] if name.startswith("p_")]
    try:
        chances = np.array([[float(row[name]) for name in names] for row in rows])  # (N, K)
        of_target = chances[np.arange(len(rows)), [names.index(f"p_{row['target']}") for row in rows]]
    except (KeyError, ValueError, IndexError):
        return {}
    losses = -np.log(np.maximum(of_target, 1e-12))
    known = {name: (float(losses.mean()), bootstrap(losses)) for name in ("nll", "loss")}
    area = auroc(chances, np.array([names.index(f"p_{row['target']}") for row in rows]))
    known |= {} if area is None else {"auroc": area}
    if len(names) > 5:
        right = float((np.sum(chances > of_target[:, None], axis=1) < 5).sum())
        known["accuracy_top5"] = (right / len(rows), wilson(right, len(rows)))
    return known


def _of_strings(run: RunFiles) -> dict[str, Known]:
    """Returns the share of strings that are right from end to end."""
    table = run.tables.get("predictions")
    rows = read_table(table, ["correct"]) if table else []
    if not rows or any(row.get("correct") not in ("true", "false") for row in rows):
        return {}
    right, total = sum(row["correct"] == "true" for row in rows), len(rows)
    return dict.fromkeys(("exact_match", "sequence_accuracy"), (right / total, wilson(right, total)))


def _of_parts(run: RunFiles) -> dict[str, Known]:
    """Returns the means over images, and over the windows of a forecast that do not overlap."""
    return {**_means(run, "per_image"), **_of_windows(run)}


def _of_images(run: RunFiles) -> dict[str, Known]:
    """Returns what was found by drawing images again, of metrics that are no means over them."""
    rows = read_table(run.tables["intervals"]) if "intervals" in run.tables else []
    try:
        return {row["metric"]: (float(row["value"]), (float(row["low"]), float(row["high"]))) for row in rows}
    except (KeyError, ValueError):
        return {}


def _of_windows(run: RunFiles) -> dict[str, Known]:
    """Returns the means over windows in place of those of the metrics, which are over windows that overlap."""
    judged = {short: run.metrics[name] for name, short in _judged(run.metrics)}
    near = {name: known for name, known in _means(run, "backtest").items() if name in judged}
    return {
        name: (judged[name], between)
        for name, (mean, between) in near.items()
        if abs(mean - judged[name]) < _NEAR * abs(mean) and between[0] <= judged[name] <= between[1]
    }


def _means(run: RunFiles, table: str) -> dict[str, Known]:
    rows, found = read_table(run.tables[table]) if table in run.tables else [], {}
    for name in rows[0] if len(rows) >= _FEWEST else ():
        try:
            values = np.array([float(row[name]) for row in rows])
        except (KeyError, ValueError):
            continue
        if np.isfinite(values).all():
            found[name] = (float(values.mean()), bootstrap(values))
    return found


def _judged(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns metrics of the split that the table is of, which is the test where there is one."""
    stage = "test/" if any(name.startswith("test/") for name in metrics) else "val/"
    return [(name, name.removeprefix(stage)) for name in metrics if name.startswith(stage)]


def _is(value: Any, known: Known | None) -> bool:
    return known is not None and isinstance(value, int | float) and abs(value - known[0]) < _CLOSE
