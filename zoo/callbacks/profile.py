"""Shows where the time of a few training steps goes: a trace of what runs when, and a table of the dearest modules."""

import csv
import gzip
import io
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.profiler import ProfilerActivity
from torch.profiler import profile as Profiler
from tqdm import tqdm

from zoo.callbacks.cost import Cost
from zoo.callbacks.run_record import RunRecord
from zoo.costs.modules import ModuleRanges, ModuleTime, module_times
from zoo.files import replacing

_WARM_UP = 5  # steps: after the probe of the cost, and the doctor looks at none of the three that follow
_STEPS = 3
_SHOWN = 10
_COLUMNS = ("module", "class", "calls", "forward_ms", "backward_ms", "share")
_LARGE = 20 * 2**20  # bytes of a trace that is compressed
_VIEWER = "open it in chrome://tracing or https://ui.perfetto.dev, which read it on this computer alone"


class Profile(Callback):
    """Traces three steps after five, fewer where the run is shorter; a window ends with its epoch at the latest.

    A step is one of each network, with all batches whose gradients it gathers. Modules are told apart by hooks that are
    on them in these steps alone; of a compiled model there is only the trace. Other processes than the first one do
    nothing. The trainer's list has it last, after what looks at a batch before it.

    Args:
        directory: the folder for `trace.json` and `modules.csv`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._modules: dict[str, nn.Module] = {}
        self._profiler: Profiler | None = None
        self._ranges: ModuleRanges | None = None
        self._batches = self._traced = self._first = self._last = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Chooses the batches that are traced."""
        if not trainer.is_global_zero:
            self._end()
            return
        step = getattr(pl_module, "batches_a_step", 1) * getattr(pl_module, "discriminator_steps", 1)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        left = _batches_left(trainer, pl_module, done=done)
        self._first, self._last = _window(left, step=step, epoch=trainer.num_training_batches, done=done)
        self._modules = _modules(pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Starts the profiler before the first batch that is traced, and puts hooks on for each of them."""
        number, self._batches = self._batches, self._batches + 1
        if number < self._first:
            return
        if self._profiler is None:
            self._start(trainer, pl_module)
        self._ranges = ModuleRanges(self._modules)
        self._traced += 1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Takes the hooks off, and after the last batch tells what was seen."""
        self._take_hooks_off()
        if self._batches > self._last:
            self._finish(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the window, of which validation is no part."""
        self._finish(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the window."""
        self._finish(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says so where training ended before there was anything to trace."""
        self._finish(trainer, pl_module)
        if self.on_train_batch_start is not None:
            self._say("nothing was traced: training ended before")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leaves no hook behind, and no profiler that runs."""
        self._take_hooks_off()
        if self._profiler is not None:
            profiler, self._profiler = self._profiler, None
            profiler.stop()

    def _start(self, trainer: Trainer, task: LightningModule) -> None:
        for cost in _all_of(trainer, Cost):
            cost.pause(trainer, task)
        activities = [ProfilerActivity.CPU]
        if task.device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        else:
            os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it complains of a GPU that is not there
        started = time.perf_counter()
        self._profiler = Profiler(activities=activities, acc_events=True)
        self._profiler.start()
        self._leave_out(trainer, started)

    def _finish(self, trainer: Trainer, task: LightningModule) -> None:
        """Writes and tells what was traced, once; that it cannot be written costs the run nothing else."""
        if self._profiler is None:
            return
        started = time.perf_counter()
        self._take_hooks_off()
        if on_device := task.device.type == "cuda":
            torch.cuda.synchronize(task.device)
        profiler, self._profiler = self._profiler, None
        profiler.stop()
        events = profiler.events() or []  # type: ignore[no-untyped-call]
        times = module_times(events, self._modules, on_device=on_device)
        trace = None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            trace = _write_trace(profiler, self.directory)
            _write_modules(times, self.directory / "modules.csv")
        except OSError as error:
            self._say(f"{self.directory} could not be written ({error.strerror})")
        self._tell(times, trace)
        self._end()
        for cost in _all_of(trainer, Cost):
            cost.go_on()
        self._leave_out(trainer, started)

    def _tell(self, times: Sequence[ModuleTime], trace: Path | None) -> None:
        batches = f"{self._traced} batch{'' if self._traced == 1 else 'es'}"
        if times:
            self._say(f"the dearest of {len(times)} modules in {batches}, without the modules in them", *_table(times))
        elif self._modules:
            self._say("no module was called by its forward pass")
        else:
            self._say("modules are not told apart in a model that torch.compile has compiled")
        if trace is not None:
            self._say(f"trace of {batches}: {trace}", _VIEWER)

    def _say(self, *lines: str) -> None:
        for line in lines:
            tqdm.write(f"profile: {line}", file=sys.stderr)  # a bar may stand in the line

    def _take_hooks_off(self) -> None:
        if self._ranges is not None:
            self._ranges.remove()
            self._ranges = None

    def _leave_out(self, trainer: Trainer, started: float) -> None:
        for record in _all_of(trainer, RunRecord):
            record.leave_out(time.perf_counter() - started)

    def _end(self) -> None:
        """Takes no part in batches any more; Lightning skips a hook that is not callable."""
        self._modules = {}
        self.on_train_batch_start = self.on_train_batch_end = None  # type: ignore[assignment,method-assign]


def _all_of(trainer: Trainer, kind: type[Any]) -> list[Any]:
    return [callback for callback in trainer.callbacks if isinstance(callback, kind)]  # type: ignore[attr-defined]


def _batches_left(trainer: Trainer, task: LightningModule, *, done: int) -> float:
    """Returns how many batches the run still takes at most; infinite where nobody knows."""
    left = float("inf")
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        left = trainer.num_training_batches * (trainer.max_epochs - trainer.current_epoch) - done
    if trainer.max_steps >= 0:
        left = min(left, (trainer.max_steps - trainer.global_step) * getattr(task, "batches_a_step", 1))
    return left


def _window(left: float, *, step: int, epoch: float, done: int) -> tuple[int, int]:
    """Returns the first and the last batch that are traced, counted from where training starts.

    Args:
        left: batches of the run.
        step: batches of a step.
        epoch: batches of an epoch.
        done: batches of the first epoch that a run before this one has taken.
    """
    length = max(1, -(-min(left, 2 * _STEPS * step) // 2))  # of a short run the second half
    first = min(_WARM_UP * step, max(0, left - length))
    in_epoch = epoch - (done + first) % epoch if epoch else 0
    if in_epoch < length and left - first - in_epoch >= min(length, epoch):
        first += in_epoch  # the next epoch holds more of it
    return int(first), int(first + length - 1)


def _modules(task: LightningModule) -> dict[str, nn.Module]:
    """Returns the modules of model and criterion by their names; none where they do not run as such."""
    if any(getattr(module, "_compiled_call_impl", None) is not None for module in task.modules()):
        return {}
    model, criterion = task.model, getattr(task, "criterion", None)
    found = {name or "model": module for name, module in model.named_modules()}  # type: ignore[union-attr]
    if isinstance(criterion, nn.Module):
        found |= {f"criterion.{name}".rstrip("."): module for name, module in criterion.named_modules()}
    return found


def _write_trace(profiler: Profiler, directory: Path) -> Path:
    """Writes the trace, compressed where it is large; viewers open both.

    Raises:
        OSError: it could not be written.
    """
    plain, compressed = directory / "trace.json", directory / "trace.json.gz"
    temporary = directory / ".trace.tmp"
    try:
        profiler.export_chrome_trace(str(temporary))
        is_large = temporary.stat().st_size > _LARGE
        target, other = (compressed, plain) if is_large else (plain, compressed)
        with temporary.open("rb") as source, replacing(target) as file:
            if is_large:
                with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=5) as packed:
                    shutil.copyfileobj(source, packed)
            else:
                shutil.copyfileobj(source, file)
    finally:
        temporary.unlink(missing_ok=True)
    other.unlink(missing_ok=True)  # of a run that went before in the same folder
    return target


def _write_modules(times: Sequence[ModuleTime], path: Path) -> None:
    path.unlink(missing_ok=True)
    if not times:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for each in times:
        figures = f"{each.forward:.3f}", f"{each.backward:.3f}", f"{each.share:.5f}"
        writer.writerow((each.module, each.kind, each.calls, *figures))
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def _table(times: Sequence[ModuleTime]) -> list[str]:
    rows = [("module", "class", "calls", "forward", "backward", "share")]
    for each in times[:_SHOWN]:
        figures = f"{each.forward:.1f} ms", f"{each.backward:.1f} ms", f"{each.share:.1%}"
        rows.append((each.module, each.kind, str(each.calls), *figures))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (f"{cell:{'<' if place < 2 else '>'}{widths[place]}}" for place, cell in enumerate(row))
        lines.append("  ".join(("", *cells)))
    others = f"other modules {sum(each.share for each in times[_SHOWN:]):.1%}, " if len(times) > _SHOWN else ""
    rest = max(0.0, 1 - sum(each.share for each in times))
    return [*lines, f"  {others}beside modules, such as the optimizer, {rest:.1%}"]
