"""Looks at a run while it trains, and says in words what goes wrong: `zoo.diagnosis.recorded` tells how."""

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from tqdm import tqdm

from zoo.callbacks import figures
from zoo.callbacks.layer_figures import LayerFigures
from zoo.callbacks.loss_course import LossCourse
from zoo.callbacks.run_record import RunRecord
from zoo.callbacks.tensorboard import TensorBoard
from zoo.diagnosis.doctor import diagnose
from zoo.diagnosis.recorded import Facts, History, Step, Validation
from zoo.diagnosis.verdict import Verdict
from zoo.errors import TrainingStopped
from zoo.models.gan.pair import GAN
from zoo.ranges import PositiveInt

_MOST_BYTES = 2**28  # of inputs that are compared between splits
_SURE = 0.9


class Doctor(Callback):
    """Says on the console, and in TensorBoard as `diagnosis`, what goes wrong; each once in a run.

    Two networks that are trained against each other have alarms of their own, and are left alone.

    Args:
        samples_per_epoch: optimizer steps of an epoch that are looked at.

    Attributes:
        history: what was recorded so far.
        verdicts: what was said so far; None before there was anything to judge.
    """

    def __init__(self, samples_per_epoch: PositiveInt = 4) -> None:
        self.samples_per_epoch = samples_per_epoch
        self.history = History()
        self.verdicts: list[Verdict] | None = None
        self._watching: LayerFigures | None = None
        self._predictions: list[tuple[Tensor, Tensor]] = []
        self._batch_ended: float | None = None
        self._waited, self._since, self._waiting = 0.0, math.nan, math.nan
        self._is_known = False
        self._course, self._batches = LossCourse(), 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the data, unless a checkpoint knew what there is to see."""
        if _is_watched(trainer, pl_module) and not self._is_known:
            self.history.facts, self._is_known = _facts(trainer), True

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clocks."""
        self._start_clocks()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Notes how long the batch was waited for, and puts hooks on the model where its step is looked at."""
        if self._batch_ended is not None:
            self._waited += time.perf_counter() - self._batch_ended
        if self._is_due(trainer, batch_idx) and _is_watched(trainer, pl_module):
            self._watching = LayerFigures(pl_module.model)  # type: ignore[arg-type]

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Looks at the gradients."""
        if self._watching is not None:
            self._watching.gradients()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes the loss, and reads the figures of a step that was looked at."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor):
            self._course.add(loss)
        self._batches += 1
        if self._watching is not None:
            layers, self._watching = self._watching.finish(), None
            if loss is not None:
                lr = max(group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups)
                # The step is done; it is told by the number of those before it.
                step, value = trainer.global_step - 1, float(loss) * trainer.accumulate_grad_batches
                self.history.add(Step(step, trainer.current_epoch + 1, value, float(lr), layers))
        self._batch_ended = time.perf_counter()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stops the clocks."""
        self._predictions = []
        seconds = time.perf_counter() - self._since
        self._waiting = self._waited / seconds if seconds > 0 else math.nan
        self._waited /= max(self._batches, 1)
        self._batch_ended = None

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any, **__: Any
    ) -> None:
        """Keeps which classes a batch was taken for, and how surely; it stays on the device."""
        preds = outputs.get("preds") if isinstance(outputs, Mapping) else None
        targets = outputs.get("targets") if isinstance(outputs, Mapping) else None
        if not isinstance(preds, Tensor) or not isinstance(targets, Tensor) or not self.history.facts.num_classes:
            return
        surest, classes = preds.max(1)
        wrong = ((classes != targets) & (surest > _SURE)).sum()
        num_classes = self.history.facts.num_classes
        counts = torch.stack([torch.bincount(each, minlength=num_classes) for each in (targets, classes)])
        self._predictions.append((counts, wrong))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Asks what the run so far tells, and says what it did not say before."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or not _is_watched(trainer, pl_module):
            return
        self.history.validations.append(self._validation(trainer, pl_module))
        self._judge(trainer)
        self._start_clocks()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws how gradients flowed."""
        if not trainer.is_global_zero or not self.history.steps:
            return
        loggers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoard)]
        if loggers and (image := gradient_flow(self.history)) is not None:
            loggers[0].log_image("train/doctor/gradient_flow", image, trainer.global_step)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Takes the hooks off, and says why a loss was not finite, where the data are not to blame."""
        if self._watching is not None:
            self._watching.remove()
            self._watching = None
        where = getattr(pl_module, "lr_option", None)
        if isinstance(exception, TrainingStopped) and exception.where == where and _is_watched(trainer, pl_module):
            self.history.not_finite = exception.problem
            seen = Validation(trainer.global_step, trainer.current_epoch + 1, losses=self._losses(trainer))
            self.history.validations.append(seen)
            self._judge(trainer)

    def _judge(self, trainer: Trainer) -> None:
        self.verdicts = self.verdicts or []
        known = [verdict.name for verdict in self.verdicts]
        for verdict in diagnose(self.history, _config(trainer), known=known):
            self.verdicts.append(verdict)
            _say(trainer, verdict)

    def _start_clocks(self) -> None:
        self._batch_ended, self._waited, self._since, self._batches = None, 0.0, time.perf_counter(), 0

    def _losses(self, trainer: Trainer) -> list[float]:
        return [loss * trainer.accumulate_grad_batches for loss in self._course.take()]

    def state_dict(self) -> dict[str, Any]:
        """Returns what was recorded and said so far, as plain values."""
        said = None if self.verdicts is None else [_plain(verdict) for verdict in self.verdicts]
        more = {"is_known": self._is_known, "course": self._course.state()}
        return {"history": _without_tuples(self.history.plain()), "verdicts": said, **more}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes back what was recorded and said, so that a run that is resumed neither forgets nor repeats."""
        self.history, self._is_known = History.of(state_dict["history"]), state_dict["is_known"]
        self._course.load(state_dict["course"])
        said = state_dict["verdicts"]
        self.verdicts = None if said is None else [Verdict(**verdict) for verdict in said]

    def _is_due(self, trainer: Trainer, batch_idx: int) -> bool:
        """Whether the batch ends one of the steps that are looked at; a function of its number alone."""
        batches, a_step = int(trainer.num_training_batches), trainer.accumulate_grad_batches
        step, steps = batch_idx // a_step, max(batches // a_step, 1)
        if (batch_idx + 1) % a_step or step >= steps:
            return False
        samples = min(self.samples_per_epoch, steps)
        return step in {number * steps // samples for number in range(samples)}

    def _validation(self, trainer: Trainer, task: Any) -> Validation:
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        counts: dict[str, Any] = {}
        if self._predictions:
            shares = torch.stack([seen for seen, _ in self._predictions]).sum(0)
            mistakes = torch.stack([wrong for _, wrong in self._predictions]).sum()
            true, predicted = (shares / shares.sum(1, keepdim=True)).tolist()
            counts = {"true_shares": true, "predicted_shares": predicted}
            counts["confident_mistakes"] = float(mistakes / shares[0].sum())
            self._predictions = []
        return Validation(
            step=trainer.global_step,
            epoch=trainer.current_epoch + 1,
            train_loss=task.train_record.so_far().get("loss", math.nan),
            val_loss=logged.get("val/loss", math.nan),
            train_accuracy=logged.get("train/accuracy", math.nan),
            val_accuracy=logged.get("val/accuracy", math.nan),
            losses=self._losses(trainer),
            waiting=self._waiting,
            waited=self._waited,
            memory=_memory(task.device),
            **counts,
        )


def gradient_flow(history: History) -> np.ndarray | None:
    """Draws the root mean square of gradients, a row for each layer, a column for each step that was looked at.

    Args:
        history: what was recorded.

    Returns:
        8-bit picture (H, W, 3); None where no layer had gradients.
    """
    last = history.steps[-1].layers
    names = [name for name, layer in last.items() if not math.isnan(layer.gradient_rms)]
    if not names:
        return None
    steps = [step for step in history.steps if all(name in step.layers for name in names)]
    flow = np.array([[step.layers[name].gradient_rms for step in steps] for name in names])
    with figures.new_figure(6.4, float(np.clip(0.2 * len(names) + 1.0, 2.0, 12.0))) as (figure, images):
        axes = figure.add_subplot()
        picture = axes.imshow(np.log10(flow.clip(1e-12)), aspect="auto", cmap="viridis", interpolation="nearest")
        axes.set(title="Gradient flow", xlabel="step")
        axes.set_yticks(range(len(names)), [figures.shorten(name, 30) for name in names], fontsize=7)
        places = np.unique(np.linspace(0, len(steps) - 1, 6).astype(int))
        axes.set_xticks(places, [f"{steps[place].step:,}" for place in places])
        bar = figure.colorbar(picture, ax=axes, pad=0.02)
        bar.set_label("root mean square of the gradients, power of ten", fontsize=8)
    return images[0]


def _facts(trainer: Trainer) -> Facts:
    config, data = _config(trainer), trainer.datamodule  # type: ignore[attr-defined]
    starts_anew = not any(config.get(name) for name in ("pretrained", "init_from", "resume"))
    classes = config.get("data", {}).get("num_classes")
    plain = str(config.get("task", {}).get("criterion", {}).get("_target_", "")).endswith(".CrossEntropy")
    duplicates, sizes = _duplicates(data)
    return Facts(
        num_classes=classes if isinstance(classes, int) and plain else 0,
        untrained=starts_anew,
        duplicates=duplicates,
        sizes=sizes,
        overfits_batches=bool(getattr(trainer, "overfit_batches", 0)),
    )


def _duplicates(data: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Returns how many inputs of other splits the training split has too, and their sizes, of data in memory alone."""
    inputs = {split: getattr(loader, "inputs", None) for split, loader in data.scan_loaders().items()}
    held = {split: values for split, values in inputs.items() if isinstance(values, Tensor)}
    if "train" not in held or sum(values.nbytes for values in held.values()) > _MOST_BYTES:
        return {}, {}
    rows = {split: [row.tobytes() for row in values.cpu().contiguous().numpy()] for split, values in held.items()}
    known = {hash(row) for row in rows.pop("train")}
    return {split: sum(hash(row) in known for row in rows[split]) for split in rows}, {
        k: len(v) for k, v in rows.items()
    }


def _memory(device: torch.device) -> float:
    if device.type != "cuda":
        return math.nan
    return torch.cuda.max_memory_reserved(device) / torch.cuda.get_device_properties(device).total_memory


def _is_watched(trainer: Trainer, task: LightningModule) -> bool:
    model = getattr(task, "model", None)
    return trainer.is_global_zero and isinstance(model, torch.nn.Module) and not isinstance(model, GAN)


def _say(trainer: Trainer, verdict: Verdict) -> None:
    tqdm.write(f"doctor: {verdict}", file=sys.stderr)  # a bar may stand in the line
    remedies = "\n".join(f"- `{remedy}`" for remedy in verdict.remedies)
    tried = f". Try:\n\n{remedies}" if remedies else ""
    text = f"**{verdict.name}** (epoch {verdict.epoch}, step {verdict.step:,}): {verdict.finding}{tried}"
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoard):
            logger.log_text("diagnosis", text, verdict.step)


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {**vars(verdict), "remedies": list(verdict.remedies)}


def _without_tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_tuples(each) for name, each in value.items()}
    return [_without_tuples(each) for each in value] if isinstance(value, list | tuple) else value


def _config(trainer: Trainer) -> Mapping[str, Any]:
    records = [callback.config for callback in trainer.callbacks if isinstance(callback, RunRecord)]  # type: ignore[attr-defined]
    return records[0] if records else {}
