"""A task and data small enough to fit in a second, which log as the tasks of the zoo do."""

import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

MEAN, STD = [0.5], [0.25]


class TinyData(lightning.LightningDataModule):
    class_names = ("dark", "mid, grey", "bright|white")

    def preprocessing(self) -> dict[str, Any]:
        return {"mean": MEAN, "std": STD, "image_size": 8, "in_channels": 1}

    def sample_name(self, split: str, index: int) -> str:
        return f"{split}/{index:03d}.png"

    def loader(self) -> DataLoader[dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(0)
        target = torch.arange(48) % 3
        images = (target.view(-1, 1, 1, 1) * 0.3 + torch.rand(48, 1, 8, 8, generator=generator) * 0.4).clamp(0, 1)
        inputs, index = (images - MEAN[0]) / STD[0], torch.arange(48)
        parts = zip(inputs.split(16), target.split(16), index.split(16), strict=True)
        return DataLoader(
            [dict(zip(("input", "target", "index"), part, strict=True)) for part in parts], batch_size=None
        )

    train_dataloader = val_dataloader = test_dataloader = loader


class TinyTask(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(144, 3))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        loss = nn.functional.cross_entropy(self.model(batch["input"]), batch["target"])
        for logger in self.loggers:
            logger.log_metrics({"train/loss": loss.item(), "lr": 0.05}, step=self.global_step)
        return loss

    def on_train_epoch_end(self) -> None:
        self.log_dict({"train/loss": 0.5, "train/accuracy": 0.6, "throughput/samples_per_second": 100.0})

    def on_validation_epoch_end(self) -> None:
        self.log_dict({"val/loss": 0.7, "val/accuracy": 0.8})

    def on_test_epoch_end(self) -> None:
        self.log_dict({"test/loss": 0.3, "test/accuracy": 0.9})

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> dict[str, Tensor]:
        preds = self.model(batch["input"]).softmax(dim=1)
        return {"preds": preds, "targets": batch["target"], "index": batch["index"]}

    validation_step = test_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05)


def tiny_trainer(directory: Path, **options: Any) -> lightning.Trainer:
    warnings.filterwarnings("ignore", module=r"lightning\..*")  # its advice, and its own outdated calls
    warnings.filterwarnings("ignore", message=r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*")
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    defaults = {"max_epochs": 3, "accelerator": "cpu", "devices": 1, "logger": False, "log_every_n_steps": 1}
    return lightning.Trainer(**{**quiet, **defaults, "default_root_dir": directory, **options})
