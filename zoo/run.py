"""A run from its config to its report: build, fit, test with the best weights, tell."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from omegaconf import DictConfig

from zoo import signals
from zoo.build import Run, build, build_data, build_trainer, prepare_process
from zoo.callbacks.cost import Cost
from zoo.callbacks.reports import reports
from zoo.checkpoint import load_checkpoint
from zoo.config.requeue import requeue
from zoo.config.resume import resume_command
from zoo.config.run_directory import make_directory, release_run_directory
from zoo.data.base import DataModule
from zoo.diagnosis.verdict import Verdict
from zoo.errors import OptionError
from zoo.failure import explained, explained_failure, failing_in_words
from zoo.files import write_json
from zoo.judging.judges import judges_of
from zoo.memory import limited_memory
from zoo.models.test_time_augmentation import TestTimeAugmentation
from zoo.report.page import write_report
from zoo.restore import open_checkpoint
from zoo.tasks.base import Task
from zoo.tasks.generative import GenerativeTask
from zoo.tasks.resumable import ResumableModule


def train(cfg: DictConfig, *, started: float | None = None, overrides: Sequence[str] | None = None) -> float | None:
    """Trains, tests the best checkpoint once, and writes and shows the results.

    Args:
        cfg: the config that `configs/train.yaml` composes.
        started: `time.perf_counter()` at the start of the process.
        overrides: the options that make this run, for who resumes it; None takes those that were typed.

    Returns:
        The best value of the monitored metric, for sweeps; None where nothing was validated.
    """
    try:
        run = build(cfg, started=time.perf_counter() if started is None else started, overrides=overrides)
        return _train(run)
    finally:
        release_run_directory()


def fit(cfg: DictConfig) -> Run:
    """Trains alone, for notebooks: nothing is tested or reported, and the run lies open to be looked into.

    Args:
        cfg: the config that `configs/train.yaml` composes.

    Returns:
        The run: `task.model` as the last step left it, and in `output_dir` what `zoo.comparison.runs.read_run` reads.
    """
    try:
        run = build(cfg, started=time.perf_counter())
        with _ending_in_words(run):
            _fit(run)
        _record_end(run, _status(run.trainer, _facts(run)))
        return run
    finally:
        release_run_directory()


def _fit(run: Run) -> None:
    trainer = run.trainer
    with signals.deferred(), limited_memory(trainer.strategy.root_device):
        trainer.fit(run.task, datamodule=run.training_data, ckpt_path=run.resume_from, weights_only=True)


def _train(run: Run) -> float | None:
    trainer = run.trainer
    for logger in trainer.loggers:
        logger.log_hyperparams(run.record.config)
    with _ending_in_words(run):
        _fit(run)
        # Read now: the test that follows clears the metrics and moves the counters.
        fitted, facts, verdicts = _fitted(trainer), _facts(run), _verdicts(trainer)
        best = _best_checkpoint(trainer)
        final = _judge_best(run, best)
        _write_verdicts(run, verdicts)
        values = run.record.write(trainer, fitted | final, status=_status(trainer, facts), **facts, **run.task.facts())
    if trainer.is_global_zero:
        _write_report(run)
        commands = run.task.next_commands(values["output_dir"])
        if run.data.file_suffixes and isinstance(run.task, Task):
            commands.append(f"-m zoo predict ckpt={values['output_dir']} input=FOLDER")
        _show(final, [*_remarks(trainer), *_alarm_lines(verdicts)], values, commands)
    score = getattr(best, "best_model_score", None) if best else fitted.get(run.task.monitor)
    return None if score is None else float(score)


def _fitted(trainer: Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _facts(run: Run) -> dict[str, Any]:
    best = _best_checkpoint(run.trainer)
    path = best and str(best.best_model_path)
    facts = {"epochs": run.trainer.current_epoch, "global_step": run.trainer.global_step, "best_checkpoint": path}
    for callback in run.trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Cost):
            facts |= callback.facts(run.trainer)
    verdicts = _verdicts(run.trainer)
    return facts if verdicts is None else {**facts, "alarms": "; ".join(verdict.name for verdict in verdicts)}


def _verdicts(trainer: Trainer) -> list[Verdict] | None:
    """Returns the alarms that callbacks have sounded; None where none of them had anything to judge."""
    found = [getattr(callback, "verdicts", None) for callback in trainer.callbacks]  # type: ignore[attr-defined]
    heard = [verdicts for verdicts in found if verdicts is not None]
    return [verdict for verdicts in heard for verdict in verdicts] if heard else None


def _alarm_lines(verdicts: Sequence[Verdict] | None) -> list[str]:
    if verdicts is None:
        return []
    return [f"alarm: {verdict}" for verdict in verdicts] or ["no alarms"]


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
        known = explained_failure(error, run.output_dir, trainer=run.trainer, task=run.task, data=run.data)
        if known is None:
            raise
        _record_end(run, "stopped")
        if run.trainer.is_global_zero:
            _write_report(run)
        if run.trainer.is_global_zero and (run.output_dir / "checkpoints" / "last.ckpt").exists():
            with suppress(OSError):
                print(f"what was saved goes on with: {resume_command(run.output_dir)}", file=sys.stderr)
        raise known from error


def _write_verdicts(run: Run, verdicts: Sequence[Verdict] | None) -> None:
    if verdicts is not None and run.trainer.is_global_zero:
        write_json(run.output_dir / "verdicts.json", {"verdicts": [vars(verdict) for verdict in verdicts]})


def _write_report(run: Run) -> None:
    """Writes what can be read of the run; that it cannot be written is told, and costs nothing else."""
    if not run.record.config.get("report", True) or getattr(run.trainer, "fast_dev_run", False):
        return
    try:
        write_report(run.output_dir)
    except Exception as error:
        print(f"report.html was not written ({error}); python -m zoo report {run.output_dir}", file=sys.stderr)


def _record_end(run: Run, status: str) -> None:
    """Writes `metrics.json` of a run that is not tested; over a full disk that does not matter any more."""
    with suppress(OSError):
        _write_verdicts(run, _verdicts(run.trainer))
        run.record.write(run.trainer, _fitted(run.trainer), status=status, **_facts(run))


def _status(trainer: Trainer, facts: Mapping[str, Any]) -> str:
    epochs_done = trainer.max_epochs is not None and 0 <= trainer.max_epochs <= facts["epochs"]
    steps_done = 0 < trainer.max_steps <= facts["global_step"]
    return "completed" if epochs_done or steps_done else "stopped"


def evaluate(
    cfg: DictConfig, *, make_reports: Callable[[Path], list[Callback]] | None = None, folder: str = "evaluation"
) -> dict[str, float]:
    """Judges a checkpoint on its own test split, or on other data of the same classes.

    Args:
        cfg: the config that `configs/evaluate.yaml` composes.
        make_reports: takes the folder to write to, and returns the callbacks that do; None for `reports`.
        folder: its name beside the checkpoint, where `cfg.output_dir` names none.

    Returns:
        The metrics by their logged name.
    """
    prepare_process()
    found = open_checkpoint(cfg)
    data = build_data(found.cfg)
    data.align_classes(found.class_names)
    split = cfg.split or ("test" if data.has_test else "val")
    if split not in ("test", "val") or (split == "test" and not data.has_test):
        raise OptionError("split", f"there is no {split} split", f"set split={'test' if data.has_test else 'val'}")
    task = found.task(ResumableModule)
    if isinstance(task, GenerativeTask):
        task.judges = judges_of(found.cfg, data).stages
    if cfg.tta and not isinstance(task, Task):
        raise OptionError("tta", f"there are no views of what a {type(task).__name__} judges", "leave it out")
    if cfg.tta:
        views = [cfg.tta] if isinstance(cfg.tta, str) else list(cfg.tta)
        task.model = explained("tta", TestTimeAugmentation, task.model, views=views)
    directory = make_directory(cfg.output_dir or found.path.parent / folder, option="output_dir")
    told = make_reports(directory) if make_reports else reports(directory, explanations=cfg.explanations)
    trainer = build_trainer(found.cfg, told, loggers=[])
    with failing_in_words(directory, trainer=trainer, task=task, data=data):
        metrics = _judge(trainer, task, data, split)
        if trainer.is_global_zero:
            write_json(
                directory / "metrics.json", {**metrics, **task.facts(), "checkpoint": str(found.path), "split": split}
            )
    if trainer.is_global_zero:
        _table(metrics, _remarks(trainer))
        print(f"\n{directory}: {', '.join(sorted(file.name for file in directory.iterdir() if file.is_file()))}")
    return metrics


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
    explanations = run.record.config.get("explanations", True)
    run.trainer.callbacks = reports(run.output_dir / "report", explanations=explanations)  # type: ignore[attr-defined]
    return _judge(run.trainer, run.task, run.data, "test" if run.data.has_test else "val")


def _judge(trainer: Trainer, task: ResumableModule, data: DataModule, split: str) -> dict[str, float]:
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
        f"  report      {directory}/{'report.html' if (Path(directory) / 'report.html').exists() else 'report'}"
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
