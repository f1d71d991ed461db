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
        All predictions, by index; if `distinct`, each sample once.
    """
    joined = Predictions(*(np.concatenate(part) for part in zip(*batches, strict=True)))
    order = np.argsort(joined.indices, kind="stable")
    if distinct:
        order = np.unique(joined.indices, return_index=True)[1]
    return Predictions(*(part[order] for part in joined))


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
    path: Path,
    predictions: Predictions,
    class_names: Sequence[str],
    sample_names: Sequence[str],
    texts: Sequence[str] | None = None,
) -> None:
    """Writes one row a sample: which it is, what it is, what it was taken for, and up to 100 class probabilities.

    Args:
        path: the file.
        predictions: of N samples and K classes.
        class_names: K names.
        sample_names: N names.
        texts: N texts for a column of their own; None where samples are no texts.
    """
    shown = class_names if len(class_names) <= MAX_PROBABILITY_COLUMNS else ()
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        columns = ["index", "name", "target", "prediction", "correct", "confidence"]
        rows.writerow([*columns, *(f"p_{name}" for name in shown), *(["text"] if texts is not None else [])])
        for row, (index, target, prediction) in enumerate(
            zip(predictions.indices.tolist(), predictions.targets.tolist(), predictions.classes.tolist(), strict=True)
        ):
            probabilities = predictions.probabilities[row]
            correct = "true" if target == prediction else "false"
            cells = [index, sample_names[row], class_names[target], class_names[prediction], correct]
            shares = probabilities[: len(shown)].tolist()
            cells += [_plain(share) for share in (float(probabilities[prediction]), *shares)]
            rows.writerow([*cells, texts[row]] if texts is not None else cells)


def write_worst_mistakes(
    path: Path,
    predictions: Predictions,
    class_names: Sequence[str],
    sample_names: Sequence[str],
    texts: Sequence[str],
    *,
    limit: int,
) -> None:
    """Writes the texts that were taken for another class, those of which the model was surest first.

    Args:
        path: the file.
        predictions: of N samples and K classes.
        class_names: K names.
        sample_names: N names.
        texts: N texts.
        limit: how many to write at most.
    """
    classes, confidence = predictions.classes, predictions.probabilities.max(axis=1)
    wrong = np.flatnonzero(classes != predictions.targets)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:limit].tolist()
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "target", "prediction", "confidence", "text"])
        for row in worst:
            names = [class_names[predictions.targets[row]], class_names[classes[row]]]
            rows.writerow([sample_names[row], *names, _plain(float(confidence[row])), texts[row]])


def _plain(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
