"""What a run leaves behind about itself: config, environment, timings and final metrics, as plain files.

The same config, class names and preprocessing go into every checkpoint, which therefore suffices to evaluate.
"""

import platform
import statistics
import subprocess
import time
from collections.abc import Mapping, Sized
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from zoo.callbacks.csv_log import CSVLog
from zoo.checkpoint import FORMAT
from zoo.files import write_json
from zoo.memory import peak_resident_memory

PACKAGES = ("torch", "torchvision", "torchaudio", "lightning", "hydra-core", "tensorboard", "torchmetrics", "numpy")
_NAMES = 1000  # of classes that are written down at most


def git_state() -> dict[str, Any]:
    """Returns the commit of the code that runs and whether it was changed since; empty outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"git_commit": git("rev-parse", "HEAD"), "git_changed": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def environment(trainer: Trainer) -> dict[str, Any]:
    """Returns versions, machine and code state as plain values."""
    device = trainer.strategy.root_device
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "num_devices": trainer.world_size,
        "num_threads": torch.get_num_threads(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        **git_state(),
    }


class RunRecord(Callback):
    """Times the run, marks its checkpoints and writes `environment.json` and `metrics.json`.

    Args:
        output_dir: the directory of the run.
        config: the resolved config as plain values.
        started: `time.perf_counter()` at the start of the process.

    Attributes:
        rates: samples a second of all processes, of each epoch.
        seconds_waited: that training has waited for batches so far: for the loader, and until the batch was moved and
            finished. On CUDA, where the device may still be busy with the step before, it is the most that it can be.
        seconds_trained: of all epochs that are over, without validation.
    """

    def __init__(self, output_dir: Path, *, config: dict[str, Any], started: float) -> None:
        self.output_dir, self.config, self.started = output_dir, config, started
        self.seconds_before = 0.0  # that the run took until it was last interrupted
        self.seconds_to_first_step: float | None = None
        self.rates: list[float] = []
        self.seconds_waited = self.seconds_trained = 0.0
        self._epoch_started = self._seconds_idle = self._waited_before = 0.0
        self._loop: Any = None
        self._at_validation = (0, 0.0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes what the run stands on."""
        if trainer.is_global_zero:
            data = _data(trainer)
            facts = {"seed": self.config["seed"], "data_fingerprint": data.fingerprint}
            facts |= {"samples": _sizes(trainer, data), "class_names": list(data.class_names)[:_NAMES]}
            write_json(self.output_dir / "environment.json", {**environment(trainer), **facts})

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the epoch's clock."""
        self._epoch_started, self._seconds_idle, self._at_validation = time.perf_counter(), 0.0, (0, 0.0)
        self._waited_before, self._loop = self.seconds_waited, trainer.fit_loop.epoch_loop
        if not hasattr(self._loop, "asked"):  # a loop of Lightning's own, which notes no time
            self.on_train_batch_start = None  # type: ignore[assignment,method-assign]

    def on_train_batch_start(self, *_: Any) -> None:
        """Adds how long the batch was waited for; this callback is the first, so that others do not count."""
        self.seconds_waited += time.perf_counter() - self._loop.asked

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Notes when the first step was done; then the hook switches itself off."""
        self.seconds_to_first_step = time.perf_counter() - self.started
        self.on_train_batch_end = None  # type: ignore[assignment,method-assign]

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stops the epoch's clock."""
        self._at_validation = _batches(trainer), self._seconds_training(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lets the epoch's clock run on."""
        self._seconds_idle += self._seconds_training(pl_module) - self._at_validation[1]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the epoch's training throughput, without validation and the saving of checkpoints after it."""
        batches, seconds = self._at_validation
        if batches != _batches(trainer):
            batches, seconds = _batches(trainer), self._seconds_training(pl_module)
        if not batches:  # a run that was stopped when the epoch began
            return
        rate = batches * _data(trainer).batch_size * trainer.world_size / seconds
        self.rates.append(rate)
        self.seconds_trained += seconds
        pl_module.log("throughput/samples_per_second", rate)
        pl_module.log("cost/waiting_share", (self.seconds_waited - self._waited_before) / seconds)
        if tokens := _tokens_per_sample(trainer):
            pl_module.log("throughput/tokens_per_second", rate * tokens)

    def leave_out(self, seconds: float) -> None:
        """Takes seconds of this epoch for no part of training."""
        self._seconds_idle += seconds

    def _seconds_training(self, pl_module: LightningModule) -> float:
        """Seconds of training in this epoch so far."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        return time.perf_counter() - self._epoch_started - self._seconds_idle

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Adds all that evaluation needs as plain values, so that the file loads with `weights_only=True`."""
        data = _data(trainer)
        checkpoint["zoo"] = {
            "config": self.config,
            "class_names": list(data.class_names),
            "preprocessing": data.preprocessing(),
            "data_fingerprint": data.fingerprint,
            "version": metadata.version("zoo"),
            "format": FORMAT,
            "world_size": trainer.world_size,
            "seconds": self._seconds(),
            "logged_rows": sum(logger.num_rows for logger in trainer.loggers if isinstance(logger, CSVLog)),
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Goes on where the checkpoint was saved."""
        self.seconds_before = checkpoint["zoo"]["seconds"]
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, CSVLog):
                logger.resume(checkpoint["zoo"]["logged_rows"])

    def _throughput(self, trainer: Trainer) -> dict[str, float | None]:
        rate = statistics.median(self.rates) if self.rates else None
        tokens = _tokens_per_sample(trainer)
        of_tokens = {"tokens_per_second": None if rate is None else rate * tokens} if tokens else {}
        share = self.seconds_waited / self.seconds_trained if self.seconds_trained else None
        return {"samples_per_second": rate, **of_tokens, "waiting_share": share}

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    def write(self, trainer: Trainer, metrics: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Writes `metrics.json` and returns what it holds.

        Args:
            trainer: the trainer that has fitted.
            metrics: the final metrics by their logged name.
            **more: further plain values.
        """
        module = trainer.lightning_module
        network = getattr(module, "model", module)  # without averages that a task keeps beside it
        cuda = module.device.type == "cuda" or trainer.strategy.root_device.type == "cuda"
        peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else peak_resident_memory() / 2**20
        values = {
            **{name: float(value) for name, value in metrics.items()},
            "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
            "seconds_total": self._seconds(),
            "seconds_to_first_step": self.seconds_to_first_step,
            **self._throughput(trainer),
            "peak_memory_mb": peak,
            "device": trainer.strategy.root_device.type,
            "precision": trainer.precision,
            "seed": self.config["seed"],
            "output_dir": str(self.output_dir),
            **more,
        }
        if trainer.is_global_zero:
            write_json(self.output_dir / "metrics.json", values)
        return values


def config_of(trainer: Trainer) -> Mapping[str, Any]:
    """Returns the resolved config of the run; empty where none is recorded."""
    records = [callback for callback in trainer.callbacks if isinstance(callback, RunRecord)]  # type: ignore[attr-defined]
    return records[0].config if records else {}


def _batches(trainer: Trainer) -> int:
    """Batches of this epoch that were trained on."""
    return trainer.fit_loop.epoch_loop.batch_progress.current.completed


def _tokens_per_sample(trainer: Trainer) -> int | None:
    """How many tokens a sample has, where all have the same number of them."""
    return getattr(_data(trainer), "tokens_per_sample", None)


def _sizes(trainer: Trainer, data: Any) -> dict[str, int]:
    """Returns how many samples each split has; of data that do not say, those that one process trains on."""
    if sizes := getattr(data, "sizes", None):
        return dict(sizes)
    order = getattr(trainer.train_dataloader, "sampler", None)
    return {"train": len(order)} if isinstance(order, Sized) and trainer.world_size == 1 else {}


def _data(trainer: Trainer) -> Any:
    return trainer.datamodule  # type: ignore[attr-defined]
