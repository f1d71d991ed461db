"""From a config to the three objects of a run: data, task and trainer.

This is the one place that calls hydra's `instantiate`.
"""

import logging
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer, seed_everything
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import nn

from zoo.callbacks.hooks import NoProfiler, drop_empty_hooks
from zoo.callbacks.run_record import RunRecord
from zoo.checkpoint import find_checkpoint, load_checkpoint
from zoo.config.run_directory import run_directory
from zoo.data.base import DataModule
from zoo.errors import OptionError, RunError, explained_option
from zoo.memory import keep_freed_memory
from zoo.models.image_size import check_image_size
from zoo.models.pretrained import load_weights
from zoo.tasks.base import Task

# What a user can cause while an object is built; anything else is a defect of ours.
USER_ERRORS = (ValueError, TypeError, ImportError, OSError, MisconfigurationException)


@dataclass
class Run:
    """The objects of one run.

    Attributes:
        data: the data module.
        task: what is learned, with the model in it.
        trainer: Lightning's trainer.
        record: the callback that writes what the run leaves behind.
        output_dir: the directory of the run.
        resume_from: the checkpoint to go on from.
    """

    data: DataModule
    task: Task
    trainer: Trainer
    record: RunRecord
    output_dir: Path
    resume_from: Path | None


def build(cfg: DictConfig, *, started: float) -> Run:
    """Builds a run from a composed config; writes the config, with the facts found, into its directory.

    Args:
        cfg: the config that `configs/train.yaml` composes; facts of the data are written into it.
        started: `time.perf_counter()` at the start of the process.

    Raises:
        RunError: the config or the data are wrong.
    """
    prepare_process()
    _check_length(cfg.trainer)
    seed_everything(cfg.seed, verbose=False)
    data = build_data(cfg)
    data.check_training()
    resume_from = _resume_from(cfg)
    if resume_from is not None:
        _check_resumable(cfg, resume_from)
    _check_class_weights(cfg)
    model = build_model(cfg)
    if "image_size" in cfg.data:
        explained("model", check_image_size, model, cfg.data.in_channels, cfg.data.image_size)
    task = build_task(cfg, model)
    if cfg.init_from:
        print(explained("init_from", load_weights, model, find_checkpoint(cfg.init_from, option="init_from")))
    if cfg.compile:
        model.compile()
    output_dir = _run_directory(cfg, resume_from)  # now that nothing can be refused any more
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    record = RunRecord(output_dir, config=config, started=started)
    trainer = build_trainer(cfg, [record, *build_each(cfg.callbacks, "callbacks")], loggers=build_loggers(cfg))
    drop_empty_hooks(trainer.callbacks, task)  # type: ignore[attr-defined]
    if trainer.is_global_zero:
        OmegaConf.save(OmegaConf.create(config), output_dir / "config.yaml")
    return Run(data, task, trainer, record, output_dir, resume_from)


def build_data(cfg: DictConfig) -> DataModule:
    """Builds the data module and writes the facts it found into `cfg.data`."""
    data: DataModule = _build(cfg.data, "data")
    facts = data.facts()
    with open_dict(cfg.data):
        cfg.data.update(facts)
    return data


def build_model(cfg: DictConfig) -> nn.Module:
    """Builds the model, with pretrained weights where `cfg.pretrained` names them."""
    published = "weights" in cfg.model
    if cfg.pretrained and not Path(cfg.pretrained).expanduser().is_file():
        if not published:
            problem = f"{cfg.pretrained} is no file, and this model has no published weights"
            raise OptionError("pretrained", problem, "give the path of a file of weights")
        with_weights: nn.Module = _build(cfg.model, "pretrained", weights=cfg.pretrained)
        return with_weights
    model: nn.Module = _build(cfg.model, "model")
    if cfg.pretrained:
        print(explained("pretrained", load_weights, model, Path(cfg.pretrained).expanduser()))
    return model


def build_task(cfg: DictConfig, model: nn.Module) -> Task:
    """Builds the task around a model."""
    parts = {"optimizer": _build(cfg.optimizer, "optimizer"), "scheduler": _build(cfg.scheduler, "scheduler")}
    task: Task = _build(cfg.task, "task", model=model, **parts)
    return task


def build_trainer(cfg: DictConfig, callbacks: list[Any], *, loggers: list[Any]) -> Trainer:
    """Builds the trainer; `precision: auto` is decided here, where the device is known."""
    options = cfg.trainer.copy()
    accelerator = options.get("accelerator", "auto")
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise OptionError("trainer.accelerator", "no GPU is to be found here", "set trainer=cpu or trainer=auto")
    if options.get("precision") == "auto":
        options.precision = _precision(accelerator)
    extra: dict[str, Any] = {"callbacks": callbacks, "logger": loggers, "default_root_dir": cfg.output_dir}
    if options.get("profiler") is None:
        extra["profiler"] = NoProfiler()
    trainer: Trainer = _build(options, "trainer", **extra)
    return trainer


def build_loggers(cfg: DictConfig) -> list[Any]:
    """Builds the loggers, all of which write into the directory of the run."""
    written = Path(cfg.output_dir) / "metrics.csv"
    if written.exists():  # of the run that is resumed; Lightning's logger would delete it
        number = 1 + len(list(written.parent.glob("metrics.*.csv")))
        written.rename(written.with_name(f"metrics.{number}.csv"))
    return build_each(cfg.logger, "logger", save_dir=cfg.output_dir)


def build_each(nodes: Mapping[Any, Any] | None, where: str, **shared: Any) -> list[Any]:
    """Builds a dict of nodes by name; null means off."""
    return [_build(node, f"{where}.{name}", **shared) for name, node in (nodes or {}).items() if node is not None]


def prepare_process() -> None:
    """Keeps freed memory, counts its peak anew, and silences Lightning; what a user must know, we say."""
    keep_freed_memory()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*")


def _build(node: Any, where: str, **extra: Any) -> Any:
    if node is None:
        return None
    return explained(where, instantiate, node, _convert_="all", **extra)


def explained(where: str, call: Any, *arguments: Any, **keywords: Any) -> Any:
    """Calls; what a user has caused ends in one line that names the option."""
    try:
        return call(*arguments, **keywords)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, RunError):
            raise cause from None
        if not isinstance(cause, USER_ERRORS):
            raise
        raise explained_option(where, cause) from error
    except USER_ERRORS as error:
        raise explained_option(where, error) from error


def _check_length(options: DictConfig) -> None:
    if options.get("max_epochs") in (None, -1) and options.get("max_steps", -1) == -1 and not options.get("max_time"):
        raise OptionError("trainer.max_epochs", "the run would never end", "set it, or trainer.max_steps")


def _check_class_weights(cfg: DictConfig) -> None:
    weights, classes = OmegaConf.select(cfg, "task.criterion.class_weights"), cfg.data.get("num_classes")
    if weights is not None and classes is not None and len(weights) != classes:
        where = "task.criterion.class_weights"
        raise OptionError(where, f"{len(weights)} weights for {classes} classes", "give one for each class")


def _check_resumable(cfg: DictConfig, resume_from: Path) -> None:
    saved = load_checkpoint(resume_from, option="resume")["zoo"]["config"]["model"]
    asked: Any = OmegaConf.to_container(cfg.model, resolve=True)
    for key in {**saved, **asked}:
        if saved.get(key) != asked.get(key):
            problem = f"model.{key} is {saved.get(key)} in the checkpoint and {asked.get(key)} here"
            raise OptionError("resume", problem, "repeat the run's own options, or take the weights by init_from=")


def _precision(accelerator: str) -> str:
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "32-true"


def _resume_from(cfg: DictConfig) -> Path | None:
    if not cfg.resume:
        return None
    if cfg.resume != "auto":
        return find_checkpoint(cfg.resume, option="resume", prefer="last.ckpt")
    if not cfg.output_dir:
        raise OptionError("resume", "auto asks for the run's directory", "add output_dir=PATH, or set resume=PATH")
    directory = Path(cfg.output_dir).expanduser()
    holds_checkpoint = any(directory.glob("checkpoints/*.ckpt"))
    return find_checkpoint(directory, option="resume", prefer="last.ckpt") if holds_checkpoint else None


def _run_directory(cfg: DictConfig, resume_from: Path | None) -> Path:
    if resume_from is not None and not cfg.output_dir and resume_from.parent.name == "checkpoints":
        cfg.output_dir = str(resume_from.parent.parent)
    choices = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
    name = choices.get("experiment") or f"{_choice(choices, cfg, 'data')}-{_choice(choices, cfg, 'model')}"
    directory = run_directory(
        logs_dir=cfg.paths.logs_dir,
        task=_choice(choices, cfg, "task"),
        name=re.sub(r"[^\w.-]+", "_", name),
        chosen=cfg.output_dir,
        resuming=bool(cfg.resume),
    )
    cfg.output_dir = str(directory)
    return directory


def _choice(choices: Mapping[str, Any], cfg: DictConfig, group: str) -> str:
    """The name of a group's choice; outside an entry point, the name of the class it stands for."""
    chosen = choices.get(group) or choices.get(f"{group}@_global_.{group}")
    return str(chosen or cfg[group]["_target_"].rpartition(".")[2])
