"""What a config may build: the list of allowed `_target_`s, and the packages that `allow=[...]` adds to it.

What counts is where the thing that a name leads to is defined, not how the name is written: `torch.nn` re-exports
modules that hold `os.system`. So the source is read before the run (`refusal`), and the object itself is looked at
before it is called (`locate`).
"""

import ast
import importlib
import re
import sys
import types
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from zoo.config.source import Definition, Module, NotFoundError, find
from zoo.config.suggest import nearest
from zoo.errors import OptionError

# Packages of which every public class may be built.
CLASSES = (
    *("zoo.callbacks", "zoo.data", "zoo.layers", "zoo.losses", "zoo.metrics", "zoo.models", "zoo.optim", "zoo.tasks"),
    *("torch.nn", "torch.optim", "torchaudio.transforms", "torchmetrics"),
    *("torchvision.models", "torchvision.ops", "torchvision.transforms.v2"),
)
# Packages of which every public function may be called or passed on. Not zoo.data and zoo.callbacks: some of their
# functions write files. Of torchvision's models, only the builders.
FUNCTIONS = ("zoo.losses", "zoo.metrics", "zoo.optim", "torch.nn.functional", "torch.nn.init", "torch.optim.swa_utils")
BUILDERS = "torchvision.models"
_PYTORCH = "lightning.pytorch"
# These are named one by one: other classes of Lightning write where they like, start programs or load pickles.
NAMED = {
    f"{_PYTORCH}.trainer": ("Trainer",),
    f"{_PYTORCH}.callbacks": (
        *("BackboneFinetuning", "DeviceStatsMonitor", "EMAWeightAveraging", "EarlyStopping"),
        *("GradientAccumulationScheduler", "LearningRateMonitor", "ModelCheckpoint", "ModelPruning", "ModelSummary"),
        *("RichModelSummary", "RichProgressBar", "StochasticWeightAveraging", "TQDMProgressBar"),
        *("ThroughputMonitor", "Timer", "WeightAveraging"),
    ),
    f"{_PYTORCH}.loggers": (
        *("CSVLogger", "CometLogger", "LitLogger", "MLFlowLogger", "NeptuneLogger", "TensorBoardLogger", "WandbLogger"),
    ),
    f"{_PYTORCH}.profilers": ("AdvancedProfiler", "PassThroughProfiler", "PyTorchProfiler", "SimpleProfiler"),
    f"{_PYTORCH}.strategies": (
        *("DDPStrategy", "DeepSpeedStrategy", "FSDPStrategy", "ModelParallelStrategy", "SingleDeviceStrategy"),
    ),
    f"{_PYTORCH}.plugins": (
        *("BitsandbytesPrecision", "DeepSpeedPrecision", "DoublePrecision", "FSDPPrecision", "HalfPrecision"),
        *("MixedPrecision", "Precision", "TorchSyncBatchNorm", "TransformerEnginePrecision"),
    ),
    "torchvision.transforms": ("AutoAugmentPolicy", "InterpolationMode"),
    "lightning.fabric.plugins.environments": (
        *("LSFEnvironment", "LightningEnvironment", "MPIEnvironment", "SLURMEnvironment", "TorchElasticEnvironment"),
    ),
}
ALLOWED = (
    "allowed are classes of zoo, torch.nn, torch.optim, torchmetrics, torchvision's models, ops and transforms.v2, "
    "torchaudio.transforms, and some of lightning"
)
# Whole packages that cannot be allowed: what is harmless in them stands above, or nothing is.
CLOSED = {
    *sys.stdlib_module_names,
    *("__main__", "zoo", "torch", "torchvision", "torchaudio", "torchmetrics", "lightning", "pytorch_lightning"),
    *("hydra", "omegaconf", "numpy", "scipy", "yaml", "fsspec", "cloudpickle", "joblib", "pip", "setuptools"),
}
# Classes that a model names by text, `activation: torch.nn.Mish`: the arguments, and where such classes may stand.
MODULES_BY_NAME = ("activation", "norm")
MODULES = ("torch.nn", "zoo.layers")  # as in zoo.layers.naming
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_FLAG = "allow "


def packages_of(overrides: Sequence[str]) -> tuple[str, ...]:
    """Returns the packages that a command line allows.

    Args:
        overrides: as typed; nothing but a plain list counts, so that no config file can have a part in it.

    Raises:
        OptionError: `allow` is no plain list of packages, or names one that must stay closed.
    """
    packages: tuple[str, ...] = ()
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key.strip() != "allow":
            continue
        listed = re.fullmatch(r"\[(.*)\]", value.strip())
        names = [name.strip(" '\"") for name in listed[1].split(",")] if listed else []
        packages = tuple(name for name in names if name)
        if not listed or not all(_NAME.fullmatch(name) for name in packages):
            raise OptionError("allow", f"{value} is no list of packages", "write allow=[my_package]")
        for name in packages:
            if name.split(".")[0] in CLOSED:
                problem = f"{name} cannot be allowed: it holds functions that read, write or run anything"
                raise OptionError("allow", problem, "allow a package of your own that uses it")
    return packages


def grant(config: DictConfig, packages: Sequence[str]) -> list[OptionError]:
    """Lets a config build from packages of the user's, and returns what is wrong with its own `allow`.

    The grant lies beside the values, not among them: no file, checkpoint or merge can bring one along.

    Args:
        config: the composed config.
        packages: what the command line allows.
    """
    root = config._get_root()
    if packages:
        root._set_flag([f"{_FLAG}{name}" for name in packages], [True] * len(packages))
    declared = OmegaConf.to_container(root, resolve=False).get("allow") if "allow" in root else None  # type: ignore[union-attr]
    if list(declared or []) == list(packages):
        return []
    return [OptionError("allow", f"a config file sets it to {declared}", "give it on the command line: allow=[...]")]


def granted(config: Any) -> tuple[str, ...]:
    """Returns the packages that were granted to a config, or to the config that a node is part of."""
    if not OmegaConf.is_config(config):
        return ()
    flags = config._get_root()._metadata.flags or {}
    return tuple(name.removeprefix(_FLAG) for name in flags if name.startswith(_FLAG))


def refusal(where: str, target: object, packages: Sequence[str] = ()) -> OptionError | None:
    """Returns why a target may not be built, or None where it may, or where only the object itself can tell.

    Args:
        where: path of the `_target_`.
        target: its value.
        packages: what the command line allows.

    Raises:
        NotFoundError: there is certainly nothing of that name.
    """
    if not isinstance(target, str) or not _NAME.fullmatch(target):
        return OptionError(where, f"{target!r} is no name", "write the dotted name of a class, such as torch.nn.ReLU")
    found = find(target)
    if isinstance(found, Definition):
        is_class = isinstance(found.node, ast.ClassDef)
        builds = any("register_model" in ast.unparse(item) for item in found.node.decorator_list)
        name = found.node.name
        if not found.is_method and _is_listed(found.module.name, name, packages, is_class=is_class, builds=builds):
            return None
        return _refused(where, target, f"{found.module.name}.{name}", packages)
    parent = _module(target.rpartition(".")[0])
    if isinstance(found, Module) or parent is None or not _is_open(parent.name, packages):
        return _refused(where, target, target, packages)
    return None


def refused_module(where: str, name: str, packages: Sequence[str] = ()) -> OptionError | None:
    """Returns why a class that a model names by text would not be imported, or None where it would.

    Args:
        where: path of the argument.
        name: dotted name.
        packages: what the command line allows.
    """
    if is_below(name, [*MODULES, *packages]):
        return None
    error = _refused(where, name, name, packages)
    closed = error.remedy.endswith(ALLOWED)
    return OptionError(where, error.problem, f"name a class of {' or '.join(MODULES)}") if closed else error


def locate(where: str, target: str, packages: Sequence[str] = ()) -> Any:
    """Imports what a target names, and returns it if it may be built.

    Args:
        where: path of the `_target_`.
        target: its value.
        packages: what the command line allows.

    Raises:
        OptionError: it may not, or it is not there.
    """
    try:
        error = refusal(where, target, packages)
    except NotFoundError as missing:
        raise OptionError(where, f"there is no {target}", "correct the name") from missing
    if error is not None:
        raise error
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as missing:
        raise OptionError(where, f"{target} cannot be imported ({missing})", "correct the name") from missing
    if not isinstance(found, type | types.FunctionType):
        raise OptionError(where, f"{target} is neither a class nor a function", "name one")
    home, name = found.__module__, found.__qualname__
    is_class, builds = isinstance(found, type), is_below(home, [BUILDERS])  # what builds none is known by its source
    is_itself = getattr(sys.modules.get(home), name, None) is found or is_below(home, packages)
    if not is_itself or not _is_listed(home, name, packages, is_class=is_class, builds=builds):
        raise _refused(where, target, f"{home}.{name}", packages)
    return found


def is_below(module: str, packages: Sequence[str]) -> bool:
    """Whether a module is one of the packages, or lies in one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _is_listed(module: str, name: str, packages: Sequence[str], *, is_class: bool, builds: bool) -> bool:
    if is_below(module, packages):
        return True
    if is_class:
        named = any(name in names and is_below(module, [package]) for package, names in NAMED.items())
        return named or is_below(module, CLASSES)
    if name.startswith("_"):
        return False
    return is_below(module, FUNCTIONS) or (builds and is_below(module, [BUILDERS]))


def _is_open(module: str, packages: Sequence[str]) -> bool:
    return is_below(module, [*CLASSES, *FUNCTIONS, *NAMED, *packages])


def _module(path: str) -> Module | None:
    try:
        found = find(path, is_module=True) if path else None
    except NotFoundError:
        return None
    return found if isinstance(found, Module) else None


def _refused(where: str, target: str, definition: str, packages: Sequence[str]) -> OptionError:
    problem = f"{target} may not be built" + (f" (it is {definition})" if definition != target else "")
    root = definition.split(".")[0]
    if root not in CLOSED:
        return OptionError(where, problem, f"if you trust the package, add allow=[{','.join([*packages, root])}]")
    named = [f"{package}.{name}" for package, names in NAMED.items() for name in names]
    match = nearest(definition, [*CLASSES, *named], cutoff=0.7)
    hint = f"did you mean {match}? " if match and match in named else ""
    return OptionError(where, problem, f"{hint}{ALLOWED}")
