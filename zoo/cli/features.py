"""Writes what the layers before a model's head make of data, and says how well simple classifiers read them."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from omegaconf import DictConfig

from zoo.config.entry import run
from zoo.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.data.base import DataModule, Split
    from zoo.restore import Restored
    from zoo.tasks.base import Task

_HELP = """\
usage: python -m zoo features ckpt=RUN [input=FOLDER] [data=...] [output=FILE] [neighbours=10]

{about}

  ckpt=RUN         a checkpoint, or the directory of a run
  input=FOLDER     files without labels; without it the training and test splits of the run's data, or of data=...
  output=FILE      .npz (features, names, splits, labels) or .csv; without it features.npz beside the checkpoint
  neighbours=10    that vote on the class of a sample

Of splits with classes it prints the accuracy of a vote of neighbours and of a linear classifier, both fitted to the
training split.
"""


class Rows(NamedTuple):
    """Embeddings of samples.

    Attributes:
        split: of the samples, "" where they are files.
        names: of the samples.
        features: (N, D).
        labels: (N,), None where there are none.
    """

    split: str
    names: list[str]
    features: "Tensor"
    labels: "Tensor | None"


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: overrides of `configs/features.yaml`.
    """
    run(_features, "features", argv=["-m zoo features", *arguments])


def _features(cfg: DictConfig) -> None:
    if cfg.neighbours < 1:
        raise OptionError("neighbours", f"{cfg.neighbours} given", "give a number from 1 on")
    if cfg.output and Path(cfg.output).suffix not in (".npz", ".csv"):
        raise OptionError("output", f"{cfg.output} ends in neither .npz nor .csv", "name a file that does")
    from zoo.build import prepare_process  # torch is imported here, the options being right
    from zoo.config.run_directory import make_directory
    from zoo.restore import open_checkpoint

    prepare_process()
    found = open_checkpoint(cfg)
    parts = _of_files(cfg, found) if cfg.input else _of_splits(found)
    output = Path(cfg.output).expanduser() if cfg.output else found.path.parent / "features.npz"
    make_directory(output.parent, option="output")
    _write(output, parts)
    _judge(parts, cfg.neighbours)
    print(f"{sum(len(part.names) for part in parts):,} x {parts[0].features.shape[1]}: {output}")


def _of_files(cfg: DictConfig, found: "Restored") -> list[Rows]:
    """The embeddings of files.

    Raises:
        RunError: there are none, or the run was of other data.
    """
    from zoo.build import make_data
    from zoo.data.unlabelled import find_files
    from zoo.tasks.base import Task

    data = make_data(found.cfg)
    if not data.file_suffixes:
        raise OptionError("input", f"the data of the run are {type(data).__name__}, no files", "leave it out")
    root, files = find_files(Path(cfg.input).expanduser(), data.file_suffixes)
    names = [str(file.relative_to(root)) for file in files]
    features, index, _ = _computed(found.task(Task), data, data.file_loader(files))
    return [Rows("", [names[place] for place in index], features, None)]


def _of_splits(found: "Restored") -> list[Rows]:
    """The embeddings of the training split and of that which is tested; of all there are where none is trained on."""
    from zoo.build import build_data
    from zoo.tasks.base import Task

    data = build_data(found.cfg)
    data.align_classes(found.class_names)
    judged: tuple[Split, Split] = ("train", "test" if data.has_test else "val")
    task, parts = found.task(Task), []
    for split, loader in data.scan_loaders().items():
        if split in judged:
            features, index, labels = _computed(task, data, loader)
            parts.append(Rows(split, [data.sample_name(split, place) for place in index], features, labels))
    return parts


def _computed(task: "Task", data: "DataModule", batches: Iterable[Any]) -> tuple["Tensor", list[int], "Tensor | None"]:
    """Returns the embeddings (N, D), the places of the samples and their classes, where they have one each.

    Raises:
        OptionError: the model's head is not set apart, or its inputs are no vectors.
    """
    import torch

    from zoo.failure import explained

    task.eval()
    features, index, labels = [], [], []
    for loaded in batches:
        batch = data.prepare_batch(loaded, train=False)
        features.append(explained("ckpt", task.features, batch).float())
        index.append(batch["index"])
        labels.append(batch.get("target"))
    if not features:
        raise OptionError("input", "not one file can be decoded", "give files that can be")
    known = torch.cat(labels) if all(label is not None and label.ndim == 1 for label in labels) else None  # type: ignore[arg-type]
    return torch.cat(features).flatten(1), torch.cat(index).tolist(), known


def _judge(parts: Sequence[Rows], neighbours: int) -> None:
    from zoo.metrics.embeddings import linear_accuracy, neighbour_accuracy

    by_split = {part.split: part for part in parts}
    train = by_split.pop("train", None)
    for split, part in by_split.items():
        if train is None or train.labels is None or part.labels is None or train.labels.is_floating_point():
            continue
        pairs = train.features, train.labels, part.features, part.labels
        print(f"{split}/neighbour_accuracy  {neighbour_accuracy(*pairs, neighbours=neighbours):.4f}")
        print(f"{split}/linear_accuracy     {linear_accuracy(*pairs):.4f}")


def _write(output: Path, parts: Sequence[Rows]) -> None:
    import numpy as np

    from zoo.failure import writing
    from zoo.files import replacing

    names = np.array([name for part in parts for name in part.names])
    splits = np.array([part.split for part in parts for _ in part.names])
    features = np.concatenate([part.features.cpu().numpy() for part in parts])
    labels = [part.labels.cpu().numpy() for part in parts if part.labels is not None]
    known = {"labels": np.concatenate(labels)} if len(labels) == len(parts) else {}
    content = io.BytesIO()
    if output.suffix == ".npz":
        arrays: dict[str, Any] = {"features": features, "names": names, "splits": splits, **known}
        np.savez(content, **arrays)
    else:
        columns = [names, splits, *known.values()]
        text = io.StringIO()
        header = ["name", "split", *(["label"] if known else []), *(f"f{place}" for place in range(features.shape[1]))]
        rows = (
            [*(column[row] for column in columns), *(f"{value:.6g}" for value in features[row])]
            for row in range(len(names))
        )
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        content.write(text.getvalue().encode())
    with writing(output), replacing(output) as file:
        file.write(content.getvalue())
