"""What a run has left in its directory, for reports: read from the files alone, whatever is missing. Free of torch."""

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from zoo.errors import DataError

_LARGEST = 50_000_000  # bytes of a table that is read

Curve = tuple[list[int], list[float]]


@dataclass(frozen=True)
class RunFiles:
    """A run as it lies on the disk.

    Attributes:
        path: its directory.
        config: what it was started with; empty where unknown.
        metrics: `metrics.json`.
        environment: `environment.json`.
        cost: `cost.json`.
        verdicts: what was said of it; None where nothing was recorded.
        overrides: its options as typed.
        curves: steps and values of what was logged while it trained.
        pictures: the pictures of its report.
        tables: the tables of its report.
        missing: the files that are not there, or cannot be read.
    """

    path: Path
    config: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    verdicts: list[dict[str, Any]] | None = None
    overrides: list[str] = field(default_factory=list)
    curves: dict[str, Curve] = field(default_factory=dict)
    pictures: dict[str, Path] = field(default_factory=dict)
    tables: dict[str, Path] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def option(self, path: str) -> Any:
        """Returns an option by its dotted name; None where there is none."""
        value: Any = self.config
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value


def read_files(path: Path) -> RunFiles:
    """Reads the directory of a run, or of an evaluation.

    Args:
        path: the directory.

    Raises:
        DataError: it is none.
    """
    missing: list[str] = []
    config, metrics = _read(path / "config.yaml", missing), _read(path / "metrics.json", missing)
    if not config and not metrics:
        raise DataError(str(path), "holds no run: there is no config.yaml and no metrics.json", "name that of a run")
    verdicts, overrides = _mapping(path / "verdicts.json", []).get("verdicts"), _read(path / "overrides.yaml", [])
    folder = path / "report" if (path / "report").is_dir() else path
    return RunFiles(
        path=path,
        config=config if isinstance(config, dict) else {},
        metrics=metrics if isinstance(metrics, dict) else {},
        environment=_mapping(path / "environment.json", missing),
        cost=_mapping(path / "cost.json", []),
        verdicts=verdicts if isinstance(verdicts, list) else None,
        overrides=overrides if isinstance(overrides, list) else [],
        curves=_curves(path / "metrics.csv", missing),
        pictures={file.stem: file for file in sorted(folder.glob("*.png"))},
        tables={file.stem: file for file in sorted(folder.glob("*.csv")) if file.name != "metrics.csv"},
        missing=missing,
    )


def read_table(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, str]]:
    """Returns the rows of a table; none where it is too large, or cannot be read.

    Args:
        path: a CSV file.
        columns: those that are kept; None keeps all.
    """
    try:
        if path.stat().st_size > _LARGEST:
            return []
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            kept = [place for place, name in enumerate(header) if columns is None or name in columns]
            return [{header[place]: row[place] for place in kept if place < len(row)} for row in rows]
    except (OSError, ValueError, csv.Error):
        return []


def _mapping(file: Path, missing: list[str]) -> dict[str, Any]:
    found = _read(file, missing)
    return found if isinstance(found, dict) else {}


def _read(file: Path, missing: list[str]) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return json.loads(text) if file.suffix == ".json" else yaml.load(text, Loader=loader)
    except (OSError, ValueError, yaml.YAMLError):
        missing.append(file.name)
        return None


def _curves(file: Path, missing: list[str]) -> dict[str, Curve]:
    """Returns what was logged by step; of what is logged by step and epoch both, only the former."""
    within: dict[str, dict[int, float]] = defaultdict(dict)
    at_end: dict[str, dict[int, float]] = defaultdict(dict)
    rows = read_table(file)
    if not rows:
        missing.append(file.name)
    for row in rows:
        for name, text in row.items():
            if text and name not in ("epoch", "step"):
                try:
                    (at_end if row.get("epoch") else within)[name][int(float(row["step"]))] = float(text)
                except (KeyError, ValueError):
                    continue
    found = {**at_end, **{name: curve for name, curve in within.items() if len(curve) > 1}}
    return {name: (sorted(curve), [curve[step] for step in sorted(curve)]) for name, curve in found.items()}
