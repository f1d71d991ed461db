"""Runs as they lie on the disk, and which of them differ by their seed alone. Free of torch."""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FINISHED = ("completed", "stopped")
SEEDS = "seeds.csv"  # beside the runs of several seeds, with a row for each
COSTS = ("seconds_total", "samples_per_second", "num_parameters", "peak_memory_mb")
# What says where and how a run was started, not what it is; and facts that follow the seed's split of the data.
_PLACES = (
    "output_dir",
    "resume",
    "allow_changes",
    "debug",
    "check",
    "paths",
    "hydra",
    "logger",
    "explanations",
    "profile",
    "seeds",
)
_LEAVES = ("seed", "dirpath", "mean", "std", "naive_error")
_MISSING = object()

Curve = dict[int, float]


class UnusableRunError(Exception):
    """A run that cannot be compared; it reads as why."""


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Args:
        path: its folder.
        options: what it was started with, by dotted path.
        seed: its seed, None where it is not known.
        values: `metrics.json`.
        curves: for each metric its values by the step.
        monitor: the metric that chose its checkpoint.
    """

    path: Path
    options: Mapping[str, Any]
    seed: int | None
    values: Mapping[str, Any]
    curves: Mapping[str, Curve] = field(default_factory=dict)
    monitor: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """The last metrics of validation and test."""
        return {
            name: value for name in self.values if name.startswith(("test/", "val/")) for value in self.number(name)
        }

    def number(self, name: str) -> list[float]:
        """Returns a value in a list, which is empty where the run has no such finite number."""
        value = self.values.get(name)
        right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return [float(value)] if right and value is not None else []


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """Returns the folders of runs among folders and below them, each once.

    Args:
        paths: folders that exist.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        several = (path / SEEDS).exists()  # which have metrics in common, too
        own = not several and any((path / name).exists() for name in ("config.yaml", "metrics.json"))
        folders = [path] if own else [file.parent for file in sorted(path.rglob("config.yaml"))]
        for folder in folders:
            found.setdefault(folder.resolve(), folder)
    return list(found.values())


def read_run(path: Path) -> Run:
    """Reads a run.

    Args:
        path: its folder.

    Raises:
        UnusableRunError: it is damaged, or has not ended.
    """
    config, values = _mapping(path / "config.yaml"), _mapping(path / "metrics.json")
    status = values.get("status", "completed")
    if status not in FINISHED:
        raise UnusableRunError(f"its status is {status}")
    seed = config.get("seed", values.get("seed"))
    task = config.get("task")
    monitor = str(task.get("monitor", "")) if isinstance(task, dict) else ""
    options = {name: value for name, value in _flat(_without_shown(config)) if not _is_place(name)}
    return Run(path, options, seed if isinstance(seed, int) else None, values, _curves(path / "metrics.csv"), monitor)


def grouped(runs: Sequence[Run]) -> list[list[Run]]:
    """Returns the runs that differ by their seed alone together, in the order in which they came."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[json.dumps(run.options, sort_keys=True, default=str)].append(run)
    return list(groups.values())


def without_repetitions(runs: Sequence[Run]) -> tuple[list[Run], list[tuple[Run, Run]]]:
    """Returns runs of one group each with a seed of its own, and those that repeat one, with the one.

    A seed that is run twice gives the same twice: counted as two, it would feign certainty.
    """
    kept: dict[int, Run] = {}
    alone: list[Run] = []
    repeated = []
    for run in runs:
        if run.seed is None:
            alone.append(run)
        elif run.seed in kept:
            repeated.append((run, kept[run.seed]))
        else:
            kept[run.seed] = run
    return [*kept.values(), *alone], repeated


def differing(groups: Sequence[Sequence[Run]]) -> dict[str, list[Any]]:
    """Returns the options that are not the same in all groups, with the value in each; "-" where there is none.

    Of an object that is not there in some groups the class alone is named.
    """
    names = dict.fromkeys(name for group in groups for name in group[0].options)
    found = {name: [group[0].options.get(name, _MISSING) for group in groups] for name in names}
    lone: tuple[str, ...] = ()  # objects that are not everywhere, by the path of their options
    for name, values in found.items():
        if name.endswith("._target_") and _MISSING in values and not name.startswith(lone):
            lone += (name.removesuffix("_target_"),)
    return {
        name: ["-" if value is _MISSING else value for value in values]
        for name, values in found.items()
        if any(value != values[0] for value in values)
        and (name.removesuffix("_target_") in lone or (not name.startswith(lone) and f"{name}." not in lone))
    }


def shared(runs: Sequence[Run]) -> list[str]:
    """Returns the metrics that every run has, those of the test first."""
    names = [name for name in runs[0].metrics if all(name in run.metrics for run in runs)]
    return sorted(names, key=lambda name: (not name.startswith("test/"), name))


def judged_by(runs: Sequence[Run], metrics: Sequence[str]) -> str:
    """Returns the metric to judge by: what the first run monitors, in the test if there is one."""
    name = runs[0].monitor.rpartition("/")[2]
    return next((each for each in metrics if each.rpartition("/")[2] == name), metrics[0])


def _mapping(file: Path) -> dict[str, Any]:
    if not file.is_file():
        why = "it has not ended, or was killed" if file.name == "metrics.json" else "no run"
        raise UnusableRunError(f"there is no {file.name} ({why})")
    try:
        text = file.read_text(encoding="utf-8")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        found = json.loads(text) if file.suffix == ".json" else yaml.load(text, Loader=loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UnusableRunError(f"{file.name} cannot be read ({' '.join(str(error).split())[:80]})") from error
    if not isinstance(found, dict):
        raise UnusableRunError(f"{file.name} holds no mapping")
    return found


def _without_shown(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config without the callbacks that are off, and those that but show or save what happens."""
    callbacks = config.get("callbacks")
    if not isinstance(callbacks, dict):
        return dict(config)
    return {**config, "callbacks": {name: node for name, node in callbacks.items() if node and not _is_shown(node)}}


def _is_shown(node: Any) -> bool:
    target = str(node.get("_target_", "")) if isinstance(node, dict) else ""
    return target.startswith("zoo.callbacks.") and not target.endswith(".BestCheckpoint")


def _flat(value: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _is_place(name: str) -> bool:
    return name.split(".")[0] in _PLACES or name.rpartition(".")[2] in _LEAVES


def _curves(file: Path) -> dict[str, Curve]:
    """Returns the columns of a log; of a step that was taken twice, by a run that was resumed, the later value.

    What was logged of single steps, in rows without an epoch, is left out where there are values of whole epochs.
    """
    curves: dict[str, Curve] = defaultdict(dict)
    of_epochs: dict[str, Curve] = defaultdict(dict)
    try:
        with file.open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                for name, text in row.items():
                    if isinstance(name, str) and name.startswith(("train/", "val/")) and text:
                        value = float(text)
                        if math.isfinite(value):
                            curve = (of_epochs if row.get("epoch") else curves)[name]
                            curve[int(float(row["step"]))] = value
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {**curves, **of_epochs}  # a log that was cut off is drawn as far as it goes
    return {**curves, **of_epochs}
