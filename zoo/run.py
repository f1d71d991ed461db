"""A run from its config to its report: build, fit, test with the best weights, tell."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import DictConfig, OmegaConf, open_dict

from zoo.build import Run, build, build_data, build_model, build_task, build_trainer, quieten
from zoo.callbacks.hooks import drop_empty_hooks
from zoo.callbacks.prediction_report import PredictionReport
from zoo.callbacks.run_record import write_json
from zoo.checkpoint import find_checkpoint, load_checkpoint
from zoo.config.check import OptionErrors, check
from zoo.errors import OptionError
from zoo.models.test_time_augmentation import TestTimeAugmentation


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
    trainer.fit(run.task, datamodule=run.data, ckpt_path=run.resume_from, weights_only=True)
    # Read now: the test that follows clears the metrics and moves the counters.
    fitted = {name: float(value) for name, value in trainer.callback_metrics.items()}
    epochs, steps = trainer.current_epoch, trainer.global_step
    best = _best_checkpoint(trainer)
    final = _judge_best(run, best)
    values = run.record.write(
        trainer,
        fitted | final,
        status="stopped" if trainer.max_epochs and epochs < trainer.max_epochs else "completed",
        epochs=epochs,
        global_step=steps,
        best_checkpoint=best and str(best.best_model_path),
    )
    if trainer.is_global_zero:
        _show(final, values)
    score = best.best_model_score if best else fitted.get(run.task.monitor)
    return None if score is None else float(score)


def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Judges a checkpoint on its own test split, or on other data of the same classes.

    Args:
        cfg: the config that `configs/evaluate.yaml` composes.

    Returns:
        The metrics by their logged name.
    """
    quieten()
    path = find_checkpoint(cfg.ckpt, option="ckpt")
    checkpoint = load_checkpoint(path, option="ckpt")
    run_cfg = _evaluation_config(cfg, checkpoint["zoo"])
    if errors := check(run_cfg):
        raise OptionErrors(errors)
    data = build_data(run_cfg)
    if "_target_" in (cfg.get("data") or {}):
        data.align_classes(checkpoint["zoo"]["class_names"])
    task = build_task(run_cfg, build_model(run_cfg))
    task.load_state_dict(checkpoint["state_dict"])
    if cfg.tta:
        task.model = TestTimeAugmentation(task.model, views=cfg.tta)
    directory = Path(cfg.output_dir or path.parent / "evaluation")
    directory.mkdir(parents=True, exist_ok=True)
    trainer = build_trainer(run_cfg, [PredictionReport(directory)], loggers=[])
    drop_empty_hooks(trainer.callbacks, task)  # type: ignore[attr-defined]
    split = cfg.split or ("test" if data.has_test else "val")
    if split == "test" and not data.has_test:
        raise OptionError("split", "test asked, but these data have no test split", "set split=val")
    judge = trainer.test if split == "test" else trainer.validate
    metrics: dict[str, float] = dict(judge(task, datamodule=data, verbose=False)[0])
    if trainer.is_global_zero:
        write_json(directory / "metrics.json", {**metrics, "checkpoint": str(path), "split": split})
        _table(metrics)
        print(f"\n{directory}: {', '.join(sorted(file.name for file in directory.iterdir() if file.is_file()))}")
    return metrics


def _evaluation_config(cfg: DictConfig, saved: Mapping[str, Any]) -> DictConfig:
    """The run's own config, with the data and options asked for now and the preprocessing of the checkpoint."""
    run_cfg = OmegaConf.create(dict(saved["config"]))
    data: dict[str, Any] = OmegaConf.to_container(cfg.data, resolve=True) if cfg.get("data") else {}  # type: ignore[assignment]
    if "_target_" in data:  # other data: its facts are found anew, but the network sees what it was trained on
        run_cfg.data = {**data, "num_classes": None, **saved["preprocessing"]}
    else:
        run_cfg.data = OmegaConf.merge(run_cfg.data, data)
    with open_dict(run_cfg):
        run_cfg.trainer = OmegaConf.merge(run_cfg.trainer, {"fast_dev_run": False}, cfg.get("trainer") or {})
        run_cfg.output_dir, run_cfg.pretrained = None, None
        if "weights" in run_cfg.model:
            run_cfg.model.weights = None  # the checkpoint's own come instead
    return run_cfg


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
    judge = run.trainer.test if run.data.has_test else run.trainer.validate
    return dict(judge(run.task, datamodule=run.data, verbose=False)[0])


def _show(final: Mapping[str, float], values: Mapping[str, Any]) -> None:
    directory = values["output_dir"]
    print()
    _table(final)
    print(
        f"\n{values['status']} after {values['epochs']} epochs, {values['seconds_total']:.0f} s, "
        f"{values['num_parameters']:,} parameters\n"
        f"  run         {directory}\n"
        f"  checkpoint  {values['best_checkpoint']}\n"
        f"  report      {directory}/report\n\n"
        f"next:\n"
        f"  python evaluate.py ckpt={directory}\n"
        f"  tensorboard --logdir {directory}/tensorboard --host 127.0.0.1"
    )


def _table(metrics: Mapping[str, float]) -> None:
    width = max((len(name) for name in metrics), default=0)
    for name, value in metrics.items():
        print(f"{name:<{width}}  {value:.4f}")
