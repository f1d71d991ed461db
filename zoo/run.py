"""A run from its config to its report: build, fit, test with the best weights, tell."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import DictConfig, OmegaConf, open_dict

from zoo.build import Run, build, build_data, build_model, build_task, build_trainer, explained, prepare_process
from zoo.callbacks.prediction_report import PredictionReport
from zoo.callbacks.run_record import write_json
from zoo.checkpoint import find_checkpoint, load_checkpoint
from zoo.config.check import OptionErrors, check
from zoo.config.run_directory import make_directory, release_run_directory
from zoo.data.base import DataModule
from zoo.errors import OptionError
from zoo.models.test_time_augmentation import TestTimeAugmentation
from zoo.tasks.base import Task

# Of a trainer that only judges: what the run trained with (several devices, limits, loops) does not carry over.
EVALUATION = {
    "accelerator": "auto",
    "devices": 1,
    "use_distributed_sampler": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def train(cfg: DictConfig, *, started: float | None = None) -> float | None:
    """Trains, tests the best checkpoint once, and writes and shows the results.

    Args:
        cfg: the config that `configs/train.yaml` composes.
        started: `time.perf_counter()` at the start of the process.

    Returns:
        The best value of the monitored metric, for sweeps; None where nothing was validated.
    """
    run = build(cfg, started=time.perf_counter() if started is None else started)
    trainer = run.trainer
    for logger in trainer.loggers:
        logger.log_hyperparams(run.record.config)
    _fit(run)
    # Read now: the test that follows clears the metrics and moves the counters.
    fitted = {name: float(value) for name, value in trainer.callback_metrics.items()}
    status, epochs, steps = _status(trainer), trainer.current_epoch, trainer.global_step
    best = _best_checkpoint(trainer)
    final = _judge_best(run, best)
    values = run.record.write(
        trainer,
        fitted | final,
        status=status,
        epochs=epochs,
        global_step=steps,
        best_checkpoint=best and str(best.best_model_path),
    )
    if trainer.is_global_zero:
        _show(final, values)
    release_run_directory()
    score = best.best_model_score if best else fitted.get(run.task.monitor)
    return None if score is None else float(score)


def _fit(run: Run) -> None:
    try:
        run.trainer.fit(run.task, datamodule=run.data, ckpt_path=run.resume_from, weights_only=True)
    except SystemExit:
        if run.trainer.interrupted:  # Lightning turns Ctrl-C into exit 1
            raise KeyboardInterrupt from None
        raise


def _status(trainer: Trainer) -> str:
    epochs_done = trainer.max_epochs is not None and 0 <= trainer.max_epochs <= trainer.current_epoch
    steps_done = 0 < trainer.max_steps <= trainer.global_step
    return "completed" if epochs_done or steps_done else "stopped"


def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Judges a checkpoint on its own test split, or on other data of the same classes.

    Args:
        cfg: the config that `configs/evaluate.yaml` composes.

    Returns:
        The metrics by their logged name.
    """
    prepare_process()
    path = find_checkpoint(cfg.ckpt, option="ckpt")
    checkpoint = load_checkpoint(path, option="ckpt")
    run_cfg = _evaluation_config(cfg, checkpoint["zoo"])
    if errors := check(run_cfg):
        raise OptionErrors(errors)
    data = build_data(run_cfg)
    data.align_classes(checkpoint["zoo"]["class_names"])
    split = cfg.split or ("test" if data.has_test else "val")
    if split not in ("test", "val") or (split == "test" and not data.has_test):
        raise OptionError("split", f"there is no {split} split", f"set split={'test' if data.has_test else 'val'}")
    task = build_task(run_cfg, build_model(run_cfg))
    task.load_state_dict(checkpoint["state_dict"])
    if cfg.tta:
        views = [cfg.tta] if isinstance(cfg.tta, str) else list(cfg.tta)
        task.model = explained("tta", TestTimeAugmentation, task.model, views=views)
    directory = make_directory(cfg.output_dir or path.parent / "evaluation", option="output_dir")
    trainer = build_trainer(run_cfg, [PredictionReport(directory)], loggers=[])
    metrics = _judge(trainer, task, data, split)
    if trainer.is_global_zero:
        write_json(directory / "metrics.json", {**metrics, "checkpoint": str(path), "split": split})
        _table(metrics)
        print(f"\n{directory}: {', '.join(sorted(file.name for file in directory.iterdir() if file.is_file()))}")
    return metrics


def _evaluation_config(cfg: DictConfig, saved: Mapping[str, Any]) -> DictConfig:
    """The run's own config, with the data and the device asked for now and the preprocessing of the checkpoint."""
    run_cfg = OmegaConf.create(dict(saved["config"]))
    for group in ("model", "task"):
        if (given := cfg.get(group)) and "_target_" not in given:
            raise OptionError(f"{group}.{next(iter(given))}", "is part of the checkpoint", "leave it out")
    asked: Any = OmegaConf.to_container(cfg.data, resolve=True) if cfg.get("data") else {}
    data: Any = asked if "_target_" in asked else OmegaConf.to_container(OmegaConf.merge(run_cfg.data, asked))
    source = data.get("source", data)
    if "data_dir" in source and (cfg.paths.data_dir or source["data_dir"] is None):
        source["data_dir"] = cfg.paths.data_dir or saved["config"]["paths"]["data_dir"]
    if "evaluation_only" in data:  # of a folder that was not trained on, every image is judged
        data["evaluation_only"] = _real(data["root"]) != _real(saved["config"]["data"].get("root"))
    # Facts are found anew, but the network sees what it was trained on.
    run_cfg.data = {**data, "num_classes": None, **saved["preprocessing"]}
    with open_dict(run_cfg):
        device = {key: run_cfg.trainer[key] for key in ("_target_", "precision")} | EVALUATION
        run_cfg.trainer = OmegaConf.merge(device, cfg.get("trainer") or {})
        run_cfg.output_dir, run_cfg.pretrained = None, None
        if "weights" in run_cfg.model:
            run_cfg.model.weights = None  # the checkpoint's own come instead
    return run_cfg


def _real(path: str | None) -> Path | None:
    return Path(path).expanduser().resolve() if path else None


def _best_checkpoint(trainer: Trainer) -> ModelCheckpoint | None:
    monitored = [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ModelCheckpoint)]
    return next((callback for callback in monitored if callback.monitor and callback.best_model_path), None)


def _judge_best(run: Run, best: ModelCheckpoint | None) -> dict[str, float]:
    """Tests the best weights, once; without a test split their validation stands."""
    if best is not None:
        checkpoint = load_checkpoint(Path(best.best_model_path), option="best_checkpoint")
        run.task.load_state_dict(checkpoint["state_dict"])
    # Only the report goes on: an average of weights must not replace the best ones now.
    run.trainer.callbacks = [PredictionReport(run.output_dir / "report")]  # type: ignore[attr-defined]
    return _judge(run.trainer, run.task, run.data, "test" if run.data.has_test else "val")


def _judge(trainer: Trainer, task: Task, data: DataModule, split: str) -> dict[str, float]:
    judge = trainer.test if split == "test" else trainer.validate
    judge(task, datamodule=data, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _show(final: Mapping[str, float], values: Mapping[str, Any]) -> None:
    directory = values["output_dir"]
    print()
    _table(final)
    print(
        f"\n{values['status']} after {values['epochs']} epochs, {values['seconds_total']:.0f} s, "
        f"{values['num_parameters']:,} parameters\n"
        f"  run         {directory}\n"
        f"  report      {directory}/report"
    )
    if values["best_checkpoint"]:
        python = os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(Path.cwd()) else "python"
        print(
            f"  checkpoint  {os.path.relpath(values['best_checkpoint'])}\n\n"
            f"next:\n"
            f"  {python} evaluate.py ckpt={directory}\n"
            f"  {python} -m tensorboard.main --logdir {directory}/tensorboard --host 127.0.0.1"
        )


def _table(metrics: Mapping[str, float]) -> None:
    width = max((len(name) for name in metrics), default=0)
    for name, value in metrics.items():
        print(f"{name:<{width}}  {value:.4f}")
