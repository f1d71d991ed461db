"""What every task is beneath what it learns: a run that can be stopped, resumed and trusted.

Randomness is counted, a step whose loss or gradients are not finite is refused, and all that was gathered since the
epoch began goes into the checkpoint. Supervised and adversarial tasks share it.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.batch import Batch
from zoo.errors import TrainingStopped
from zoo.files import write_json
from zoo.optim.finite_guard import FiniteGuard
from zoo.optim.optimizers import renew_options
from zoo.seeds import counted_seed
from zoo.tasks.epoch_loop import batches_done
from zoo.tasks.stage_metrics import StageMetrics


class ResumableModule(LightningModule):
    """A LightningModule with counted randomness, guarded steps and a complete state.

    A step of training calls, in this order, `_log_full_window`, `_seed_step`, `guard.watch`, `guard.add_loss` and
    `_record_step`.

    Args:
        seed: seed of the run, from which dropout is drawn.
        on_nonfinite: whether a loss or a gradient that is NaN or infinite stops the run, or its step is left out.
        max_skipped: how many steps may be left out before the run stops all the same.

    Attributes:
        model: what is trained; set by the task.
        train_record: what is gathered of training; set by the task.
        monitor: the logged metric that the best checkpoint follows; set by the task.
        steps_in_parts: whether a step leaves parameters without gradients, which are trained all the same.
        nonfinite_remedy: what to do where a loss or a gradient is not finite.
        lr_option: the option that sets the learning rate.
        renew_options: whether a resumed run takes the optimizer's options from its config, not from the checkpoint.
    """

    steps_in_parts: ClassVar[bool] = False
    nonfinite_remedy: ClassVar[str] = (
        "lower it, set trainer.gradient_clip_val=1, or leave such steps out with task.on_nonfinite=skip"
    )
    lr_option: str = "optimizer.lr"
    model: nn.Module
    train_record: StageMetrics
    monitor: str

    def __init__(self, *, seed: int, on_nonfinite: Literal["stop", "skip"], max_skipped: int) -> None:
        super().__init__()
        self.seed = seed
        self.guard = FiniteGuard(on_nonfinite, max_skipped=max_skipped)
        self.renew_options = False
        self._options: list[list[dict[str, Any]]] = []  # of each optimizer's groups
        self._window_end = 0, 0.0
        self._gradients: dict[str, Tensor] = {}
        self._saved_metrics: dict[str, Tensor] = {}
        self._plain_transfer = self._scales_loss = False

    def replay(self, batch: Batch) -> None:
        """Computes once more what a step of training computes of a batch, without gradients."""
        raise NotImplementedError

    def step_losses(self, batch: Batch) -> Iterator[tuple[Tensor, float]]:
        """Yields each loss whose gradients a step of training takes, and in what share of the batches it does.

        The gradients are to be taken before the next one is asked for. Nothing is recorded, and no trainer is needed.
        """
        raise NotImplementedError

    def check_options(self, data: Mapping[str, Any], trainer: Mapping[str, Any]) -> None:
        """Refuses options of data and trainer that do not go with the task; by default none.

        Args:
            data: the options of the data, with the facts found.
            trainer: the options of the trainer.

        Raises:
            OptionError: an option does not go with it.
        """

    @property
    def batches_a_step(self) -> int:
        """How many batches one step takes."""
        return self.trainer.accumulate_grad_batches

    def own_state(self) -> dict[str, Any]:
        """Returns what else a task has gathered since its last step, plain values and tensors; by default nothing."""
        return {}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """Takes back what `own_state` returned."""

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
        steps = math.ceil(batches / self.batches_a_step) * trainer.max_epochs
        return min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps

    def next_commands(self, directory: str) -> list[str]:
        """Returns what may be typed next, after `python`, with the run in a directory; by default nothing special."""
        return []

    def facts(self) -> dict[str, str]:
        """Returns what the record of the metrics says beside them; by default nothing."""
        return {}

    def _seed_step(self, batch_idx: int) -> None:
        seed = counted_seed("step", self.seed, self.current_epoch, batch_idx, self.global_rank)
        # torch.manual_seed asks every kind of device and costs 0.1 ms; these two are all that a step draws from.
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _record_step(self, losses: dict[str, Tensor], preds: Tensor, targets: Tensor) -> None:
        if self.train_record.append(losses, preds, targets):
            self._window_end = self.global_step, self._lr()

    def _log_full_window(self) -> None:
        """Logs a window of steps once it is known that its last one was taken, and not left out."""
        if self.train_record.is_full and not self.guard.is_watching:
            self._log_window()

    def _log_window(self) -> None:
        step, lr = self._window_end if self.train_record.is_full else (self.global_step, self._lr())
        values = {f"train/{name}": value for name, value in self.train_record.flush().items()}
        if values:
            values["lr"] = lr
            for logger in self.loggers:
                logger.log_metrics(values, step=step)

    def _lr(self) -> float:
        return float(max(group["lr"] for group in self.trainer.optimizers[0].param_groups))

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Refuses a step from a loss or from gradients that are not finite, or leaves it out.

        Raises:
            TrainingStopped: the step was refused; the weights are those from before it.
        """
        if what := self.guard.check(optimizer, is_scaled=self._scales_loss):
            self._refuse_step(what, optimizer)

    def _refuse_step(self, what: str, optimizer: Optimizer) -> None:
        place, names = self.guard.report(self.model, what=what, forward=self._replay_step, name=self._sample_name)
        problem = self._describe(what, place, names)
        if self.guard.action == "skip":
            self.train_record.drop(self.guard.skip(self.model, optimizer))
            left_out = f"left out ({self.guard.num_skipped} of at most {self.guard.max_skipped})"
            print(f"{problem}; {left_out}", file=sys.stderr, flush=True)
            return
        if self.trainer.is_global_zero:
            everything = {"problem": problem, "step": self.global_step + 1, "lr": self._lr(), "place": place}
            everything |= {"samples": names, "last_losses": [str(float(loss)) for loss in self.guard.history]}
            with suppress(OSError):  # a full disk must not hide why the run stops
                write_json(Path(self.trainer.default_root_dir) / "not_finite.json", everything)
        if place.startswith("the batch"):
            raise TrainingStopped(names[0] if names else "data", problem, "mend or remove the samples")
        raise TrainingStopped(self.lr_option, problem, self.nonfinite_remedy)

    def _replay_step(self, batch_idx: int, batch: Batch) -> None:
        self._seed_step(batch_idx)
        with self.trainer.precision_plugin.forward_context():
            self.replay(batch)

    def _sample_name(self, index: int) -> str:
        own, numbered = self.trainer.datamodule.sample_name("train", index), f"train[{index}]"  # type: ignore[attr-defined]
        return own if own == numbered else f"{numbered} {own}"

    def _describe(self, what: str, place: str, names: list[str]) -> str:
        step = f"step {self.global_step + 1} (epoch {self.current_epoch + 1})"
        samples = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        losses = ", ".join(f"{float(loss):.4g}" for loss in self.guard.history)
        at = f"at {step}, lr {self._lr():g}: first in {place}"
        return f"the {what} is not finite {at}, samples {samples}, last losses {losses}"

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
            for number, optimizer in enumerate(self.trainer.optimizers):
                renew_options(optimizer, schedules[number] if schedules else None, self._options[number])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what has been gathered since the epoch began, and since the last optimizer step."""
        loop = self.trainer.fit_loop.epoch_loop
        within = batches_done(self.trainer) % self.batches_a_step and not loop._is_training_done
        gradients = {name: p.grad for name, p in self.named_parameters() if within and p.grad is not None}
        checkpoint["task"] = {
            "ranks": self._of_each_rank(
                {"train_record": self.train_record.state(), "gradients": gradients, "own": self.own_state()}
            ),
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
        self.load_own_state(own["own"])
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

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Drops the gradients; `Optimizer.zero_grad` does the same through a profiler's and a compiler's guard."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def setup(self, stage: str) -> None:
        """Looks once who moves batches; Lightning asks anew for each of three hooks, for each batch."""
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
