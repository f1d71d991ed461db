"""What was trained, on what and at which cost, as rows of words and figures."""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from zoo.report.files import RunFiles
from zoo.report.statistics import Interval

Rows = list[tuple[str, str]]

_COSTS = {
    "parameters": "Parameters",
    "trainable_parameters": "Trainable parameters",
    "flops_forward_per_sample": "Operations a sample, forward",
    "flops_backward_per_sample": "Operations a sample, backward",
    "memory_weights_mb": "Memory of weights, MB",
    "memory_gradients_mb": "Memory of gradients, MB",
    "memory_optimizer_mb": "Memory of the optimizer, MB",
    "memory_activations_mb": "Memory of activations, MB",
    "memory_peak_mb": "Memory at its peak, MB",
    "seconds_per_epoch": "Seconds an epoch",
    "seconds_in_all": "Seconds in all",
    "energy_wh": "Energy, Wh",
}
_MEASURED = {
    "seconds_total": ("Time in all", "s"),
    "seconds_to_first_step": ("Time to the first step", "s"),
    "samples_per_second": ("Samples a second", ""),
    "tokens_per_second": ("Tokens a second", ""),
    "waiting_share": ("Share of time spent waiting for data", "share"),
    "flops_per_second": ("Operations a second", ""),
    "mfu": ("Share of the device's peak (MFU)", "share"),
    "peak_memory_mb": ("Peak memory", "MB"),
}
_REGULARISERS = {  # by the place where each is set
    "model.dropout": "dropout",
    "model.drop_path": "drop path",
    "task.criterion.label_smoothing": "label smoothing",
    "task.l1": "L1",
    "data.augment.mixup": "mixup",
    "data.augment.cutmix": "cutmix",
    "data.augment.flip": "flips",
    "data.augment.crop": "crops",
    "data.augment.rotate": "rotation",
    "data.augment.erase": "erasing",
    "trainer.gradient_clip_val": "gradient clipping",
}


def title(run: RunFiles) -> str:
    """Returns what to call a run: its experiment, or model and data."""
    typed = dict(override.lstrip("+").partition("=")[::2] for override in run.overrides)
    model, data = typed.get("model") or _class(run, "model"), typed.get("data") or data_name(run)
    name = typed.get("experiment") or (f"{model} on {data}" if model and data else "")
    return str(name) or run.path.name


def data_name(run: RunFiles) -> str:
    """Returns the name of what was trained on."""
    source = run.option("data.source.dataset") or _class(run, "data.source")
    return str(source or run.option("data.name") or _class(run, "data"))


def model_rows(run: RunFiles) -> Rows:
    """Returns what was trained, and how."""
    optimizer = run.config.get("optimizer")
    nodes = [f"optimizer.{name}" for name in _parts(optimizer)] or ["optimizer"]
    regularisers = [f"{name} {value:g}" for path, name in _REGULARISERS.items() if (value := _number(run, path))]
    averaged = [name for name in run.config.get("callbacks") or {} if name == "ema"]
    found = {
        "Model": " and ".join(_class(run, f"model.{name}") for name in _parts(run.config.get("model")))
        or _class(run, "model"),
        "Parameters": _figure(run.metrics.get("num_parameters")),
        "Starts from": str(run.option("pretrained") or run.option("init_from") or "random weights"),
        "Task": words(_class(run, "task").removesuffix("Task")),
        "Loss": words(_class(run, "task.criterion")),
        "Optimizer": "; ".join(_optimizer(run, node) for node in nodes),
        "Schedule": words(_class(run, "scheduler")) or "constant",
        "Fine-tuning": words(_class(run, "finetune")).replace("fine tuning", "all layers"),
        "Regularisers": ", ".join([*regularisers, *averaged]),
        "Batch size": _figure(run.option("data.batch_size")),
        "Epochs": _figure(run.metrics.get("epochs")),
        "Steps": _figure(run.metrics.get("global_step")),
        "Precision": str(run.metrics.get("precision") or run.option("trainer.precision") or ""),
        "Seed": str(run.metrics.get("seed", run.option("seed"))),
    }
    return [(name, text) for name, text in found.items() if text]


def data_rows(run: RunFiles) -> Rows:
    """Returns what was trained on."""
    sizes = run.environment.get("samples")
    splits = [f"{name} {_figure(size)}" for name, size in sizes.items()] if isinstance(sizes, dict) else []
    names = run.environment.get("class_names") or []
    shown = ", ".join(map(str, names[:12])) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    shape = [run.option("data.in_channels"), *_sides(run.option("data.image_size"))]
    found = {
        "Data": data_name(run),
        "Samples": ", ".join(splits),
        "Classes": f"{len(names)}: {shown}" if names else _figure(run.option("data.num_classes")),
        "Images": " x ".join(str(side) for side in shape) if None not in shape else "",
        "Vocabulary": _figure(run.option("data.vocab_size")),
        "Lookback and horizon": _two(run.option("data.lookback"), run.option("data.horizon")),
        "Where": str(run.option("data.root") or run.option("data.path") or ""),
        "Fingerprint": str(run.environment.get("data_fingerprint") or "")[:16],
    }
    return [(name, text) for name, text in found.items() if text]


def metric_rows(run: RunFiles, intervals: Mapping[str, Interval]) -> list[tuple[str, str, str]]:
    """Returns metrics with their 95 % intervals: of the test first, then of validation and training."""
    order = {"test": 0, "val": 1, "train": 2}
    names = [name for name in run.metrics if name.partition("/")[0] in order and _is_number(run.metrics[name])]
    names.sort(key=lambda name: order[name.partition("/")[0]])
    between = {name: f"{low:.4g} to {high:.4g}" for name, (low, high) in intervals.items()}
    return [(name, f"{run.metrics[name]:.4g}", between.get(name, "")) for name in names]


def metric_columns(run: RunFiles, intervals: Mapping[str, Interval]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Returns the same as a table: its columns, and by the name of each metric the cells."""
    found = {name: (value, interval) for name, value, interval in metric_rows(run, intervals)}
    stages = [stage for stage in ("test", "val", "train") if any(name.startswith(f"{stage}/") for name in found)]
    judged = next((name.partition("/")[0] for name in intervals), None)
    columns = [column for stage in stages for column in ([stage, "95 % interval"] if stage == judged else [stage])]
    rows = []
    for short in dict.fromkeys(name.partition("/")[2] for name in found):
        cells = []
        for stage in stages:
            value, interval = found.get(f"{stage}/{short}", ("", ""))
            cells += [value, interval] if stage == judged else [value]
        rows.append((short, cells))
    return columns, rows


def cost_rows(run: RunFiles) -> list[tuple[str, str, str]]:
    """Returns what was forecast and what was measured."""
    rows = [
        (label, _figure(run.cost.get(name)), _figure(run.cost.get(f"measured_{name}")))
        for name, label in _COSTS.items()
        if _is_number(run.cost.get(name)) or _is_number(run.cost.get(f"measured_{name}"))
    ]
    for name, (label, unit) in _MEASURED.items():
        if (value := _number_of(run.metrics.get(name))) is not None:
            rows.append((label, "", f"{100 * value:.1f} %" if unit == "share" else f"{_figure(value)} {unit}".rstrip()))
    return rows


def commands(run: RunFiles) -> list[str]:
    """Returns what to type to make the run again, and to judge it."""
    typed = [override for override in run.overrides if isinstance(override, str)]
    options = [shlex.quote(re.sub(r"^\+\+", "", override)) for override in typed]
    seed = run.option("seed")
    if seed is not None and not any(override.startswith("seed=") for override in typed):
        options.append(f"seed={seed}")
    commit, changed = run.environment.get("git_commit"), run.environment.get("git_changed")
    note = "  # beside changes that were not committed" if changed else ""
    lines = [f"git checkout {commit}{note}"] if commit else []
    return [*lines, " ".join(["python train.py", *options]), f"python evaluate.py ckpt={shlex.quote(str(run.path))}"]


def environment_rows(run: RunFiles) -> Rows:
    """Returns where the run was made."""
    packages = run.environment.get("packages")
    listed = ", ".join(f"{name} {version}" for name, version in packages.items()) if isinstance(packages, dict) else ""
    devices = run.environment.get("num_devices")
    found = {
        "Device": f"{run.environment.get('device', '')}{f' x {devices}' if devices and devices > 1 else ''}",
        "Platform": run.environment.get("platform"),
        "Python": run.environment.get("python"),
        "Packages": listed,
    }
    return [(name, str(text)) for name, text in found.items() if text]


def words(name: str) -> str:
    """Returns the name of a class or function as words: "CrossEntropy" is "cross entropy"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("_", " ")).lower() if not name.isupper() else name


def _class(run: RunFiles, path: str) -> str:
    return str(run.option(f"{path}._target_") or "").rpartition(".")[2]


def _parts(node: Any) -> list[str]:
    """Returns the names of the two networks of an adversarial pair, or of what steps them."""
    return [
        name for name in ("generator", "discriminator") if isinstance(node, dict) and isinstance(node.get(name), dict)
    ]


def _optimizer(run: RunFiles, path: str) -> str:
    options = {"learning rate": f"{path}.lr", "weight decay": f"{path}.weight_decay", "momentum": f"{path}.momentum"}
    given = [f"{name} {value:g}" for name, place in options.items() if (value := _number(run, place))]
    return ", ".join([_class(run, path) or path, *given])


def _number(run: RunFiles, path: str) -> float | None:
    return _number_of(run.option(path))


def _number_of(value: Any) -> float | None:
    return float(value) if _is_number(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figure(value: Any) -> str:
    if not _is_number(value):
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _sides(size: Any) -> Iterable[Any]:
    return size if isinstance(size, list) else [size, size]


def _two(first: Any, second: Any) -> str:
    return f"{first} and {second} steps" if first and second else ""
