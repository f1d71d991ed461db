"""A run from its config to its report: build, fit, test with the best weights, tell."""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from omegaconf import DictConfig, OmegaConf, open_dict

from zoo import signals
from zoo.build import Run, build, build_data, build_model, build_task, build_trainer, explained, prepare_process
from zoo.callbacks.reports import reports
from zoo.checkpoint import find_checkpoint, load_checkpoint
from zoo.config.allowed import grant, granted
from zoo.config.check import OptionErrors, check
from zoo.config.requeue import requeue
from zoo.config.resume import resume_command
from zoo.config.run_directory import make_directory, release_run_directory
from zoo.data.base import DataModule
from zoo.errors import OptionError, RunError, StorageError
from zoo.files import write_json
from zoo.memory import is_out_of_memory, limited_memory
from zoo.models.test_time_augmentation import TestTimeAugmentation
from zoo.tasks.base import Task
from zoo.tasks.out_of_memory import out_of_memory

_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO}
# Of a trainer that only judges: what the run trained with (several devices, limits, loops) does not carry over.
EVALUATION = {
    "accelerator": "auto",
    "devices": 1,
    "use_distributed_sampler": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}

DECODING = ("decoder", "beam_width")  # options of a task that an evaluation may choose anew


def train(cfg: DictConfig, *, started: float | None = None) -> float | None:
    """Trains, tests the best checkpoint once, and writes and shows the results.

    Args:
        cfg: the config that `configs/train.yaml` composes.
        started: `time.perf_counter()` at the start of the process.

    Returns:
        The best value of the monitored metric, for sweeps; None where nothing was validated.
    """
    try:
        run = build(cfg, started=time.perf_counter() if started is None else started)
        return _train(run)
    finally:
        release_run_directory()


def _train(run: Run) -> float | None:
    trainer = run.trainer
    for logger in trainer.loggers:
        logger.log_hyperparams(run.record.config)
    with _ending_in_words(run):
        with signals.deferred(), limited_memory(trainer.strategy.root_device):
            trainer.fit(run.task, datamodule=run.data, ckpt_path=run.resume_from, weights_only=True)
        # Read now: the test that follows clears the metrics and moves the counters.
        fitted, facts = _fitted(trainer), _facts(run)
        best = _best_checkpoint(trainer)
        final = _judge_best(run, best)
        values = run.record.write(trainer, fitted | final, status=_status(trainer, facts), **facts)
    if trainer.is_global_zero:
        _show(final, _remarks(trainer), values, run.task.next_commands(values["output_dir"]))
    score = getattr(best, "best_model_score", None) if best else fitted.get(run.task.monitor)
    return None if score is None else float(score)


def _fitted(trainer: Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _facts(run: Run) -> dict[str, Any]:
    best = _best_checkpoint(run.trainer)
    path = best and str(best.best_model_path)
    return {"epochs": run.trainer.current_epoch, "global_step": run.trainer.global_step, "best_checkpoint": path}


@contextmanager
def _ending_in_words(run: Run) -> Iterator[None]:
    """Lets whatever ends a run early leave a record, and say how to go on.

    Raises:
        StoppedBySignal: the state is saved.
        TrainingStopped: it cannot go on.
        StorageError: something cannot be written.
    """
    try:
        yield
    except signals.StoppedBySignal as stop:
        _record_end(run, "interrupted")
        stop.advice = f" after step {run.trainer.global_step}"
        if any((run.output_dir / "checkpoints").glob("*.ckpt")):
            stop.advice += f"; go on with:\n  {resume_command(run.output_dir)}"
        if run.trainer.is_global_zero:
            requeue(stop.number)
        raise
    except SystemExit:
        if run.trainer.interrupted:  # Lightning turns Ctrl-C into exit 1
            raise KeyboardInterrupt from None
        raise
    except Exception as error:
        known = _explained(error, run.output_dir, trainer=run.trainer, task=run.task, data=run.data)
        if known is None:
            raise
        _record_end(run, "stopped")
        if run.trainer.is_global_zero and (run.output_dir / "checkpoints" / "last.ckpt").exists():
            with suppress(OSError):
                print(f"what was saved goes on with: {resume_command(run.output_dir)}", file=sys.stderr)
        raise known from error


def _record_end(run: Run, status: str) -> None:
    """Writes `metrics.json` of a run that ended early; over a full disk that does not matter any more."""
    with suppress(OSError):
        run.record.write(run.trainer, _fitted(run.trainer), status=status, **_facts(run))


def _explained(error: Exception, directory: Path, *, trainer: Trainer, task: Task, data: DataModule) -> RunError | None:
    """Returns what a failure in the middle of a run means to a user; None where it is a defect of ours."""
    if is_out_of_memory(error):
        return out_of_memory(error, trainer=trainer, task=task, data=data)
    if isinstance(error, OSError) and error.errno in _STORAGE:
        remedy = "make room or choose another output_dir; what was saved before is intact"
        return StorageError(error.filename or str(directory), f"cannot be written ({error.strerror})", remedy)
    return error if isinstance(error, RunError) else None


def _status(trainer: Trainer, facts: Mapping[str, Any]) -> str:
    epochs_done = trainer.max_epochs is not None and 0 <= trainer.max_epochs <= facts["epochs"]
    steps_done = 0 < trainer.max_steps <= facts["global_step"]
    return "completed" if epochs_done or steps_done else "stopped"


def evaluate(
    cfg: DictConfig, *, make_reports: Callable[[Path], list[Callback]] = reports, folder: str = "evaluation"
) -> dict[str, float]:
    """Judges a checkpoint on its own test split, or on other data of the same classes.

    Args:
        cfg: the config that `configs/evaluate.yaml` composes.
        make_reports: takes the folder to write to, and returns the callbacks that do.
        folder: its name beside the checkpoint, where `cfg.output_dir` names none.

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
    directory = make_directory(cfg.output_dir or path.parent / folder, option="output_dir")
    trainer = build_trainer(run_cfg, make_reports(directory), loggers=[])
    try:
        metrics = _judge(trainer, task, data, split)
        if trainer.is_global_zero:
            write_json(directory / "metrics.json", {**metrics, "checkpoint": str(path), "split": split})
    except Exception as error:
        known = _explained(error, directory, trainer=trainer, task=task, data=data)
        if known is None:
            raise
        raise known from error
    if trainer.is_global_zero:
        _table(metrics, _remarks(trainer))
        print(f"\n{directory}: {', '.join(sorted(file.name for file in directory.iterdir() if file.is_file()))}")
    return metrics


def _evaluation_config(cfg: DictConfig, saved: Mapping[str, Any]) -> DictConfig:
    """The run's own config, with the data and the device asked for now and the preprocessing of the checkpoint."""
    run_cfg = OmegaConf.create(dict(saved["config"]))
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
    asked: Any = OmegaConf.to_container(cfg.data, resolve=True) if cfg.get("data") else {}
    data: Any = asked if "_target_" in asked else OmegaConf.to_container(OmegaConf.merge(run_cfg.data, asked))
    source = data["source"] if isinstance(data.get("source"), dict) else data
    if "data_dir" in source and (cfg.paths.data_dir or source["data_dir"] is None):
        source["data_dir"] = cfg.paths.data_dir or saved["config"]["paths"]["data_dir"]
    if "evaluation_only" in data:  # of a folder or a file that was not trained on, every sample is judged
        data["evaluation_only"] = _origin(data) != _origin(saved["config"]["data"])
    # Facts are found anew, but the network sees what it was trained on.
    anew = {"num_classes": None} if "num_classes" in data else {}
    run_cfg.data = {**data, **anew, **saved["preprocessing"]}
    with open_dict(run_cfg):
        device = {key: run_cfg.trainer[key] for key in ("_target_", "precision")} | EVALUATION
        run_cfg.trainer = OmegaConf.merge(device, cfg.get("trainer") or {})
        run_cfg.output_dir, run_cfg.pretrained = None, None
        run_cfg.callbacks, run_cfg.logger = {}, {}
        run_cfg.allow = list(granted(cfg))
        if "weights" in run_cfg.model:
            run_cfg.model.weights = None  # the checkpoint's own come instead
        if run_cfg.data.get("batch_size") == "auto":
            run_cfg.data.batch_size = saved["config"]["data"]["batch_size"]
    grant(run_cfg, granted(cfg))  # what the command line allows, whatever the checkpoint says
    return run_cfg


def _origin(data: Mapping[str, Any]) -> Path | None:
    """The folder or the file that the data come from."""
    path = data.get("root") or data.get("path")
    return Path(path).expanduser().resolve() if path else None


def _best_checkpoint(trainer: Trainer) -> Any:
    """The callback that has kept the best weights: ours, or Lightning's ModelCheckpoint."""
    monitored = [callback for callback in trainer.callbacks if getattr(callback, "monitor", None)]  # type: ignore[attr-defined]
    return next((callback for callback in monitored if getattr(callback, "best_model_path", None)), None)


def _judge_best(run: Run, best: Any) -> dict[str, float]:
    """Tests the best weights, once; without a test split their validation stands."""
    # Without a best, the last saved: of a run that was resumed after its end, an average of weights is only there.
    path = Path(best.best_model_path) if best is not None else run.output_dir / "checkpoints" / "last.ckpt"
    if path.is_file():
        run.task.load_state_dict(load_checkpoint(path, option="best_checkpoint")["state_dict"])
    # Only the report goes on: an average of weights must not replace the best ones now.
    run.trainer.callbacks = reports(run.output_dir / "report")  # type: ignore[attr-defined]
    return _judge(run.trainer, run.task, run.data, "test" if run.data.has_test else "val")


def _judge(trainer: Trainer, task: Task, data: DataModule, split: str) -> dict[str, float]:
    judge = trainer.test if split == "test" else trainer.validate
    judge(task, datamodule=data, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _remarks(trainer: Trainer) -> list[str]:
    """Returns what reports say beside the metrics, such as what is reached without learning."""
    return [line for callback in trainer.callbacks for line in getattr(callback, "lines", ())]  # type: ignore[attr-defined]


def _show(
    final: Mapping[str, float], remarks: Sequence[str], values: Mapping[str, Any], commands: Sequence[str]
) -> None:
    directory = values["output_dir"]
    print()
    _table(final, remarks)
    print(
        f"\n{values['status']} after {values['epochs']} epochs, {values['seconds_total']:.0f} s, "
        f"{values['num_parameters']:,} parameters\n"
        f"  run         {directory}\n"
        f"  report      {directory}/report"
    )
    if values["best_checkpoint"]:
        python = os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(Path.cwd()) else "python"
        print(f"  checkpoint  {os.path.relpath(values['best_checkpoint'])}\n\nnext:")
        tensorboard = f"-m tensorboard.main --logdir {directory}/tensorboard --host 127.0.0.1"
        for command in (f"evaluate.py ckpt={directory}", *commands, tensorboard):
            print(f"  {python} {command}")


def _table(metrics: Mapping[str, float], remarks: Sequence[str]) -> None:
    width = max((len(name) for name in metrics), default=0)
    for name, value in metrics.items():
        print(f"{name:<{width}}  {value:.4f}")
    if remarks:
        print("", *remarks, sep="\n")
