"""What an ablation has found: a table, a picture, and what it means in words."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.cli._ablation_figure import draw_ablation
from zoo.cli._ablation_runs import FULL, folder_of
from zoo.comparison.runs import Run, UnusableRunError, judged_by, read_run, shared
from zoo.comparison.statistics import FEW, LEVEL, Summary, holm, paired, summarized
from zoo.errors import DataError, StorageError
from zoo.files import replacing


@dataclass(frozen=True)
class Effect:
    """What the metric does without a regulariser.

    Args:
        values: the metric of each seed.
        difference: from the run as it is, seed by seed.
        p_value: that there is none, corrected for the number of regularisers; None where nothing can be tested.
        gain: by how much the metric is worse without it, below 0 where it is better.
    """

    values: Sequence[float]
    difference: Summary
    p_value: float | None
    gain: float

    @property
    def is_told(self) -> bool:
        """Whether the seeds tell it from chance."""
        return self.p_value is not None and self.p_value < LEVEL


def report(
    directory: Path,
    removed: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    *,
    failed: Mapping[str, str],
    options: Sequence[str],
    again: str,
) -> None:
    """Writes `ablation.csv` and `ablation.png`, and says what they hold and what to type next.

    Args:
        directory: of the ablation.
        removed: for each variant the overrides that make it, none for the run as it is.
        seeds: of the runs of each.
        failed: why a variant could not be trained.
        options: what the run was started with.
        again: the command of this ablation.
    """
    runs = {name: _read(directory / folder_of(name), seeds) for name in removed if name not in failed}
    everyone = [run for group in runs.values() for run in group]
    metrics = shared(everyone)
    if not metrics:
        raise DataError(str(directory), "its runs have no metric in common", "see their metrics.json")
    metric = judged_by(everyone, metrics)
    is_higher_better = runs[FULL][0].options.get("task.monitor_mode") != "min"
    effects = effects_of({name: _values(group, metric) for name, group in runs.items()}, is_higher_better)
    full = _values(runs[FULL], metric)
    print("\n".join(["", *_table(metric, full, effects, removed, seeds), ""]))
    for name, why in failed.items():
        print(f"{title(name)} training stops: {why}")
    print("\n".join(_meaning(metric, effects, len(seeds))))
    try:
        _write(directory / "ablation.csv", _rows(runs, metrics, metric, effects, removed, seeds))
        _draw(directory / "ablation.png", metric, full, effects)
    except OSError as error:
        raise StorageError(str(directory), f"cannot be written ({error.strerror})", "make room") from error
    print(f"\n{directory / 'ablation.csv'}\n{directory / 'ablation.png'}\n")
    print("\n".join(_next(directory, effects, removed, seeds, options, again)))


def title(name: str) -> str:
    """Returns what a variant is called."""
    return name if name == FULL else f"without {name}"


def effects_of(values: Mapping[str, Sequence[float]], is_higher_better: bool) -> dict[str, Effect]:
    """Returns what each regulariser does, that which is worth most first.

    Args:
        values: a metric for each variant, by seed in the same order.
        is_higher_better: whether a metric is better when it is higher.
    """
    tests = {name: paired(values[FULL], each) for name, each in values.items() if name != FULL}
    p_values = {name: p_value for name, (_, p_value) in tests.items() if p_value is not None}
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    sign = -1 if is_higher_better else 1
    found = {
        name: Effect(values[name], difference, corrected.get(name), sign * difference.mean)
        for name, (difference, _) in tests.items()
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].gain))


def _read(folder: Path, seeds: Sequence[int]) -> list[Run]:
    try:
        return [read_run(folder / f"seed_{seed}") for seed in seeds]
    except UnusableRunError as error:
        raise DataError(str(folder), str(error), "delete the folder, and repeat the command") from error


def _values(runs: Sequence[Run], metric: str) -> list[float]:
    return [run.metrics[metric] for run in runs]


def _table(
    metric: str,
    full: Sequence[float],
    effects: Mapping[str, Effect],
    removed: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
) -> list[str]:
    rows = [["", metric, "difference", "p", ""], [FULL, str(summarized(full)), "", "", ""]]
    for name, effect in effects.items():
        _, mean, _, interval = effect.difference
        difference = f"{mean:+.2g}" + ("" if interval is None else f" ± {interval:.2g}")
        p_value = "" if effect.p_value is None else f"{effect.p_value:.2g}"
        rows.append([title(name), str(summarized(effect.values)), difference, p_value, " ".join(removed[name])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    how = "± half the 95 % interval; differences by seed, p of Student's paired t-test corrected by Holm"
    return [f"seeds {','.join(map(str, seeds))}: mean {how}", "", *lines]


def _meaning(metric: str, effects: Mapping[str, Effect], num_seeds: int) -> list[str]:
    """Returns in sentences what is worth something, what harms, and what cannot be told."""
    lines = []
    for name, effect in effects.items():
        if effect.is_told:
            change = f"{abs(effect.gain):.2g} ± {effect.difference.interval:.2g}"
            verb = "improves" if effect.gain > 0 else "worsens"
            lines.append(f"{name} {verb} {metric} by {change} on these data.")
    if unknown := [name for name, effect in effects.items() if not effect.is_told]:
        same = [name for name in unknown if not effects[name].difference.std and not effects[name].gain]
        rest = [name for name in unknown if name not in same]
        if rest and num_seeds == 1:
            lines.append(f"one seed does not tell {_listed(rest)} from chance.")
        elif rest:
            lines.append(f"{num_seeds} seeds do not tell from chance what {metric} owes to {_listed(rest)}.")
        if same and num_seeds > 1:
            lines.append(f"{metric} is the very same without {_listed(same)}.")
    return lines


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _next(
    directory: Path,
    effects: Mapping[str, Effect],
    removed: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    options: Sequence[str],
    again: str,
) -> list[str]:
    import shlex

    lines = ["next:"]
    harmful = [name for name, effect in effects.items() if effect.is_told and effect.gain < 0]
    if harmful:
        kept = [option.lstrip("+") for option in options]
        command = shlex.join(["python", "train.py", *kept, *removed[harmful[-1]]])
        lines.append(f"  {command}  # and judge by the validation")
    if len(seeds) < FEW or not any(effect.is_told for effect in effects.values()):
        more = ",".join(map(str, [*seeds, *_further(seeds)]))
        words = [word for word in shlex.split(again) if not word.startswith("seeds=")]
        lines.append(f"  {shlex.join([*words, f'seeds=[{more}]'])}  # what has ended is not repeated")
    return [*lines, f"  python -m zoo compare {shlex.quote(str(directory))}"]


def _further(seeds: Sequence[int]) -> range:
    """Returns so many seeds more that a test is worth its name, and at least two."""
    return range(max(seeds) + 1, max(seeds) + 1 + max(2, FEW - len(seeds)))


def _rows(
    runs: Mapping[str, Sequence[Run]],
    metrics: Sequence[str],
    metric: str,
    effects: Mapping[str, Effect],
    removed: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
) -> list[list[Any]]:
    parts = ("mean", "std", "interval_95")
    tested = [f"{metric} difference", f"{metric} difference interval_95", f"{metric} p_value"]
    rows: list[list[Any]] = [
        ["variant", "overrides", "seeds", *tested, *(f"{name} {part}" for name in metrics for part in parts)]
    ]
    listed = ",".join(map(str, seeds))
    for name in [FULL, *effects]:
        effect = effects.get(name)
        found = [effect.difference.mean, effect.difference.interval, effect.p_value] if effect else [None] * 3
        figures = [figure for each in metrics for figure in summarized(_values(runs[name], each))[1:]]
        rows.append([title(name), " ".join(removed[name]), listed, *found, *figures])
    return rows


def _write(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def _draw(path: Path, metric: str, full: Sequence[float], effects: Mapping[str, Effect]) -> None:
    from zoo.callbacks.figures import save_png

    values = {FULL: full} | {title(name): effect.values for name, effect in effects.items()}
    save_png(draw_ablation(values, metric), path)
