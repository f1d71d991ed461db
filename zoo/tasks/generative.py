"""What tasks with a generator share, however it was trained: samples of noise, and how they are judged."""

import copy
from collections.abc import Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from zoo.batch import Batch
from zoo.models.gan.pair import generate
from zoo.seeds import counted_seed
from zoo.tasks.resumable import ResumableModule
from zoo.tasks.stage_metrics import StageMetrics


class Judge(Protocol):
    """Judges the samples of a stage by more than a metric can be told."""

    @property
    def description(self) -> str | None:
        """By what; None where it is not told."""

    def update(self, images: Tensor, batch_idx: int, *, asked: Tensor | None = None) -> None:
        """Takes in generated samples, and the classes that they were to be of where the generator was told."""

    def compute(self) -> dict[str, Tensor]:
        """Returns metrics by name, over all processes, and starts anew."""


class GenerativeTask(ResumableModule):
    """Base of tasks with a generator, whose average over the steps is sampled, judged and kept.

    A concrete task trains `model`, averages the generator in it, and gives `evaluation_losses`.

    Args:
        generator: what makes samples of noise; `average` is a copy of it.
        metrics: metrics of validation and test, which compare generated with real samples.
        monitor: the logged metric that the best checkpoint follows.
        monitor_mode: whether more (`max`) or less (`min`) of it is better.
        seed: seed of the run, from which noise is drawn.

    Attributes:
        judges: by what the trainer does, "fit", "validate" or "test"; they are no part of the checkpoint.
    """

    def __init__(
        self,
        generator: nn.Module,
        *,
        metrics: Mapping[str, Metric],
        monitor: str,
        monitor_mode: Literal["min", "max"],
        seed: int,
    ) -> None:
        super().__init__(seed=seed, on_nonfinite="stop", max_skipped=1)
        self.average = copy.deepcopy(generator).requires_grad_(False)
        self.latent_dim: int = generator.latent_dim  # type: ignore[assignment]
        self.monitor, self.monitor_mode = monitor, monitor_mode
        test_metrics = {name: metric.clone() for name, metric in metrics.items()}
        self.train_record = StageMetrics({}, finish=lambda preds: preds)
        self.val_record = StageMetrics(metrics, finish=lambda preds: preds)
        self.test_record = StageMetrics(test_metrics, finish=lambda preds: preds)
        self._validation_record = self.val_record
        self.judges: Mapping[str, Judge] = {}

    def evaluation_losses(self, real: Tensor, fake: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Returns what is logged of a batch beside the metrics.

        Args:
            real: samples, (B, ...).
            fake: generated ones, likewise.
            labels: classes, (B,).
        """
        raise NotImplementedError

    def next_commands(self, directory: str) -> list[str]:
        """Offers more samples."""
        return [f"-m zoo sample ckpt={directory}"]

    @property
    def num_classes(self) -> int | None:
        """How many classes the generator is told of; None of a generator that is told none."""
        count: int | None = getattr(self.average, "num_classes", None)
        return count

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Returns samples of the averaged generator."""
        return generate(self.average, noise, labels)

    @torch.no_grad()
    def sample(self, noise: Tensor, labels: Tensor, *counters: int | str) -> Tensor:
        """Returns samples of the averaged generator, whose own noise, if it has any, is a function of counters."""
        torch.manual_seed(counted_seed("sample", *counters))
        samples: Tensor = self(noise.to(self.device).to(self.dtype), labels.to(self.device))
        return samples

    def noise(self, count: int, *counters: int | str) -> Tensor:
        """Returns noise (B, Z) that is a function of the run's seed and of counters, on every device alike."""
        draw = torch.Generator().manual_seed(counted_seed("noise", self.seed, *counters))
        return torch.randn(count, self.latent_dim, generator=draw).to(self.device).to(self.dtype)

    def setup(self, stage: str) -> None:
        """Prepares for fit, validate or test; a validation that is no part of a fit stands in for a test."""
        super().setup(stage)
        self._validation_record = self.test_record if stage == "validate" else self.val_record

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Compares generated samples, always of the same noise, with a batch; returns both."""
        return self._evaluation_step(batch, batch_idx, self._validation_record)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Compares generated samples with a batch; returns both."""
        return self._evaluation_step(batch, batch_idx, self.test_record)

    def _evaluation_step(self, batch: Batch, batch_idx: int, record: StageMetrics) -> dict[str, Tensor]:
        real, labels = batch["input"].to(self.dtype), labels_of(batch)
        torch.manual_seed(counted_seed("evaluation", self.seed, batch_idx))  # of noise within a generator
        fake = self(self.noise(len(real), batch_idx, self.global_rank), labels)
        if record.append(self.evaluation_losses(real, fake, labels), fake, real):
            record.feed()
        if judge := self.judge:
            judge.update(fake, batch_idx, asked=None if self.num_classes is None else labels)
        return {"generated": fake, "real": real}

    def on_train_epoch_end(self) -> None:
        """Logs the epoch's losses."""
        self._log_window()
        self._log_record("train", self.train_record)

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics of validation."""
        self._log_record("val", self._validation_record, logger=self._validation_record is self.val_record)

    def on_test_epoch_end(self) -> None:
        """Logs the metrics of test."""
        self._log_record("test", self.test_record)

    @property
    def judge(self) -> Judge | None:
        """Who judges what the trainer does now."""
        return self.judges.get(str(self.trainer.state.fn.value)) if self.trainer.state.fn else None

    def facts(self) -> dict[str, str]:
        """Returns what the metrics of samples stand on."""
        described = [judge.description for judge in self.judges.values() if judge.description]
        return {"features": described[0]} if described else {}

    def _log_record(self, stage: str, record: StageMetrics, *, logger: bool = True) -> None:
        values = record.compute()
        if stage != "train" and (judge := self.judge):
            values |= judge.compute()
        self.log_dict({f"{stage}/{name}": value for name, value in values.items()}, logger=logger)


def labels_of(batch: Batch) -> Tensor:
    """Returns the classes (B,) of a batch, 0 where it has none."""
    found = batch.get("target")
    return batch["index"].new_zeros(len(batch["index"])).long() if found is None else found
