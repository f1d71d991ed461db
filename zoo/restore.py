"""What a checkpoint holds, made ready to judge or to be asked: its config, its task and a trainer for both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf, open_dict

from zoo.build import build_model, build_task
from zoo.checkpoint import find_checkpoint, load_checkpoint
from zoo.config.allowed import grant, granted
from zoo.config.check import OptionErrors, check
from zoo.errors import OptionError
from zoo.tasks.resumable import ResumableModule

AnyTask = TypeVar("AnyTask", bound=ResumableModule)

# Of a trainer that only judges: what the run trained with (several devices, limits, loops) does not carry over.
EVALUATION = {
    "accelerator": "auto",
    "devices": 1,
    "use_distributed_sampler": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
DECODING = ("decoder", "beam_width")  # options of a task that an evaluation may choose anew

_CLASSES = {"num_classes", "num_mask_classes"}  # facts, of which data have one or none


@dataclass
class Restored:
    """A checkpoint that was read.

    Attributes:
        path: its file.
        cfg: the run's own config, with the data and the device asked for now and the preprocessing of the checkpoint.
        class_names: what its model calls its outputs, where these are classes.
        weights: the state of the task.
    """

    path: Path
    cfg: DictConfig
    class_names: Sequence[str]
    weights: Mapping[str, Any]

    def task(self, kind: type[AnyTask]) -> AnyTask:
        """Builds the task with its weights.

        Args:
            kind: of task that is asked for.

        Raises:
            OptionError: the checkpoint is of another.
        """
        task = build_task(self.cfg, build_model(self.cfg))
        if not isinstance(task, kind):
            problem = f"{self.path} holds what {type(task).__name__} has trained, which this command cannot ask"
            raise OptionError("ckpt", problem, "see python -m zoo for the one that can, or give another checkpoint")
        task.load_state_dict(self.weights)
        return task


def open_checkpoint(cfg: DictConfig) -> Restored:
    """Reads the checkpoint that a command names.

    Args:
        cfg: with `ckpt`, and what is to be otherwise than in the run: groups data, model, task and trainer.

    Raises:
        RunError: there is no such checkpoint, it cannot be read, or an option does not go with it.
    """
    path = find_checkpoint(cfg.ckpt, option="ckpt")
    checkpoint = load_checkpoint(path, option="ckpt")
    saved = checkpoint["zoo"]
    run_cfg = _config(cfg, saved)
    if errors := check(run_cfg):
        raise OptionErrors(errors)
    return Restored(path, run_cfg, saved["class_names"], checkpoint["state_dict"])


def _config(cfg: DictConfig, saved: Mapping[str, Any]) -> DictConfig:
    """Returns what `Restored.cfg` says."""
    run_cfg = OmegaConf.create(dict(saved["config"]))
    _choose_decoding(cfg, run_cfg)
    asked: Any = OmegaConf.to_container(cfg.data, resolve=True) if cfg.get("data") else {}
    data: Any = asked if "_target_" in asked else OmegaConf.to_container(OmegaConf.merge(run_cfg.data, asked))
    source = data["source"] if isinstance(data.get("source"), dict) else data
    data_dir = OmegaConf.select(cfg, "paths.data_dir")
    if "data_dir" in source and (data_dir or source["data_dir"] is None):
        source["data_dir"] = data_dir or saved["config"]["paths"]["data_dir"]
    if "evaluation_only" in data:  # of a folder or a file that was not trained on, every sample is judged
        data["evaluation_only"] = _origin(data) != _origin(saved["config"]["data"])
    if (kind := _CLASSES & saved["config"]["data"].keys()) != _CLASSES & data.keys():
        named = "of pixels" if "num_mask_classes" in kind else "of whole samples" if kind else "of none"
        raise OptionError(
            "data", f"the checkpoint names classes {named}, but these data have others", "give data of its kind"
        )
    # Facts are found anew, but the network sees what it was trained on.
    anew = dict.fromkeys(kind)
    kept = {name: value for name, value in saved["preprocessing"].items() if name != "center_crop" or name in data}
    run_cfg.data = {**data, **anew, **kept}
    with open_dict(run_cfg):
        device = {key: run_cfg.trainer[key] for key in ("_target_", "precision")} | EVALUATION
        run_cfg.trainer = OmegaConf.merge(device, cfg.get("trainer") or {})
        run_cfg.output_dir, run_cfg.pretrained = None, None
        run_cfg.callbacks, run_cfg.logger = {}, {}
        if features := OmegaConf.select(cfg, "metric.features"):
            OmegaConf.update(run_cfg, "metric.features", features, force_add=True)
        run_cfg.allow = list(granted(cfg))
        if "weights" in run_cfg.model:
            run_cfg.model.weights = None  # the checkpoint's own come instead
        if run_cfg.data.get("batch_size") == "auto":
            run_cfg.data.batch_size = saved["config"]["data"]["batch_size"]
    grant(run_cfg, granted(cfg))  # what the command line allows, whatever the checkpoint says
    return run_cfg


def _choose_decoding(cfg: DictConfig, run_cfg: DictConfig) -> None:
    """Writes into the run's config how its outputs are read, the one thing of model and task that may be otherwise."""
    for group in ("model", "task"):
        if (given := cfg.get(group)) and "_target_" not in given:
            name = next(iter(given))
            remedy = f"give {name}={given[name]} instead" if name in DECODING else "leave it out"
            raise OptionError(f"{group}.{name}", "is part of the checkpoint", remedy)
    for name in DECODING:
        if cfg.get(name) is not None:
            if name not in run_cfg.task:
                raise OptionError(name, "is for transcriptions, which the checkpoint does not make", "leave it out")
            run_cfg.task[name] = cfg[name]


def _origin(data: Mapping[str, Any]) -> Path | None:
    """The folder or the file that the data come from."""
    path = data.get("root") or data.get("path")
    return Path(path).expanduser().resolve() if path else None
