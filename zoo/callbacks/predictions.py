"""Predictions of a classifier, and the tables that are made of them."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MAX_PROBABILITY_COLUMNS = 100


class Predictions(NamedTuple):
    """What was predicted: class probabilities (N, K), targets (N,) and the samples' indices (N,)."""

    probabilities: np.ndarray
    targets: np.ndarray
    indices: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """The most probable class of each sample (N,)."""
        classes: np.ndarray = self.probabilities.argmax(axis=1)
        return classes

    @property
    def confusions(self) -> np.ndarray:
        """How often each class (row) was taken for each (column), (K, K)."""
        num_classes = self.probabilities.shape[1]
        pairs = self.targets * num_classes + self.classes
        return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def join(batches: Sequence[Predictions], *, distinct: bool = False) -> Predictions:
    """Puts predictions together.

    Args:
        batches: at least one.
        distinct: whether samples of equal index are one sample, which a sampler repeated to give each process as many.

    Returns:
        All predictions, in the given order; if `distinct`, each sample once, by index.
    """
    joined = Predictions(*(np.concatenate(part) for part in zip(*batches, strict=True)))
    if not distinct:
        return joined
    first = np.unique(joined.indices, return_index=True)[1]
    return Predictions(*(part[first] for part in joined))


class ClassReport(NamedTuple):
    """How one class does; a share of nothing is NaN."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


def per_class(confusions: np.ndarray, class_names: Sequence[str]) -> list[ClassReport]:
    """Precision, recall, F1 and number of samples of each class.

    Args:
        confusions: (K, K) counts, row the true class.
        class_names: K names.

    Returns:
        One entry a class, in their order.
    """
    hits, predicted, support = np.diag(confusions), confusions.sum(axis=0), confusions.sum(axis=1)
    with np.errstate(invalid="ignore"):
        shares = [hits / predicted, hits / support, 2 * hits / (predicted + support)]
    columns = [share.tolist() for share in shares]
    return [ClassReport(*row) for row in zip(class_names, *columns, support.tolist(), strict=True)]


def markdown(classes: Sequence[ClassReport]) -> str:
    """The table of classes in Markdown."""
    rows = ["| class | precision | recall | F1 | support |", "|---|--:|--:|--:|--:|"]
    for name, *shares, support in classes:
        cells = " | ".join("-" if np.isnan(share) else f"{share:.3f}" for share in shares)
        rows.append(f"| {name.replace('|', chr(92) + '|')} | {cells} | {support} |")
    return "\n".join(rows)


def write_per_class(path: Path, classes: Sequence[ClassReport]) -> None:
    """Writes the table of classes; what is undefined stays empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(ClassReport._fields)
        rows.writerows(["" if value != value else _plain(value) for value in entry] for entry in classes)


def write_predictions(
    path: Path, predictions: Predictions, class_names: Sequence[str], sample_names: Sequence[str]
) -> None:
    """Writes one row a sample: which it is, what it is, what it was taken for, and up to 100 class probabilities.

    Args:
        path: the file.
        predictions: of N samples and K classes.
        class_names: K names.
        sample_names: N names.
    """
    shown = class_names if len(class_names) <= MAX_PROBABILITY_COLUMNS else ()
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        columns = ["index", "name", "target", "prediction", "correct", "confidence"]
        rows.writerow([*columns, *(f"p_{name}" for name in shown)])
        for row, (index, target, prediction) in enumerate(
            zip(predictions.indices.tolist(), predictions.targets.tolist(), predictions.classes.tolist(), strict=True)
        ):
            probabilities = predictions.probabilities[row]
            correct = "true" if target == prediction else "false"
            cells = [index, sample_names[row], class_names[target], class_names[prediction], correct]
            shares = probabilities[: len(shown)].tolist()
            rows.writerow([*cells, *(_plain(share) for share in (float(probabilities[prediction]), *shares))])


def _plain(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
