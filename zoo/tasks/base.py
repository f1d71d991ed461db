"""The base of every task: what happens to a batch, and what is logged of it.

A task says what is learned. It owns the model, the criterion, the recipe of optimizer and schedule, and the metrics of
each stage; it knows no architecture and no modality. A concrete task gives three methods: `forward(batch)`,
`losses(outputs, batch)` and `compare(outputs, batch)`.
"""

import inspect
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torchmetrics import Metric

from zoo.batch import Batch
from zoo.errors import TrainingStopped, explained_option
from zoo.losses.penalties import l1_penalty
from zoo.optim.finite_guard import FiniteGuard
from zoo.optim.optimizers import build_optimizer, group_options, renew_options
from zoo.optim.parameter_groups import decayed_parameters
from zoo.ranges import NonNegativeFloat, NonNegativeInt, PositiveInt
from zoo.seeds import counted_seed
from zoo.tasks.epoch_loop import batches_done
from zoo.tasks.stage_metrics import StageMetrics


class Task(LightningModule):
    """What is learned: losses, metrics and the recipe of optimisation, for any model.

    Args:
        model: the network; called with `batch["input"]`.
        criterion: the loss, called with the model's outputs and the targets.
        optimizer: a factory that takes parameters, such as a partial of `torch.optim.AdamW`.
        scheduler: a factory that takes the optimizer and the number of steps; None keeps the learning rate constant.
        metrics: metrics of validation and test, by the name they are logged under.
        train_metrics: metrics of training.
        test_metrics: metrics of test alone, beside `metrics`.
        monitor: the logged metric that the best checkpoint, early stopping and a plateau schedule follow.
        monitor_mode: whether more (`max`) or less (`min`) of it is better.
        l1: weight of the L1 penalty on the weights that decay; 0 switches it off.
        channels_last: whether images are laid out channels-last, in which convolutions are faster on CPU and CUDA;
            None asks whether the model convolves images.
        seed: seed of the run, from which dropout is drawn.
        on_nonfinite: whether a loss or a gradient that is NaN or infinite stops the run, or its step is left out.
        max_skipped: how many steps may be left out before the run stops all the same.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        criterion: nn.Module,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[[Optimizer, int], LRScheduler | ReduceLROnPlateau] | None = None,
        metrics: Mapping[str, Metric] | None = None,
        train_metrics: Mapping[str, Metric] | None = None,
        test_metrics: Mapping[str, Metric] | None = None,
        monitor: str = "val/loss",
        monitor_mode: Literal["min", "max"] = "min",
        l1: NonNegativeFloat = 0.0,
        channels_last: bool | None = None,
        seed: NonNegativeInt = 0,
        on_nonfinite: Literal["stop", "skip"] = "stop",
        max_skipped: PositiveInt = 20,
    ) -> None:
        super().__init__()
        if channels_last is None:
            channels_last = any(isinstance(module, nn.Conv2d) for module in model.modules())
        self.model = model.to(memory_format=torch.channels_last) if channels_last else model  # type: ignore[call-overload]
        self.criterion = criterion
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.monitor, self.monitor_mode = monitor, monitor_mode
        self.l1, self.channels_last, self.seed = l1, channels_last, seed
        metrics = metrics or {}
        test_metrics = {name: metric.clone() for name, metric in metrics.items()} | dict(test_metrics or {})
        self.train_record = StageMetrics(train_metrics or {}, finish=self.finish)
        self.val_record = StageMetrics(metrics, finish=self.finish)
        self.test_record = StageMetrics(test_metrics, finish=self.finish)
        self._validation_record = self.val_record
        self.guard = FiniteGuard(on_nonfinite, max_skipped=max_skipped)
        self.renew_options = False  # of the optimizer, where a resumed run may change them
        self._options: list[dict[str, Any]] = []
        self._window_end = 0, 0.0
        self._gradients: dict[str, Tensor] = {}
        self._saved_metrics: dict[str, Tensor] = {}
        self._plain_transfer = self._scales_loss = False

    def forward(self, batch: Batch) -> Tensor:
        """Returns the model's outputs for a batch."""
        inputs = batch["input"]
        if inputs.is_floating_point():
            inputs = inputs.to(self.dtype)  # the model's, which is not float32 under precision 64 and bf16-true
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return self.model(inputs)  # type: ignore[no-any-return]

    def losses(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Returns scalars by name; `loss` is the one to minimise."""
        raise NotImplementedError

    def compare(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns the predictions and targets that the metrics compare, without gradient; `finish` comes after it."""
        raise NotImplementedError

    def finish(self, preds: Tensor) -> Tensor:
        """Turns what `compare` gave into what metrics and reports read, for many batches at once."""
        return preds

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the loss of one batch; each `log_every_n_steps` batches their averages are logged."""
        if self.train_record.is_full:  # only now is it known that its last step was taken
            self._log_window()
        self._seed_step(batch_idx)
        self.guard.watch(self.model, batch, batch_idx)
        outputs = self(batch)
        losses = self.losses(outputs, batch)
        if self.l1:
            losses["l1"] = self.l1 * l1_penalty(decayed_parameters(self.model).values())
            losses["loss"] = losses["loss"] + losses["l1"]
        self.guard.add_loss(losses["loss"].detach())
        if self.train_record.append(losses, *self.compare(outputs, batch)):
            self._window_end = self.global_step, self._lr()
        return losses["loss"]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Refuses a step from a loss or from gradients that are not finite, or leaves it out.

        Raises:
            TrainingStopped: the step was refused; the weights are those from before it.
        """
        if what := self.guard.check(optimizer, is_scaled=self._scales_loss):
            self._refuse_step(what, optimizer)

    def _refuse_step(self, what: str, optimizer: Optimizer) -> None:
        data = self.trainer.datamodule  # type: ignore[attr-defined]

        def forward(batch_idx: int, batch: Batch) -> None:
            self._seed_step(batch_idx)
            with self.trainer.precision_plugin.forward_context():
                self.losses(self(batch), batch)

        def name(index: int) -> str:
            own, numbered = data.sample_name("train", index), f"train[{index}]"
            return own if own == numbered else f"{numbered} {own}"

        place, names = self.guard.report(self.model, what=what, forward=forward, name=name)
        step = f"step {self.global_step + 1} (epoch {self.current_epoch + 1})"
        problem = f"the {what} is not finite at {step}, lr {self._lr():g}: first in {place}"
        losses = [float(loss) for loss in self.guard.history]
        problem += f", samples {', '.join(names[:8])}"
        if len(names) > 8:
            problem += f" and {len(names) - 8} more"
        problem += f", last losses {', '.join(f'{loss:.4g}' for loss in losses)}"
        if self.guard.action == "skip":
            self.train_record.drop(self.guard.skip(self.model, optimizer))
            left_out = f"left out ({self.guard.num_skipped} of at most {self.guard.max_skipped})"
            print(f"{problem}; {left_out}", file=sys.stderr, flush=True)
            return
        if self.trainer.is_global_zero:
            everything = {"problem": problem, "step": self.global_step + 1, "lr": self._lr(), "place": place}
            everything |= {"samples": names, "last_losses": [str(loss) for loss in losses]}
            Path(self.trainer.default_root_dir, "not_finite.json").write_text(json.dumps(everything, indent=2) + "\n")
        remedy = "lower it, set trainer.gradient_clip_val=1, or leave such steps out with task.on_nonfinite=skip"
        if place.startswith("the batch"):
            raise TrainingStopped(names[0] if names else "data", problem, "mend or remove the samples")
        raise TrainingStopped("optimizer.lr", problem, remedy)

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Adds a batch to the metrics of validation; returns its predictions."""
        return self._evaluation_step(batch, self._validation_record)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Adds a batch to the metrics of test; returns its predictions."""
        return self._evaluation_step(batch, self.test_record)

    def _evaluation_step(self, batch: Batch, record: StageMetrics) -> dict[str, Tensor]:
        outputs = self(batch)
        preds, targets = self.compare(outputs, batch)
        if record.append(self.losses(outputs, batch), preds, targets):
            record.feed()
        return {"preds": self.finish(preds), "targets": targets, "index": batch["index"]}

    def on_fit_start(self) -> None:
        """Puts back the metrics that a checkpoint held; where it was the last, nothing is left to train."""
        self.trainer.callback_metrics.update(self._saved_metrics)

    def on_train_start(self) -> None:
        """Lets one logging interval be one window of the training metrics; puts back what a checkpoint held."""
        self.train_record.window = max(1, self.trainer.log_every_n_steps)  # type: ignore[attr-defined]
        self.train_record.move(self.device)
        self._scales_loss = getattr(self.trainer.precision_plugin, "scaler", None) is not None
        for name, parameter in self.named_parameters():
            if name in self._gradients:
                parameter.grad = self._gradients[name].to(parameter.device)
        self._gradients = {}
        if self.renew_options:
            schedules = [config.scheduler for config in self.trainer.lr_scheduler_configs]
            renew_options(self.trainer.optimizers[0], schedules[0] if schedules else None, self._options)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what has been gathered since the epoch began, and since the last optimizer step."""
        loop = self.trainer.fit_loop.epoch_loop
        within = batches_done(self.trainer) % self.trainer.accumulate_grad_batches and not loop._is_training_done
        gradients = {name: p.grad for name, p in self.named_parameters() if within and p.grad is not None}
        checkpoint["task"] = {
            "ranks": self._of_each_rank({"train_record": self.train_record.state(), "gradients": gradients}),
            "window_end": list(self._window_end),
            "guard": self.guard.state(),
            "callback_metrics": {name: float(value) for name, value in self.trainer.callback_metrics.items()},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes back what `on_save_checkpoint` has added."""
        saved = checkpoint.get("task")
        if saved is None or self.trainer.state.fn != TrainerFn.FITTING:
            return
        ranks = saved["ranks"]
        own = ranks[self.global_rank if len(ranks) == self.trainer.world_size else 0]
        self.train_record.load(own["train_record"])
        self._gradients = own["gradients"]
        step, lr = saved["window_end"]
        self._window_end = step, lr
        self.guard.load(saved["guard"])
        self._saved_metrics = {name: torch.tensor(value) for name, value in saved["callback_metrics"].items()}

    def _of_each_rank(self, own: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns what each of the processes has that train together; until they meet, it differs."""
        if self.trainer.world_size == 1:
            return [own]
        ranks: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(ranks, move_data_to_device(own, torch.device("cpu")))
        return ranks

    def on_train_epoch_end(self) -> None:
        """Logs the epoch's training losses and metrics."""
        self._log_window()
        self._log_stage("train", self.train_record)
        if self.guard.action == "skip":
            self.log("train/skipped_steps", float(self.guard.num_skipped))

    def on_validation_epoch_end(self) -> None:
        """Logs the validation losses and metrics."""
        # The final judgement is no point of a curve: it is of the best weights, not of those at this step.
        self._log_stage("val", self._validation_record, logger=self._validation_record is self.val_record)

    def on_test_epoch_end(self) -> None:
        """Logs the test losses and metrics."""
        self._log_stage("test", self.test_record)

    def configure_optimizers(self) -> Any:
        """Builds the optimizer over all parameters and the schedule, which counts optimizer steps."""
        try:
            where = "optimizer"
            optimizer = build_optimizer(self.make_optimizer, self.model)
            self._options = group_options(optimizer)
            if self.make_scheduler is None:
                return optimizer
            where = "scheduler"
            scheduler = self.make_scheduler(optimizer, self.num_optimizer_steps())
            self._options = group_options(optimizer)
        except (TypeError, ValueError) as error:
            raise explained_option(where, error) from error
        if isinstance(scheduler, ReduceLROnPlateau):
            every = self.trainer.check_val_every_n_epoch or 1
            plateau = {"scheduler": scheduler, "interval": "epoch", "frequency": every, "monitor": self.monitor}
            plateau["strict"] = False  # the first validation may come later than the first epoch ends
            return [optimizer], [plateau]
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    def num_optimizer_steps(self) -> int:
        """Returns how many optimizer steps the whole run takes.

        `trainer.estimated_stepping_batches` says the same, but it sets up the loader anew and drops its state.
        """
        trainer = self.trainer
        batches = len(trainer.datamodule.train_dataloader())  # type: ignore[attr-defined]
        limit = trainer.overfit_batches or trainer.limit_train_batches  # type: ignore[attr-defined]
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        if trainer.max_epochs is None or trainer.max_epochs < 0:
            return trainer.max_steps
        steps = math.ceil(batches / trainer.accumulate_grad_batches) * trainer.max_epochs
        return min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps

    def _seed_step(self, batch_idx: int) -> None:
        seed = counted_seed("step", self.seed, self.current_epoch, batch_idx, self.global_rank)
        # torch.manual_seed asks every kind of device and costs 0.1 ms; these two are all that a step draws from.
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _log_window(self) -> None:
        step, lr = self._window_end if self.train_record.is_full else (self.global_step, self._lr())
        values = {f"train/{name}": value for name, value in self.train_record.flush().items()}
        if values:
            values["lr"] = lr
            for logger in self.loggers:
                logger.log_metrics(values, step=step)

    def _lr(self) -> float:
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def _log_stage(self, stage: str, record: StageMetrics, *, logger: bool = True) -> None:
        self.log_dict({f"{stage}/{name}": value for name, value in record.compute().items()}, logger=logger)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Drops the gradients; `Optimizer.zero_grad` does the same through a profiler's and a compiler's guard."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def setup(self, stage: str) -> None:
        """Prepares for fit, validate or test.

        Looks once who moves batches; Lightning asks anew for each of three hooks, for each batch. A validation that is
        no part of a fit stands in for a test, and so has its metrics.
        """
        self._validation_record = self.test_record if stage == "validate" else self.val_record
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        hooks = ("on_before_batch_transfer", "transfer_batch_to_device")
        self._plain_transfer = data is not None and all(
            getattr(type(data), hook) is getattr(LightningDataModule, hook) for hook in hooks
        )

    def _on_before_batch_transfer(self, batch: Any, dataloader_idx: int = 0) -> Any:
        return batch if self._plain_transfer else super()._on_before_batch_transfer(batch, dataloader_idx)

    def _apply_batch_transfer_handler(
        self, batch: Any, device: torch.device | None = None, dataloader_idx: int = 0
    ) -> Any:
        if not self._plain_transfer:
            return super()._apply_batch_transfer_handler(batch, device, dataloader_idx)
        device = device or self.device
        if device.type != "cpu":
            batch = move_data_to_device(batch, device)
        return self.trainer.datamodule.on_after_batch_transfer(batch, dataloader_idx)  # type: ignore[attr-defined]

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the running hook's name about forty times a step. It is a plain string, so it need not pass
        # through nn.Module's bookkeeping, which takes 0.2 ms of each step for it.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)


# Lightning inspects this signature in every step, 30 us each time; inspect takes a ready one.
Task.training_step.__signature__ = inspect.signature(Task.training_step)  # type: ignore[attr-defined]
