"""What Hydra's own options may say: its launcher, sweeper, callbacks and logging build objects as well.

Hydra builds them before a job starts, without asking anyone, and reads search paths even before it composes.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from zoo.config.allowed import is_below
from zoo.config.targets import check_targets
from zoo.config.tree import read_node
from zoo.errors import OptionError

# Hydra's own launchers and sweepers, and those that plugins bring: Hydra imports every plugin that is installed.
_PLUGINS = ("hydra._internal.core_plugins", "hydra_plugins", "optuna.samplers", "optuna.distributions")
_PACKAGES_OF_CONFIGS = ("hydra", "hydra_plugins", "zoo")
# A logging config may call anything as a factory, a class or `ext://`.
_LOGGING_CLASSES = {
    *("logging.StreamHandler", "logging.FileHandler", "logging.NullHandler", "logging.handlers.RotatingFileHandler"),
    *("logging.Formatter", "logging.Filter", "colorlog.ColoredFormatter"),
}
_STREAMS = {"ext://sys.stdout", "ext://sys.stderr"}
_FACTORIES = {"()", "class", "listener", "queue", "factory"}


def check_overrides(overrides: Sequence[str], files: Sequence[Path], packages: Collection[str]) -> list[OptionError]:
    """Returns what is wrong with the search paths that Hydra would read, and import, while it composes.

    Args:
        overrides: as typed.
        files: where the primary config may lie, in each folder of configs; no other file may name search paths.
        packages: what the command line allows.
    """
    texts = [override for override in overrides if "searchpath" in override or "pkg:" in override.replace("\\", "")]
    if len(files) > 1 and texts:
        remedy = "name every folder in hydra.searchpath"
        return [OptionError("hydra.searchpath", "does not go together with --config-dir", remedy)]
    for file in files:
        if file.is_file() and "searchpath" in file.read_text(encoding="utf-8", errors="replace"):
            # As written: what an interpolation in it gives is not to be trusted either.
            texts.append(str(OmegaConf.to_container(OmegaConf.load(file)).get("hydra", {}).get("searchpath")))  # type: ignore[union-attr]
    errors = []
    for text in texts:
        found = re.findall(r"pkg:/*([\w./]*)", text.replace("\\", ""))
        closed = [name for name in found if not is_below(name.replace("/", "."), [*_PACKAGES_OF_CONFIGS, *packages])]
        if closed:
            root = re.split(r"[./]", closed[0])[0]
            remedy = f"name a folder, or add allow=[{root}] if you trust the package"
            errors.append(OptionError("hydra.searchpath", f"{closed[0]} would be imported", remedy))
        elif "${" in text:
            errors.append(OptionError("hydra.searchpath", "is not written out", "write the folders in full"))
    return errors


def check_hydra(config: DictConfig, packages: Sequence[str]) -> list[OptionError]:
    """Returns what is wrong with the `hydra` node of a composed config.

    Args:
        config: as composed, with the node.
        packages: what the command line allows.
    """
    errors: list[OptionError] = []
    for key in ("launcher", "sweeper", "callbacks"):
        errors += check_targets(read_node(config.hydra.get(key)), f"hydra.{key}", [*_PLUGINS, *packages])
    for key in ("job_logging", "hydra_logging"):
        errors += _check_logging(read_node(config.hydra.get(key)), f"hydra.{key}")
    if config.hydra.job.env_set:
        names = ", ".join(str(name) for name in config.hydra.job.env_set)
        errors.append(
            OptionError("hydra.job.env_set", f"sets {names}", "set variables in the shell: NAME=VALUE python")
        )
    for key in OmegaConf.select(config, "hydra.sweeper.params") or ():
        errors += check_sweep(str(key))
    return errors


def check_sweep(key: str) -> list[OptionError]:
    """Returns what is wrong with sweeping a key: a job's own values of Hydra's options would be checked by nobody."""
    name = key.lstrip("+~")
    if re.match(r"(hydra|allow)\b", name):
        return [OptionError(name, "cannot be swept", f"give one value: {name}=VALUE")]
    return []


def _check_logging(value: Any, path: str) -> list[OptionError]:
    return [
        OptionError(where, f"{item!r} may not be used by logging", f"choose one of {', '.join(sorted(choices))}")
        for where, item, choices in _suspicious(value, path)
    ]


def _suspicious(value: Any, path: str) -> Iterator[tuple[str, Any, Collection[str]]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        where = f"{path}.{key}"
        if key in _FACTORIES and item not in _LOGGING_CLASSES if isinstance(item, str) else key in _FACTORIES:
            yield where, item, _LOGGING_CLASSES
        elif isinstance(item, str) and re.match(r"[a-z]+://", item) and item not in _STREAMS:
            yield where, item, _STREAMS
        elif key == "mode" and item != "a":  # w empties the file, whichever it is
            yield where, item, {"a"}
        else:
            yield from _suspicious(item, where)
