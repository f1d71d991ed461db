"""Compares runs: the options that differ, metrics with their spread over seeds, costs, curves, and significance."""

import csv
import io
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from zoo.cli._output import say
from zoo.comparison.runs import (
    COSTS,
    Run,
    UnusableRunError,
    differing,
    find_runs,
    grouped,
    judged_by,
    read_run,
    shared,
    without_repetitions,
)
from zoo.comparison.statistics import holm, summarized, verdict, welch
from zoo.config.annotations import show
from zoo.errors import DataError, OptionError, RunError, StorageError

_HELP = """\
usage: python -m zoo compare RUN RUN ... [output=FOLDER]

{about}

  RUN            the directory of a run, or a folder of runs: logs/classification/*
  output=FOLDER  where comparison.csv, runs.csv and curves.png are written; without it logs/compare/<date_time>

Runs that differ by their seed alone are a group: its mean and the 95 % confidence interval (Student's t) are shown, and
the other groups are held against the first by Welch's t-test, corrected for their number (Holm).
"""
_HOME = "folder"  # of the seeds of a group
_COLUMNS = 5  # groups beside each other on the console
_OTHER_DATA = ("_target_", "path", "root", "name", "split_seed")  # that make another test of a metric
Group = tuple[str, list[Run]]


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: folders, and where to write.
    """
    try:
        _compare(arguments)
    except RunError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _compare(arguments: Sequence[str]) -> None:
    paths, output = _options(arguments)
    runs = _read(paths)
    groups = _grouped(runs)
    runs = [run for _, group in groups for run in group]
    if len(runs) < 2:
        raise DataError(str(runs[0].path), "the only run that can be compared", "name two or more")
    metrics = shared(runs)
    if not metrics:
        found = "; ".join(f"{name}: {', '.join(list(group[0].metrics)[:4]) or 'none'}" for name, group in groups[:3])
        raise DataError("compare", f"the runs have no metric in common ({found})", "name runs of one task")
    table = _table(groups, metrics)
    say(_console(table))
    monitor = judged_by(runs, metrics)
    if other := [row[0] for row in table if _is_of_other_data(row[0])]:
        print(f"\nnote: the data differ ({', '.join(other)}): their metrics are of different tests")
    say(["", *_significance(groups, monitor)])
    files = _write(output, groups, table, metrics, runs[0].monitor)
    say(["", *map(str, files), "", *_next(groups, monitor)])


def _options(arguments: Sequence[str]) -> tuple[list[Path], Path]:
    """Returns the folders of runs, and where to write.

    Raises:
        OptionError: an option is unknown, or a folder is not there.
    """
    output = Path("logs/compare") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    paths = []
    for argument in arguments:
        name, has_value, value = argument.partition("=")
        path = Path(argument).expanduser()
        if has_value and name == "output" and value:
            output = Path(value).expanduser()
        elif path.is_dir():
            paths.append(path)
        elif (has_value and "/" not in name) or argument.startswith("-"):
            raise OptionError(name, "unknown option", "options: output=FOLDER")
        elif not path.exists():
            raise OptionError(argument, "there is no such folder", "name the directory of a run")
    if not paths:
        raise OptionError("compare", "no folder of a run is named", "name two or more, such as logs/*/*/*")
    return paths, output


def _read(paths: Sequence[Path]) -> list[Run]:
    """Reads runs, and names those that cannot be compared.

    Raises:
        DataError: none can.
    """
    runs, folders = [], find_runs(paths)
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except UnusableRunError as error:
            print(f"left out: {folder}: {error}")
    if not runs:
        problem = f"none of {len(folders)} runs can be compared" if folders else "there are no runs"
        raise DataError(str(paths[0]), problem, "name directories of runs that have ended")
    return runs


def _grouped(runs: Sequence[Run]) -> list[Group]:
    groups = []
    for index, group in enumerate(grouped(runs)):
        kept, repeated = without_repetitions(group)
        for run, same in repeated:
            print(f"left out: {run.path}: the same options and seed as {same.path}")
        groups.append((_letter(index), kept))
    return groups


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"{_letter(index // 26 - 1)}{_letter(index % 26)}"


def _table(groups: Sequence[Group], metrics: Sequence[str]) -> list[list[str]]:
    """Returns rows of a name and a cell for each group."""
    options = differing([group for _, group in groups])
    rows = [["group", *(name for name, _ in groups)]]
    if homes := _homes(groups):
        rows.append([_HOME, *homes])
    rows += [[name, *map(show, values)] for name, values in options.items()]
    rows.append(["seeds", *(_seeds(group) for _, group in groups)])
    for name in (*metrics, *COSTS):
        cells = [[value for run in group for value in run.number(name)] for _, group in groups]
        if any(cells):
            rows.append([name, *(_cost(cell) if name in COSTS else str(summarized(cell)) for cell in cells)])
    return rows


def _cost(values: Sequence[float]) -> str:
    return f"{summarized(values).mean:,.0f}" if values else "-"


def _seeds(group: Sequence[Run]) -> str:
    return ",".join("?" if run.seed is None else str(run.seed) for run in group)


def _console(table: Sequence[Sequence[str]]) -> Iterable[str]:
    """Aligns the table, some groups beside each other and the others below."""
    for start in range(1, len(table[0]), _COLUMNS):
        part = [[row[0], *(_cut(row[0], cell) for cell in row[start : start + _COLUMNS])] for row in table]
        widths = [max(map(len, column)) for column in zip(*part, strict=True)]
        if start > 1:
            yield ""
        for first, *cells in part:
            rest = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
            yield "  ".join([first.ljust(widths[0]), *rest]).rstrip()


def _cut(name: str, cell: str) -> str:
    cell = cell.rpartition(".")[2] if name.endswith("_target_") else cell
    return cell if len(cell) <= 24 else f"{cell[:23]}…"


def _is_of_other_data(name: str) -> bool:
    is_what_trains = name.startswith("data.augment.")
    return name.startswith("data.") and not is_what_trains and name.split(".")[-1] in _OTHER_DATA


def _homes(groups: Sequence[Group]) -> list[str]:
    """Returns the folders in which the seeds of each group lie, from one above all; none where one shares its own."""
    found = [{run.path.parent for run in group} for _, group in groups]
    alone = all(len(folders) == 1 for folders in found) and len(set.union(*found)) == len(found) > 1
    is_named = all(run.path.name == f"seed_{run.seed}" for _, group in groups for run in group)
    if not (alone and is_named):
        return []
    folders = [str(folder.resolve()) for folders in found for folder in folders]
    return [os.path.relpath(folder, os.path.commonpath(folders)) for folder in folders]


def _significance(groups: Sequence[Group], metric: str) -> list[str]:
    values = [[run.metrics[metric] for run in group] for _, group in groups]
    (base, _), *others = groups
    if not others:
        found = summarized(values[0])
        spread = f"{found.mean - (found.interval or 0):.4g} to {found.mean + (found.interval or 0):.4g}"
        return [
            f"{metric} over {found.size} seeds: {found}, standard deviation {found.std:.2g}, 95 % interval {spread}"
        ]
    tests = [welch(values[0], each) for each in values[1:]]
    corrected = iter(holm([p_value for p_value in tests if p_value is not None]))
    lines = [f"{metric}, against {base}:"]
    homes = [f" {home}" for home in _homes(groups)] or [""] * len(groups)
    for (name, _), home, each, p_value in zip(others, homes[1:], values[1:], tests, strict=True):
        lines.append(f"  {name}{home}: {verdict(values[0], each, None if p_value is None else next(corrected))}")
    return lines


def _write(
    output: Path, groups: Sequence[Group], table: Sequence[Sequence[str]], metrics: Sequence[str], monitor: str
) -> list[Path]:
    from zoo.cli._curves import draw_curves, shared_curves
    from zoo.config.run_directory import make_directory
    from zoo.files import replacing

    make_directory(output, option="output")
    files = {"comparison.csv": _statistics(groups, metrics), "runs.csv": _runs(groups, metrics)}
    try:
        for name, rows in files.items():
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(rows)
            with replacing(output / name) as file:
                file.write(text.getvalue().encode())
        names = shared_curves([run for _, group in groups for run in group], monitor)
        if names:
            from zoo.callbacks.figures import save_png

            save_png(
                draw_curves({_label(table, index): group for index, (_, group) in enumerate(groups)}, names),
                output / "curves.png",
            )
    except OSError as error:
        raise StorageError(str(output), f"cannot be written ({error.strerror})", "choose another output") from error
    return [output / name for name in (*files, *(["curves.png"] if names else []))]


def _label(table: Sequence[Sequence[str]], index: int) -> str:
    """Returns the name of a group with the options that make it."""
    letter = table[0][index + 1]
    if table[1][0] == _HOME:
        return f"{letter}: {table[1][index + 1]}"
    rows = table[1 : [row[0] for row in table].index("seeds")]
    cells = {row[0].removesuffix("._target_"): _cut(row[0], row[index + 1]) for row in rows}
    options = [f"{name.rpartition('.')[2]} {cell}" for name, cell in cells.items() if cell != "-"]
    return f"{letter}: {', '.join(options)}" if options else letter


def _statistics(groups: Sequence[Group], metrics: Sequence[str]) -> list[list[Any]]:
    """Returns a row for each group: its options, and of each figure mean, deviation and half the interval."""
    options = differing([group for _, group in groups])
    names = [*metrics, *COSTS]
    parts = ("mean", "std", "interval_95")
    rows: list[list[Any]] = [["group", "seeds", *options, *(f"{name} {part}" for name in names for part in parts)]]
    for index, (letter, group) in enumerate(groups):
        row: list[Any] = [letter, _seeds(group), *(show(values[index]) for values in options.values())]
        for name in names:
            values = [value for run in group for value in run.number(name)]
            row += summarized(values)[1:] if values else [None] * 3
        rows.append(row)
    return rows


def _runs(groups: Sequence[Group], metrics: Sequence[str]) -> list[list[Any]]:
    names = [*metrics, *COSTS]
    rows: list[list[Any]] = [["run", "group", "seed", *names]]
    for letter, group in groups:
        rows += [[run.path, letter, run.seed, *(_first(run.number(name)) for name in names)] for run in group]
    return rows


def _first(values: Sequence[float]) -> float | None:
    return values[0] if values else None


def _next(groups: Sequence[Group], metric: str) -> list[str]:
    fewest = min((group for _, group in groups), key=len)
    lines = [f"next: tensorboard --logdir {fewest[0].path}"]
    if len(fewest) < 5:
        seed = max([run.seed for run in fewest if run.seed is not None], default=0) + 1
        lines = [
            f"next: more seeds of what has fewest, such as seed={seed}, tell more of {metric}: its command is in",
            f"      {fewest[0].path / 'overrides.yaml'}",
        ]
    return lines
