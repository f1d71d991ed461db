"""The regularisers of a run, and what to type to take each of them out: read from its config and from signatures.

Each has one home - dropout the model, weight decay the optimizer, label smoothing the criterion - and is found there by
the name of its option, whichever class has it. Free of torch.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from omegaconf import DictConfig, OmegaConf

from zoo.config.annotations import is_node, rule_of
from zoo.config.signatures import Parameter, signature

_FULL = "zoo.optim.finetuning.FineTuning"
_MIXES = ("mixup", "cutmix")  # of two samples, apart from what is done to one
_RANDOM_CROP = "min_crop"  # of images that are read from files
Values = Mapping[str, Any]


def removals(config: DictConfig) -> dict[str, list[str]]:
    """Returns the overrides that take each known regulariser out of a run, an empty list where it is off already.

    Args:
        config: what `configs/train.yaml` composes.
    """
    values: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    return {name: find(values) for name, find in FINDERS.items()}


def _options(section: str, values: Values) -> Iterator[tuple[str, Any]]:
    """Yields every option below a section by its path, with those that a class has and the config does not name."""

    def walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
        if not isinstance(value, Mapping):
            yield path, value
            return
        given = dict(value)
        if is_node(value):
            given = {name: _default(parameter) for name, parameter in _parameters(value).items()} | given
        for name, item in given.items():
            yield from walk(f"{path}.{name}", item)

    yield from walk(section, values.get(section))


def _parameters(node: Values) -> dict[str, Parameter]:
    found = signature(node["_target_"])
    return {} if found is None else found.options


def _default(parameter: Parameter) -> Any:
    """Returns the default of a parameter; None where it has none, or none that can be read."""
    try:
        return ast.literal_eval(parameter.default) if parameter.default is not None else None
    except ValueError:
        return None


def _strength(values: Values, *, section: str, names: str, off: str = "0") -> list[str]:
    """Finds numbers above 0 by the name of their option, and switches that are on."""
    return [
        f"{path}={'false' if value is True else off}"
        for path, value in _options(section, values)
        if re.fullmatch(names, path.rpartition(".")[2]) and isinstance(value, bool | int | float) and value > 0
    ]


def _callback(values: Values, *, kind: str) -> list[str]:
    callbacks = values.get("callbacks") or {}
    return [
        f"callbacks.{name}=null"
        for name, node in callbacks.items()
        if is_node(node) and node["_target_"].rpartition(".")[2].endswith(kind)
    ]


def _augmentation(values: Values) -> list[str]:
    data, found = values.get("data") or {}, []
    for section in ("data", "model"):
        found += _transforms(f"{section}.augment", (values.get(section) or {}).get("augment"))
    found += _strength(values, section="data", names="word_dropout")
    if is_node(data) and _RANDOM_CROP in (parameters := _parameters(data)):
        parameter = parameters[_RANDOM_CROP]
        off = None if rule_of(parameter.annotation, parameter.module).accepts(None) else 1
        if data.get(_RANDOM_CROP, _default(parameter)) != off:
            found.append(f"data.{_RANDOM_CROP}={'null' if off is None else off}")
    return found


def _transforms(path: str, node: Any) -> list[str]:
    """Takes out what is done to samples one by one: all at once, or each where samples are mixed, too."""
    if not is_node(node):
        return []
    defaults = {name: _default(parameter) for name, parameter in _parameters(node).items()}
    others = {name: value for name, value in node.items() if name in defaults and name not in _MIXES}
    changed = [name for name, value in others.items() if value != defaults[name]]
    if not changed and defaults:
        return []
    if any(node.get(name) for name in _MIXES):
        return [f"{path}.{name}={str(defaults[name]).lower()}" for name in changed]
    return [f"{path}=null"]


def _averages(values: Values) -> list[str]:
    return [
        *_callback(values, kind="WeightAveraging"),
        *_strength(values, section="task", names="average_decay"),
    ]


def _clipping(values: Values) -> list[str]:
    return [
        *_strength(values, section="trainer", names="gradient_clip_val", off="null"),
        *_strength(values, section="task", names=r"\w+_clip", off="null"),
    ]


def _fine_tuning(values: Values) -> list[str]:
    """Trains all layers alike; the node stays, since its options may be set from several places."""
    node: Any = values.get("finetune")
    if not is_node(node):
        return []
    defaults = {name: _default(parameter) for name, parameter in _parameters({"_target_": _FULL}).items()}
    found = [] if node["_target_"] == _FULL else [f"finetune._target_={_FULL}"]
    for name, value in node.items():
        if name in defaults and value != defaults[name]:
            found.append(f"finetune.{name}={str(defaults[name]).lower()}")
        elif name not in defaults and not name.startswith("_"):
            found.append(f"~finetune.{name}")
    return found


FINDERS: Mapping[str, Callable[[Values], list[str]]] = {
    "dropout": partial(_strength, section="model", names=r"(\w+_)?dropout|weight_drop|drop_rate"),
    "drop_path": partial(_strength, section="model", names=r"drop_path(_rate)?|stochastic_depth(_prob)?"),
    "weight_decay": partial(_strength, section="optimizer", names="weight_decay"),
    "augmentation": _augmentation,
    "mixup": partial(_strength, section="data", names="mixup"),
    "cutmix": partial(_strength, section="data", names="cutmix"),
    "label_smoothing": partial(_strength, section="task", names="label_smoothing"),
    "ema": _averages,
    "early_stopping": partial(_callback, kind="EarlyStopping"),
    "gradient_clipping": _clipping,
    "gradient_penalty": partial(_strength, section="task", names="gradient_penalty|r1|r2"),
    "spectral_norm": partial(_strength, section="model", names="spectral"),
    "activation_penalty": partial(_strength, section="model", names="(activation|temporal)_penalty"),
    "finetune": _fine_tuning,
}
