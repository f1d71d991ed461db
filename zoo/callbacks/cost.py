"""What a run costs: forecast as soon as its first steps show it, measured while it trains, written to `cost.json`.

Operations and memory are found from steps of two and of four samples on a copy of the task, which leaves no trace, and
followed to the size of the batch (`zoo.costs.step`); time from a window of real steps. A run pays for that once, after
its first step; beside it, clocks are read once an epoch.
"""

import copy
import functools
import math
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor
from tqdm import tqdm

from zoo.batch import Batch, repeated, tensors_in
from zoo.callbacks.run_record import RunRecord
from zoo.costs.devices import joules, peak_of
from zoo.costs.forecast import Forecast, Length
from zoo.costs.ledger import Saved, bytes_of
from zoo.costs.step import StepCost, extrapolate, measure_step
from zoo.costs.units import duration
from zoo.files import write_json
from zoo.ranges import PositiveFloat

_ROWS = 2, 4  # samples of the steps that are measured: batch norm needs two
_WARM_UP = 3  # batches that are not timed, beside those that workers have ready
_AHEAD = 2  # batches that a worker has ready
_FEWEST = 5  # batches that are timed
_MEASURED = ("memory_", "seconds_", "energy_")
_OFF = 0.2  # of the time forecast, from which on it is corrected when the first epoch is over


class Cost(Callback):
    """Says in three lines what the run is going to cost, and logs what it costs under `cost/` once an epoch.

    Args:
        seconds: for how long steps are timed at least, five of them at least.

    Attributes:
        forecast: what the run was expected to cost; None before its first step.
    """

    def __init__(self, seconds: PositiveFloat = 1.0) -> None:
        self.seconds = seconds
        self.forecast: Forecast | None = None
        self._measured: dict[str, float | None] = {}
        self._batches = 0
        self._probed_at: int | None = None
        self._saved: Saved | None = None
        self._is_looked_at = self._is_paused = self._awaits_validation = False
        self._clock: tuple[int, float, float | None] | None = None  # batches, time, joules when it was started
        self._timed_batches, self._timed_seconds, self._timed_joules = 0, 0.0, 0.0
        self._epochs: list[float] = []
        self._beside: list[float] = []  # of each epoch after the first, what was neither training nor validation
        self._validated = 0  # validations before this epoch
        self._epoch_started = self._started = 0.0
        self._joules: float | None = None
        self._validation: list[float] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts the parameters; a trial of one batch is too short for more."""
        if getattr(trainer, "fast_dev_run", False):
            self._end()
        parameters = list(getattr(pl_module, "model", pl_module).parameters())
        trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
        total = sum(parameter.numel() for parameter in parameters)
        self.forecast = Forecast(total, trainable, _length(trainer, pl_module))
        self._started, self._joules = time.perf_counter(), joules(pl_module.device)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the clock of the epoch before."""
        now = time.perf_counter()
        if self._epoch_started:
            self._end_epoch(trainer, now)
        self._epoch_started = now
        if len(self._epochs) == 2 and self.forecast is not None:
            self._correct(trainer, self.forecast)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """After the first step measures one on a copy, then times real ones; after that it is not called any more."""
        number, self._batches = self._batches, self._batches + 1
        if self._probed_at is None:
            if number and trainer.global_step >= getattr(pl_module, "discriminator_steps", 1):
                self._probed_at = number
                self._probe(trainer, pl_module, batch)
            return
        if number >= self._probed_at + getattr(pl_module, "batches_a_step", 1):
            self._is_looked_at = False
        if self._is_paused or number < self._probed_at + self._warm_up(trainer):
            return
        if self._clock is None:
            self._clock = number, _now(pl_module), joules(pl_module.device)
            return
        seconds = self._timed_seconds + time.perf_counter() - self._clock[1]
        if seconds >= self.seconds and self._timed_batches + number - self._clock[0] >= _FEWEST:
            self._stop_clock(trainer, pl_module, number)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Notes what the activations of the step after the measured one take."""
        if self._saved is not None:
            self._measured["memory_activations_mb"] = self._saved.stop() / 2**20
            self._saved = None

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Notes what the gradients of that step take; those of two networks are not there at the same time."""
        if self._is_looked_at:
            gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
            size = bytes_of(gradients) / 2**20
            self._measured["memory_gradients_mb"] = max(self._measured.get("memory_gradients_mb") or 0.0, size)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock of validation, which is no part of the steps that are timed."""
        self._stop_clock(trainer, pl_module, self._batches)
        self._validation_started = _now(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the clock of validation; until time was told, what was measured goes before what would be guessed."""
        self._validation.append(_now(pl_module) - self._validation_started)
        if self.forecast is not None and (self.forecast.seconds_per_batch is None or self._awaits_validation):
            self.forecast.seconds_per_validation = statistics.median(self._validation[1:] or self._validation)
        if self._awaits_validation:
            self._awaits_validation = False
            self._tell_time(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs what the epoch cost."""
        self._stop_clock(trainer, pl_module, self._batches)
        if (rate := self._flops_per_second(trainer)) is not None:
            pl_module.log("cost/flops_per_second", rate)
            if (mfu := self._mfu(trainer, rate)) is not None:
                pl_module.log("cost/mfu", mfu)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes forecast and measurement side by side."""
        now = time.perf_counter()
        self._end_epoch(trainer, now)
        if self.forecast is not None and self.forecast.seconds_per_batch is None and self._probed_at is not None:
            self._take_time_of_epochs(trainer, self.forecast)
        # The first epoch has what happens once: kernels that are loaded, files that are read for the first time.
        epochs = self._epochs[1:] or self._epochs
        self._measured["seconds_per_epoch"] = statistics.median(epochs)
        self._measured["seconds_per_validation"] = statistics.median(self._validation) if self._validation else None
        self._measured["seconds_in_all"] = now - self._started
        if (record := _record(trainer)) is not None and record.rates:
            samples = trainer.datamodule.batch_size * trainer.world_size  # type: ignore[attr-defined]
            self._measured["seconds_per_batch"] = samples / statistics.median(record.rates)
        if self._joules is not None and (energy := joules(pl_module.device)) is not None:
            self._measured["energy_wh"] = (energy - self._joules) / 3600 * trainer.world_size
        if pl_module.device.type == "cuda":
            self._measured["memory_peak_mb"] = torch.cuda.max_memory_allocated(pl_module.device) / 2**20
        self._write(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leaves no hook behind."""
        if self._saved is not None:
            self._saved.stop()
            self._saved = None

    def pause(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Times neither the batch that has begun nor those after it, until `go_on`."""
        self._stop_clock(trainer, pl_module, self._batches - 1)
        self._is_paused = True

    def go_on(self) -> None:
        """Times the batches from the next one on."""
        self._is_paused = False

    def facts(self, trainer: Trainer) -> dict[str, float | None]:
        """Returns what `metrics.json` says of the cost."""
        flops = self.forecast.flops_per_sample if self.forecast is not None else None
        if flops is None:
            return {}
        record = _record(trainer)
        rate = statistics.median(record.rates) * flops if record and record.rates else None
        mfu = None if rate is None else self._mfu(trainer, rate)
        return {"flops_per_sample": flops, "flops_per_second": rate, **({} if mfu is None else {"mfu": mfu})}

    def _end_epoch(self, trainer: Trainer, now: float) -> None:
        """Notes how long an epoch took, and after the first one, what of that was neither training nor validation."""
        self._epochs.append(now - self._epoch_started)
        record, validation = _record(trainer), sum(self._validation[self._validated :])
        self._validated = len(self._validation)
        if record is not None and record.rates and len(self._epochs) > 1 and self.forecast is not None:
            samples = self.forecast.length.batches * self.forecast.length.batch_size * trainer.world_size
            self._beside.append(max(self._epochs[-1] - samples / record.rates[-1] - validation, 0.0))

    def _warm_up(self, trainer: Trainer) -> int:
        workers = getattr(trainer.datamodule, "num_workers", 0)  # type: ignore[attr-defined]
        return _WARM_UP + _AHEAD * (workers if isinstance(workers, int) else 0)

    def _probe(self, trainer: Trainer, task: Any, batch: Batch) -> None:
        """Finds operations and memory, and says them."""
        started = time.perf_counter()
        assert self.forecast is not None
        forecast, memory = self.forecast, self.forecast.memory
        averages = [getattr(callback, "_average_model", None) for callback in trainer.callbacks]  # type: ignore[attr-defined]
        modules = [task, *(module for module in averages if isinstance(module, torch.nn.Module))]
        memory.weights = bytes_of(tensor for module in modules for tensor in _state(module))
        exchanged = isinstance(trainer.strategy, DDPStrategy)
        # A network's gradients are freed before those of another one are made.
        memory.gradients = max(map(_trained_bytes, trainer.optimizers)) * (1.0 + exchanged)
        memory.optimizer = bytes_of(
            tensor for optimizer in trainer.optimizers for tensor in tensors_in(list(optimizer.state.values()))
        )
        for name in ("weights", "optimizer"):
            self._measured[f"memory_{name}_mb"] = getattr(memory, name) / 2**20
        try:
            rows = next(len(tensor) for tensor in tensors_in(batch) if tensor.ndim)
            step, largest = self._step(trainer, task, batch, rows=rows), self._largest(trainer, task, rows=rows)
        except Exception as error:  # whatever it is, the run itself goes on
            forecast.notes.append(f"operations and activations are not measured ({' '.join(str(error).split())[:120]})")
        else:
            memory.batch, memory.activations = bytes_of(tensors_in(batch)), step.activations
            kept = memory.gradients if trainer.accumulate_grad_batches > 1 or exchanged else 0.0
            memory.peak = memory.weights + memory.optimizer + memory.batch + step.peak + kept
            if largest is not None:
                memory.peak = max(memory.peak, memory.weights + memory.optimizer + largest + kept)
                forecast.notes.append("batches differ in size: the most memory at once is that of the longest samples")
            forecast.forward, forecast.backward = step.forward / step.rows, step.backward / step.rows
        if _is_compiled(task):
            forecast.notes.append("operations and memory are those of the model without torch.compile")
        self._say(trainer, forecast.size_line(), forecast.memory_line(), *forecast.notes)
        if task.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(task.device)  # the copy is no part of the run
        self._is_looked_at = True
        if not _is_compiled(task):
            self._saved = Saved([*_state(task), *tensors_in(batch)])
            self._saved.start()
        if (record := _record(trainer)) is not None:
            record.leave_out(time.perf_counter() - started)

    def _largest(self, trainer: Trainer, task: Any, *, rows: int) -> float | None:
        """Returns the bytes of the largest batch and of its step; None where all batches are of one size."""
        data = copy.copy(trainer.datamodule)  # type: ignore[attr-defined]  # loaders note their order on it
        if not hasattr(data, "largest_batch"):
            return None
        with isolate_rng(include_cuda=task.device.type == "cuda"):
            loaded = repeated(data.largest_batch(_ROWS[-1]), _ROWS[-1])
            moved = data.transfer_batch_to_device(trainer.precision_plugin.convert_input(loaded), task.device, 0)
            batch = data.prepare_batch(moved, train=True)
        return bytes_of(tensors_in(batch)) * rows / _ROWS[-1] + self._step(trainer, task, batch, rows=rows).peak

    def _step(self, trainer: Trainer, task: Any, batch: Batch, *, rows: int) -> StepCost:
        """Measures a step of a few samples of a batch on a copy, and says what it takes for so many rows.

        Raises:
            ValueError: weights are spread over processes.
        """
        if not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
            raise ValueError(f"weights are spread over processes by {type(trainer.strategy).__name__}")
        with isolate_rng(include_cuda=task.device.type == "cuda"):
            copied = _copy(task)
            own = [*_state(copied)]

            def measured(size: int) -> StepCost:
                for parameter in copied.parameters():
                    parameter.grad = None
                few = repeated(batch, size)
                losses = functools.partial(_losses, copied, few, trainer.precision_plugin)
                return measure_step(losses, rows=size, known=[*own, *tensors_in(few)])

            steps = [measured(size) for size in _ROWS]
        return extrapolate(*steps, rows=rows)

    def _stop_clock(self, trainer: Trainer, pl_module: LightningModule, number: int) -> None:
        """Adds the steps since the clock was started; says how long the run is going to take, once they are enough."""
        if self._clock is None or self.forecast is None:
            return
        (first, started, energy), self._clock = self._clock, None
        self._timed_batches += number - first
        self._timed_seconds += _now(pl_module) - started
        if energy is not None and (taken := joules(pl_module.device)) is not None:
            self._timed_joules += taken - energy
        if self._timed_batches < _FEWEST or self._timed_seconds < self.seconds:
            return
        self.forecast.seconds_per_batch = self._timed_seconds / self._timed_batches
        self.forecast.watts = self._timed_joules / self._timed_seconds or None
        self.forecast.guess_validation(_validation_samples(trainer))
        if len(self._validation) == 1:  # the first one has what happens once, and the second is near
            self._awaits_validation = True
            self._end()
        else:
            self._tell_time(trainer)

    def _tell_time(self, trainer: Trainer) -> None:
        assert self.forecast is not None
        self.forecast.seconds_beside = statistics.median(self._beside) if self._beside else 0.0
        self._say(trainer, self.forecast.time_line())
        self._write(trainer)
        self._end()

    def _take_time_of_epochs(self, trainer: Trainer, forecast: Forecast) -> None:
        """Says how long a run takes whose epochs are too short for a window of steps in one of them."""
        record = _record(trainer)
        if record is not None and record.rates:
            forecast.seconds_per_batch = (
                forecast.length.batch_size * trainer.world_size / statistics.median(record.rates[1:] or record.rates)
            )
            self._tell_time(trainer)

    def _correct(self, trainer: Trainer, forecast: Forecast) -> None:
        """Says how long an epoch took, without what the first one does once, where that is not what was said before."""
        seconds, said = self._epochs[1], forecast.seconds_per_epoch
        if said is None and not math.isinf(forecast.length.batches):
            self._take_time_of_epochs(trainer, forecast)
        if said is None or self._awaits_validation or abs(seconds - said) <= _OFF * said:
            return
        to_go = "" if forecast.length.epochs is None else f", {duration(seconds * (forecast.length.epochs - 2))} to go"
        self._say(trainer, f"time: {duration(seconds)} an epoch as measured{to_go}")

    def _flops_per_second(self, trainer: Trainer) -> float | None:
        flops = self.forecast.flops_per_sample if self.forecast is not None else None
        record = _record(trainer)
        return None if flops is None or record is None or not record.rates else flops * record.rates[-1]

    def _mfu(self, trainer: Trainer, flops_per_second: float) -> float | None:
        peak = peak_of(trainer.strategy.root_device, str(trainer.precision))
        return None if peak is None else flops_per_second / (peak * trainer.world_size)

    def _say(self, trainer: Trainer, *lines: str) -> None:
        for line in lines if trainer.is_global_zero else ():
            tqdm.write(f"cost: {line}", file=sys.stderr)  # a bar may stand in the line

    def _write(self, trainer: Trainer) -> None:
        record = _record(trainer)
        if record is None or self.forecast is None or not trainer.is_global_zero:
            return
        forecast = self.forecast.plain()
        measured = {f"measured_{name}": self._measured.get(name) for name in forecast if name.startswith(_MEASURED)}
        write_json(record.output_dir / "cost.json", {**forecast, **measured, "notes": self.forecast.notes})

    def _end(self) -> None:
        """Takes no part in batches any more; Lightning skips a hook that is not callable."""
        for hook in ("on_train_batch_start", "on_before_backward", "on_before_optimizer_step"):
            setattr(self, hook, None)


def _losses(task: Any, batch: Batch, precision: Any) -> Iterator[tuple[Tensor, float]]:
    """Goes through the losses of a step in the precision of the run; their gradients are taken outside of it."""
    steps = task.step_losses(batch)
    while True:
        with precision.forward_context():
            found = next(steps, None)
        if found is None:
            return
        yield found
        del found


def _copy(task: Any) -> Any:
    """Returns a copy of a task without its trainer and what it has gathered; a compiled model is none there."""
    left_out = [task.train_record, task.val_record, task.test_record]
    memo: dict[int, Any] = {id(part): part for part in left_out}
    memo |= {id(task._trainer): None, id(getattr(task, "judges", None)): {}}
    memo.pop(id(None), None)
    return copy.deepcopy(task, memo)


def _state(module: torch.nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _is_compiled(task: Any) -> bool:
    return any(getattr(module, "_compiled_call_impl", None) is not None for module in task.modules())


def _trained_bytes(optimizer: torch.optim.Optimizer) -> int:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return bytes_of(parameter for parameter in parameters if parameter.requires_grad)


def _length(trainer: Trainer, task: Any) -> Length:
    """Returns how long the run still is."""
    batches = float(trainer.num_training_batches)
    size = trainer.datamodule.batch_size  # type: ignore[attr-defined]
    epochs = None if trainer.max_epochs is None or trainer.max_epochs < 0 else float(trainer.max_epochs)
    if trainer.max_steps > 0 and batches and not math.isinf(batches):
        a_step = getattr(task, "batches_a_step", trainer.accumulate_grad_batches)
        limit = trainer.max_steps / math.ceil(batches / a_step)
        epochs = limit if epochs is None else min(epochs, limit)
    if epochs is not None:
        epochs = max(epochs - trainer.current_epoch, 0.0)
    every = trainer.check_val_every_n_epoch or 1
    check = trainer.val_check_batch
    validations = 1.0 if not isinstance(check, int | float) or math.isinf(check) else max(1, batches // max(check, 1))
    return Length(batches, int(size), epochs, validations / every, trainer.world_size)


def _validation_samples(trainer: Trainer) -> float:
    """Samples of a validation of one process, as far as is known before the first one."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    batches = sum(count for count in trainer.num_val_batches if not math.isinf(count))
    size = getattr(data, "eval_batch_size", None) or data.batch_size
    sizes = getattr(data, "sizes", {})
    samples = float(batches * size)
    return min(samples, sizes["val"]) if isinstance(sizes, Mapping) and "val" in sizes else samples


def _now(pl_module: LightningModule) -> float:
    """The time at which all that was asked of the device is done."""
    if pl_module.device.type == "cuda":
        torch.cuda.synchronize(pl_module.device)
    return time.perf_counter()


def _record(trainer: Trainer) -> RunRecord | None:
    found = [callback for callback in trainer.callbacks if isinstance(callback, RunRecord)]  # type: ignore[attr-defined]
    return found[0] if found else None
