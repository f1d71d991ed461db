"""From a config to the three objects of a run: data, task and trainer.

This is the one place that calls `zoo.config.construct`.
"""

import logging
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Checkpoint
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import Tensor, nn

from zoo.batch import Batch
from zoo.callbacks.checkpoint_io import BackgroundCheckpointIO
from zoo.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from zoo.callbacks.hooks import NoProfiler, drop_empty_hooks
from zoo.callbacks.profile import Profile
from zoo.callbacks.run_record import RunRecord
from zoo.callbacks.stop_on_signal import StopOnSignal
from zoo.callbacks.watch_ranks import WatchRanks
from zoo.checkpoint import find_checkpoint
from zoo.config.allowed import granted, locate
from zoo.config.construct import construct
from zoo.config.requeue import note_job
from zoo.config.resume import resume_command, save_overrides
from zoo.config.run_directory import run_directory
from zoo.config.secrets import public
from zoo.data.base import DataModule
from zoo.data.feature_data import FeatureData
from zoo.data.labelled import LabelledData
from zoo.errors import OptionError, StorageError
from zoo.failure import explained
from zoo.judging.judge import ImageJudge
from zoo.judging.judges import judges_of
from zoo.layers.naming import importable
from zoo.memory import keep_freed_memory
from zoo.models.image_size import check_image_size
from zoo.models.pretrained import load_weights
from zoo.optim.finetuning import FineTuning, LinearProbe
from zoo.resume import Resumed, check_processes, check_resumable, check_weights, find_resumed
from zoo.tasks.base import Task
from zoo.tasks.batch_size import choose_batch_size
from zoo.tasks.epoch_loop import EpochLoop
from zoo.tasks.generative import GenerativeTask
from zoo.tasks.resumable import ResumableModule
from zoo.weights import take_preprocessing, weights_file

_MOST_FEATURES = 2 << 30  # bytes that are kept in memory


@dataclass
class Run:
    """The objects of one run.

    Attributes:
        data: the data module.
        training_data: what is trained and validated on: the data, or features of them.
        task: what is learned, with the model in it.
        trainer: Lightning's trainer.
        record: the callback that writes what the run leaves behind.
        output_dir: the directory of the run.
        resume_from: the checkpoint to go on from, which the trainer holds already.
    """

    data: DataModule
    training_data: DataModule
    task: ResumableModule
    trainer: Trainer
    record: RunRecord
    output_dir: Path
    resume_from: Path | None


def build(cfg: DictConfig, *, started: float, overrides: Sequence[str] | None = None) -> Run:
    """Builds a run from a composed config; writes the config, with the facts found, into its directory.

    Args:
        cfg: the config that `configs/train.yaml` composes; facts of the data are written into it.
        started: `time.perf_counter()` at the start of the process.
        overrides: the options that make this run, for who resumes it; None takes those that were typed.

    Raises:
        RunError: the config or the data are wrong.
    """
    prepare_process()
    _check_length(cfg.trainer)
    _check_profile(cfg)
    automatic = cfg.data.get("batch_size") == "auto"
    if automatic:
        cfg.data.batch_size = 1  # until the task is there, whose steps are measured
    saved = find_resumed(cfg)
    if automatic and saved is not None:
        cfg.data.batch_size = saved.checkpoint["zoo"]["config"]["data"]["batch_size"]
    data, task = build_data_and_task(cfg, saved)
    if automatic and saved is None:
        if not isinstance(task, Task):
            raise OptionError("data.batch_size", "auto measures tasks of one network", "give a number")
        _set_batch_size(cfg, data, choose_batch_size(task, data, trainer=build_trainer(cfg, [], loggers=[])))
    if cfg.compile:
        task.model.compile()
    output_dir = claim_directory(cfg, saved.path if saved else None)  # now that nothing can be refused any more
    config = public(cfg)
    record = RunRecord(output_dir, config=config, started=started)
    loggers = build_each(cfg.get("logger"), "logger", save_dir=cfg.output_dir)
    watch = WatchRanks(lambda: resume_command(output_dir))
    # Last, so that it traces nothing of what the others do before a batch.
    profile = [Profile(output_dir / "profile")] if cfg.profile else []
    trainer = build_trainer(cfg, [record, watch, *_callbacks(cfg), *profile], loggers=loggers, saved=saved)
    if saved is not None:
        check_processes(cfg, saved.checkpoint, trainer.world_size)
    # Now: Lightning does so only once a checkpoint was loaded, whose digits get lost, and an average was set up.
    trainer.precision_plugin.convert_module(task)
    drop_empty_hooks(trainer.callbacks, task)  # type: ignore[attr-defined]
    if trainer.is_global_zero:
        _write_options(output_dir, config, typed_overrides() if overrides is None else overrides, cfg.paths.logs_dir)
    return Run(
        data, _training_data(task, data, trainer), task, trainer, record, output_dir, saved.path if saved else None
    )


def build_data_and_task(cfg: DictConfig, saved: Resumed | None = None) -> tuple[DataModule, ResumableModule]:
    """Builds what is trained and on what, with the weights that it starts from; facts found are written into `cfg`.

    Args:
        cfg: the config that `configs/train.yaml` composes.
        saved: the run that is gone on with, which must fit.
    """
    seed_everything(cfg.seed, verbose=False)
    take_preprocessing(cfg, saved)
    data = build_data(cfg)
    data.check_training()
    _weigh_classes(cfg, data)
    judges = _judges(cfg, data)
    if saved is not None:
        check_resumable(cfg, saved.checkpoint, fingerprint=data.fingerprint)
    model = build_model(cfg, class_names=data.class_names)
    if "image_size" in cfg.data:
        explained("model", check_image_size, model, cfg.data.in_channels, cfg.data.image_size)
    if cfg.init_from:
        started_from = find_checkpoint(cfg.init_from, option="init_from")
        print(explained("init_from", load_weights, model, started_from, class_names=data.class_names))
    task = build_task(cfg, model)
    if isinstance(task, GenerativeTask):
        task.judges = judges
    task.check_options(cfg.data, cfg.trainer)
    if saved is not None:
        check_weights(saved.checkpoint, task.state_dict())
    task.renew_options = saved is not None and cfg.allow_changes
    _prepare_fine_tuning(cfg, task)
    return data, task


def _judges(cfg: DictConfig, data: DataModule) -> Mapping[str, ImageJudge]:
    """Returns who judges samples, where the task generates any; writes what can be monitored into the config."""
    kind = locate("task._target_", cfg.task["_target_"], granted(cfg))
    if not (isinstance(kind, type) and issubclass(kind, GenerativeTask)):
        return {}
    judges = judges_of(cfg, data)
    cfg.task.monitor = judges.monitor(cfg.task.monitor)
    return judges.stages


def _training_data(task: ResumableModule, data: DataModule, trainer: Trainer) -> DataModule:
    """Returns features of the data where frozen layers would make the same of them in each epoch."""
    finetune = getattr(task, "finetune", None)
    caches = isinstance(finetune, LinearProbe) and finetune.cache_features and trainer.world_size == 1
    if not isinstance(task, Task) or not caches or data.varies:
        return data

    def compute(batch: Batch) -> Tensor:
        with trainer.precision_plugin.forward_context():
            return task.features(batch)

    first = next(iter(data.scan_loaders()["train"]))
    try:
        features = compute(data.prepare_batch({name: values[:4] for name, values in first.items()}, train=False))
    except ValueError as error:
        print(f"finetune: features are computed in each epoch: {error}", file=sys.stderr)
        return data
    samples = sum(getattr(data, "sizes", {}).values())
    return FeatureData(data, compute) if features[0].nbytes * samples <= _MOST_FEATURES else data


def _write_options(output_dir: Path, config: dict[str, Any], overrides: Sequence[str], logs_dir: str) -> None:
    try:
        OmegaConf.save(OmegaConf.create(config), output_dir / "config.yaml")
        note_job(logs_dir, output_dir, overrides)
        save_overrides(output_dir, overrides)
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise StorageError(str(output_dir), problem, "make room or choose another output_dir") from error


def typed_overrides() -> list[str]:
    """Returns the options as typed: read through the config, `${oc.env:...}` in them would give its value."""
    if not HydraConfig.initialized():
        return []
    typed: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    return list(typed)


def _set_batch_size(cfg: DictConfig, data: DataModule, size: int) -> None:
    cfg.data.batch_size = data.batch_size = size
    if hasattr(data, "eval_batch_size") and cfg.data.get("eval_batch_size") is None:
        data.eval_batch_size = size


def make_data(cfg: DictConfig) -> DataModule:
    """Builds the data module, which has not looked at the data yet."""
    data: DataModule = _build(cfg.data, "data")
    return data


def build_data(cfg: DictConfig) -> DataModule:
    """Builds the data module and writes the facts it found into `cfg.data`."""
    data = make_data(cfg)
    facts = data.facts()
    with open_dict(cfg.data):
        cfg.data.update(facts)
    return data


def build_model(cfg: DictConfig, *, class_names: Sequence[str] = ()) -> nn.Module:
    """Builds the model, with pretrained weights where `cfg.pretrained` names them; says what became of those.

    Args:
        cfg: the config of a run.
        class_names: the classes of the data, which those of a checkpoint are compared with.
    """
    file = weights_file(cfg)
    if cfg.pretrained and file is None:
        with_weights: nn.Module = _build(cfg.model, "pretrained", weights=cfg.pretrained)
        print(getattr(with_weights, "load_report", None) or f"loaded {cfg.pretrained}")
        return with_weights
    model: nn.Module = _build(cfg.model, "model")
    if file is not None:
        print(explained("pretrained", load_weights, model, file, class_names=class_names))
    return model


def build_task(cfg: DictConfig, model: nn.Module) -> ResumableModule:
    """Builds the task around a model."""
    parts = {"optimizer": _build(cfg.optimizer, "optimizer"), "scheduler": _build(cfg.get("scheduler"), "scheduler")}
    finetune = _build(cfg.get("finetune"), "finetune")
    if finetune is not None and finetune.is_plain:
        finetune = None
    if finetune is not None:
        explained("finetune", finetune.prepare, model)
    task: ResumableModule = _build(cfg.task, "task", model=model, **parts)
    if finetune is not None:
        _fine_tune(task, finetune)
    return task


def _fine_tune(task: Any, finetune: FineTuning) -> None:
    if not isinstance(task, Task):
        raise OptionError("finetune", f"{type(task).__name__} trains all of its networks", "set finetune=full")
    task.finetune = finetune
    finetune.apply(task.model, epoch=None)  # so that a strategy of several devices knows all that is ever trained


def _prepare_fine_tuning(cfg: DictConfig, task: ResumableModule) -> None:
    """Lets several devices wait for no gradient that a step leaves out; says so where random layers would be frozen."""
    finetune = getattr(task, "finetune", None)
    several = cfg.trainer.get("devices") not in (1, "auto")
    leaves_out = task.steps_in_parts or (finetune is not None and finetune.changes(task.model))
    if leaves_out and cfg.trainer.strategy in ("ddp", *(("auto",) if several else ())):
        cfg.trainer.strategy = "ddp_find_unused_parameters_true"
    if finetune is None:
        return
    first = finetune.first_epochs(len(task.model.layer_groups()))[0]  # type: ignore[operator]
    if first is None and not (cfg.pretrained or cfg.init_from or cfg.resume):
        remedy = "name weights by pretrained= or init_from="
        print(f"finetune: the layers that are frozen have random weights; {remedy}", file=sys.stderr)


def _callbacks(cfg: DictConfig) -> list[Any]:
    """Builds the callbacks in their order: those that save come first, before any that changes the weights."""
    callbacks = build_each(cfg.get("callbacks"), "callbacks")
    best = [callback for callback in callbacks if isinstance(callback, BestCheckpoint)]
    last = [callback for callback in callbacks if isinstance(callback, LastCheckpoint)]
    rest = [callback for callback in callbacks if callback not in best and callback not in last]
    return [*best, *last, StopOnSignal(last[0] if last else None), *rest]


def build_trainer(
    cfg: DictConfig, callbacks: list[Any], *, loggers: list[Any], saved: Resumed | None = None
) -> Trainer:
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
    if options.get("plugins") is None:
        extra["plugins"] = [BackgroundCheckpointIO({str(saved.path): saved.checkpoint} if saved else None)]
    if not any(isinstance(callback, Checkpoint) for callback in callbacks):
        extra["enable_checkpointing"] = False  # by Lightning, whose own would come on top of ours
    trainer: Trainer = _build(options, "trainer", **extra)
    EpochLoop.install(trainer)
    return trainer


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
    with importable(granted(node)):
        return explained(where, construct, node, where, **extra)


def _check_length(options: DictConfig) -> None:
    if options.get("max_epochs") in (None, -1) and options.get("max_steps", -1) == -1 and not options.get("max_time"):
        raise OptionError("trainer.max_epochs", "the run would never end", "set it, or trainer.max_steps")


def _check_profile(cfg: DictConfig) -> None:
    profiler = cfg.trainer.get("profiler")
    if cfg.profile and ("pytorch" in str(profiler).lower().rpartition(".")[2]):
        raise OptionError("profile", "trainer.profiler uses the profiler already", "set trainer.profiler=null")


def _weigh_classes(cfg: DictConfig, data: DataModule) -> None:
    """Writes into the config the weights that "balanced" stands for: all classes count the same in sum.

    Raises:
        OptionError: the data have no classes to count, or the number of weights is not theirs.
    """
    where = "task.criterion.class_weights"
    weights = OmegaConf.select(cfg, where)
    classes = cfg.data.get("num_classes") or cfg.data.get("num_mask_classes")
    if weights == "balanced":
        if not isinstance(data, LabelledData) or not classes:
            raise OptionError(where, "the data have no samples of classes to count", "give one weight for each class")
        counts = data.class_counts()
        cfg.task.criterion.class_weights = [round(sum(counts) / (classes * max(count, 1)), 4) for count in counts]
    elif weights is not None and classes is not None and len(weights) != classes:
        raise OptionError(where, f"{len(weights)} weights for {classes} classes", "give one for each class")


def _precision(accelerator: str) -> str:
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "32-true"


def claim_directory(cfg: DictConfig, resume_from: Path | None = None) -> Path:
    """Makes the directory of a run, which stands in `cfg.output_dir` then, and claims it for this process.

    Args:
        cfg: the config that `configs/train.yaml` composes.
        resume_from: the checkpoint to go on from.
    """
    if resume_from is not None and not cfg.output_dir and resume_from.parent.name == "checkpoints":
        cfg.output_dir = str(resume_from.parent.parent)
    choices = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
    name = choices.get("experiment") or f"{_choice(choices, cfg, 'data')}-{_choice(choices, cfg, 'model')}"
    directory = run_directory(
        logs_dir=cfg.paths.logs_dir,
        task=_plain_name(_choice(choices, cfg, "task")),
        name=_plain_name(name),
        chosen=cfg.output_dir,
        resuming=bool(cfg.resume),
    )
    cfg.output_dir = str(directory)
    return directory


def _plain_name(name: str) -> str:
    """A name as one part of a path, which leads nowhere else."""
    return re.sub(r"[^\w.-]+", "_", name).strip(".") or "run"


def _choice(choices: Mapping[str, Any], cfg: DictConfig, group: str) -> str:
    """The name of a group's choice; outside an entry point, the name of the class it stands for."""
    chosen = choices.get(group) or choices.get(f"{group}@_global_.{group}")
    return str(chosen or cfg[group]["_target_"].rpartition(".")[2])
