"""The base of every task: what happens to a batch, and what is logged of it.

A task says what is learned. It owns the model, the criterion, the recipe of optimizer and schedule, and the metrics of
each stage; it knows no architecture and no modality. A concrete task gives three methods: `forward(batch)`,
`losses(outputs, batch)` and `compare(outputs, batch)`.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torchmetrics import Metric

from zoo.batch import Batch
from zoo.errors import OptionError, explained_option
from zoo.losses.penalties import l1_penalty
from zoo.models.gan.pair import GAN
from zoo.models.head_cut import HeadCut
from zoo.optim.finetuning import FineTuning, reestimate
from zoo.optim.optimizers import build_optimizer, group_options
from zoo.optim.pair import Pair
from zoo.optim.parameter_groups import decayed_parameters
from zoo.ranges import NonNegativeFloat, NonNegativeInt, PositiveInt
from zoo.tasks.resumable import ResumableModule
from zoo.tasks.stage_metrics import StageMetrics


class Task(ResumableModule):
    """What is learned: losses, metrics and the recipe of optimisation, for any model.

    Args:
        model: the network; called with what `model_inputs` gives.
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

    Attributes:
        finetune: what is frozen and when; None where all is trained alike.
        cut: where the model is cut for batches of features.
    """

    finetune: FineTuning | None = None
    cut: HeadCut | None = None

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
        super().__init__(seed=seed, on_nonfinite=on_nonfinite, max_skipped=max_skipped)
        if isinstance(model, GAN):
            raise ValueError("the model is two networks: this task trains one; set task=adversarial")
        if isinstance(optimizer, Pair):
            raise OptionError("optimizer", "a pair for one network", "choose one, such as optimizer=adamw")
        if channels_last is None:
            channels_last = any(isinstance(module, nn.Conv2d) for module in model.modules())
        self.model = model.to(memory_format=torch.channels_last) if channels_last else model  # type: ignore[call-overload]
        self.criterion = criterion
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.monitor, self.monitor_mode = monitor, monitor_mode
        self.l1, self.channels_last = l1, channels_last
        metrics = metrics or {}
        test_metrics = {name: metric.clone() for name, metric in metrics.items()} | dict(test_metrics or {})
        self.train_record = StageMetrics(train_metrics or {}, finish=self.finish)
        self.val_record = StageMetrics(metrics, finish=self.finish)
        self.test_record = StageMetrics(test_metrics, finish=self.finish)
        self._validation_record = self.val_record

    def model_inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Returns what the model is called with: by default `batch["input"]` alone."""
        return (batch["input"],)

    def forward(self, batch: Batch) -> Tensor:
        """Returns the model's outputs for a batch, or those of its head for one of features."""
        if self.cut is not None and "features" in batch:
            return self.cut.head(batch["features"])
        return self.model(*self._laid_out(batch))  # type: ignore[no-any-return]

    def features(self, batch: Batch) -> Tensor:
        """Returns what the layers before the head make of a batch, (B, ...), without gradient."""
        if self.cut is None:
            self.cut = HeadCut(self.model, *self._laid_out(batch))
        with torch.no_grad():
            return self.cut.features(*self._laid_out(batch))

    def _laid_out(self, batch: Batch) -> tuple[Tensor, ...]:
        inputs, *others = self.model_inputs(batch)
        if inputs.is_floating_point():
            inputs = inputs.to(self.dtype)  # the model's, which is not float32 under precision 64 and bf16-true
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return inputs, *others

    def losses(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Returns scalars by name; `loss` is the one to minimise."""
        raise NotImplementedError

    def compare(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns the predictions and targets that the metrics compare, without gradient; `finish` comes after it."""
        raise NotImplementedError

    def finish(self, preds: Tensor) -> Tensor:
        """Turns what `compare` gave into what metrics and reports read, for many batches at once."""
        return preds

    def derived(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns what a stage logs beside its losses and metrics, computed from them; by default nothing.

        Args:
            values: the losses and metrics of the whole stage by name, such as `loss`.
        """
        return {}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the loss of one batch; each `log_every_n_steps` batches their averages are logged."""
        self._log_full_window()
        self._seed_step(batch_idx)
        self.guard.watch(self.model, batch, batch_idx)
        outputs = self(batch)
        losses = self.losses(outputs, batch)
        if self.l1:
            losses["l1"] = self.l1 * l1_penalty(decayed_parameters(self.model).values())
            losses["loss"] = losses["loss"] + losses["l1"]
        self.guard.add_loss(losses["loss"].detach())
        self._record_step(losses, *self.compare(outputs, batch))
        return losses["loss"]

    def replay(self, batch: Batch) -> None:
        """Computes the losses of a batch once more."""
        self.losses(self(batch), batch)

    def step_losses(self, batch: Batch) -> Iterator[tuple[Tensor, float]]:
        """Yields the loss of a batch."""
        loss = self.losses(self(batch), batch)["loss"]
        if self.l1:
            loss = loss + self.l1 * l1_penalty(decayed_parameters(self.model).values())
        yield loss, 1.0

    def setup(self, stage: str) -> None:
        """Prepares for fit, validate or test; a validation that is no part of a fit stands in for a test."""
        super().setup(stage)
        self._validation_record = self.test_record if stage == "validate" else self.val_record

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Adds a batch to the metrics of validation; returns its predictions."""
        return self._evaluation_step(batch, self._validation_record)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Adds a batch to the metrics of test; returns its predictions."""
        return self._evaluation_step(batch, self.test_record)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Returns what a person is told of samples without targets, with their "index"; by default nothing can be."""
        raise NotImplementedError(f"{type(self).__name__} says nothing of single samples")

    def _evaluation_step(self, batch: Batch, record: StageMetrics) -> dict[str, Tensor]:
        outputs = self(batch)
        preds, targets = self.compare(outputs, batch)
        if record.append(self.losses(outputs, batch), preds, targets):
            record.feed()
        return {"preds": self.finish(preds), "targets": targets, "index": batch["index"]}

    def on_fit_start(self) -> None:
        """Measures the statistics of norms anew where fine-tuning asks for it, unless a checkpoint has them."""
        super().on_fit_start()
        if self.finetune is not None and self.finetune.reestimate_norm and self.trainer.ckpt_path is None:
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            batches = (self._apply_batch_transfer_handler(batch) for batch in data.scan_loaders()["train"])
            with self.trainer.precision_plugin.forward_context():
                reestimate(self.model, self, batches)

    def on_train_start(self) -> None:
        """Shows what is trained, and when, where that is not all from the start."""
        super().on_train_start()
        if self.finetune is not None and self.trainer.is_global_zero:
            print(self.finetune.table(self.model, self.trainer.optimizers[0]), flush=True)

    def on_train_epoch_start(self) -> None:
        """Freezes and thaws what the epoch asks for."""
        if self.finetune is not None:
            self.finetune.apply(self.model, self.current_epoch)

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
            factors = self.finetune.lr_factors(self.model) if self.finetune is not None else None
            optimizer = build_optimizer(self.make_optimizer, self.model, lr_factors=factors)
            self._options = [group_options(optimizer)]
            if self.make_scheduler is None:
                return optimizer
            where = "scheduler"
            scheduler = self.make_scheduler(optimizer, self.num_optimizer_steps())
            self._options = [group_options(optimizer)]
        except (TypeError, ValueError) as error:
            raise explained_option(where, error) from error
        if isinstance(scheduler, ReduceLROnPlateau):
            every = self.trainer.check_val_every_n_epoch or 1
            plateau = {"scheduler": scheduler, "interval": "epoch", "frequency": every, "monitor": self.monitor}
            plateau["strict"] = False  # the first validation may come later than the first epoch ends
            return [optimizer], [plateau]
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    def _log_stage(self, stage: str, record: StageMetrics, *, logger: bool = True) -> None:
        values = record.compute()
        values |= self.derived(values)
        self.log_dict({f"{stage}/{name}": value for name, value in values.items()}, logger=logger)


# Lightning inspects this signature in every step, 30 us each time; inspect takes a ready one.
Task.training_step.__signature__ = inspect.signature(Task.training_step)  # type: ignore[attr-defined]
