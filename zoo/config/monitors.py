"""Refuses a `monitor` that nothing logs: what a run will log is read off its config and the source of its task.

Where reading cannot tell - a task or a callback that is not of the zoo or Lightning, a metric with several values -
every name passes.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from zoo.config.source import Definition, Function, NotFoundError, find, lookup
from zoo.config.suggest import suggestion
from zoo.errors import OptionError

# Logged in every run: the learning rate by the base task, the throughput by the record of the run.
_ALWAYS = {"throughput/samples_per_second", "cost/waiting_share"}
_STAGES = {"train": "train_metrics", "val": "metrics"}  # those of the test come after all that monitors
_BASE = ("zoo.tasks.base", "Task")
# Metrics of one value, and the callbacks that log nothing one could monitor.
_ONE_VALUE = ("zoo.metrics.", "torchmetrics.classification.", "torchmetrics.regression.")
_SEVERAL_VALUES = ("ConfusionMatrix", "ROC", "Curve", "StatScores")
_SILENT = ("zoo.callbacks.", "lightning.pytorch.callbacks.")
_TALKING = ("LearningRateMonitor",)


def check_monitors(values: Mapping[str, Any]) -> list[OptionError]:
    """Returns an error for each monitored name that nothing logs while the run trains.

    Args:
        values: the config as plain values, interpolations resolved; what is not known yet is no text.
    """
    names = logged_names(values)
    if names is None:
        return []
    errors: list[OptionError] = []
    for where, name in _monitored(values):
        if name not in names and all(name not in error.problem.split() for error in errors):
            when = "only once, at the end" if name.startswith("test/") else "by nothing"
            remedy = suggestion(name.replace("test/", "val/"), names, "logged")
            errors.append(OptionError(where, f"{name} is logged {when}", remedy))
    return errors


def logged_names(values: Mapping[str, Any]) -> set[str] | None:
    """Returns the names that a run logs while it trains; None where that cannot be told.

    Args:
        values: the config as plain values.
    """
    task = values.get("task")
    if not isinstance(task, Mapping) or not all(_is_silent(node) for node in _nodes(values.get("callbacks"))):
        return None
    losses = _loss_names(task.get("_target_"))
    if losses is None:
        return None
    names = {f"{stage}/{loss}" for stage in _STAGES for loss in losses} | _ALWAYS
    if task.get("l1"):
        names.add("train/l1")
    for stage, group in _STAGES.items():
        metrics = task.get(group) or {}
        if not isinstance(metrics, Mapping) or not all(_has_one_value(metric) for metric in metrics.values()):
            return None
        names |= {f"{stage}/{name}" for name in metrics}
    return names


def _monitored(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields each monitored name with the option that it stands in, the task's first, which the others repeat."""
    nodes = {"task": values["task"]}
    callbacks = values.get("callbacks")
    if isinstance(callbacks, Mapping):
        nodes |= {f"callbacks.{name}": node for name, node in callbacks.items()}
    for path, node in nodes.items():
        if isinstance(node, Mapping) and isinstance(node.get("monitor"), str):
            yield f"{path}.monitor", node["monitor"]


def _nodes(callbacks: Any) -> list[Mapping[str, Any]]:
    items = callbacks.values() if isinstance(callbacks, Mapping) else ()
    return [node for node in items if isinstance(node, Mapping) and "_target_" in node]


def _is_silent(node: Mapping[str, Any]) -> bool:
    target = str(node["_target_"])
    return target.startswith(_SILENT) and not target.endswith(_TALKING)


def _has_one_value(metric: Any) -> bool:
    if metric is None:
        return True
    target = str(metric.get("_target_")) if isinstance(metric, Mapping) else ""
    per_class = isinstance(metric, Mapping) and metric.get("average", "macro") in (None, "none")
    return target.startswith(_ONE_VALUE) and not target.endswith(_SEVERAL_VALUES) and not per_class


def _loss_names(target: Any) -> set[str] | None:
    """Returns the names of what a task gives as losses, and derives from them; None where its source does not tell."""
    try:
        found = find(target) if isinstance(target, str) else None
    except NotFoundError:
        return None  # the check of the targets says so
    names: dict[str, set[str]] = {}
    while isinstance(found, Definition) and isinstance(found.node, ast.ClassDef):
        if (found.module.name, found.node.name) == _BASE:
            return names["losses"] | names.get("derived", set()) if "losses" in names else None
        if _logs(found.node) or len(found.node.bases) != 1:
            return None
        for item in found.node.body:
            if isinstance(item, Function) and item.name in ("losses", "derived") and item.name not in names:
                if (keys := _keys(item)) is None:
                    return None
                names[item.name] = keys
        found = lookup(found.node.bases[0], found.module)
    return None


def _logs(node: ast.ClassDef) -> bool:
    """Whether a class logs anything itself."""
    return any(
        isinstance(item, ast.Attribute) and item.attr in ("log", "log_dict", "_log_stage", "callback_metrics")
        for item in ast.walk(node)
    )


def _keys(function: Function) -> set[str] | None:
    """Returns the keys of what a function returns: a mapping that is written out; None where it is not."""
    returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    if not returned or not all(isinstance(value, ast.Dict) for value in returned):
        return None
    keys = [key for value in returned if isinstance(value, ast.Dict) for key in value.keys]
    names = {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return names if len(names) == len({ast.dump(key) if key else "" for key in keys}) else None
