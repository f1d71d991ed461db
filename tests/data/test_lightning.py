"""Loaders of our own inside Lightning's loops: what it accepts, and what it tells them."""

from itertools import chain
from pathlib import Path

import lightning
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from zoo.data.augment import BatchAugment
from zoo.data.image_folder import ImageFolder
from zoo.data.memory_images import MemoryImages
from zoo.data.synthetic_images import SyntheticImages

# Lightning 2.6 makes leaves of a tree the way that torch 2.11 calls old.


class Recorder(lightning.LightningModule):
    """A linear classifier that notes which samples each step saw, and the first value of each."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3 * 8 * 8, 4)
        self.seen: list[tuple[str, int, list[int]]] = []
        self.pixels: list[torch.Tensor] = []

    def training_step(self, batch, batch_idx):
        self.seen.append(("train", self.current_epoch, batch["index"].tolist()))
        self.pixels.append(batch["input"][:, 0, 0, 0])
        return F.cross_entropy(self.linear(batch["input"].flatten(1)), batch["target"])

    def validation_step(self, batch, batch_idx):
        assert batch["input"].dtype == torch.float32
        self.seen.append(("val", self.current_epoch, batch["index"].tolist()))

    def test_step(self, batch, batch_idx):
        self.seen.append(("test", self.current_epoch, batch["index"].tolist()))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def steps(self, stage: str) -> list[tuple[int, list[int]]]:
        return [(epoch, index) for name, epoch, index in self.seen if name == stage]


class SaveAfter(lightning.Callback):
    """Saves a checkpoint after a step."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def data_of(**options) -> MemoryImages:
    source = SyntheticImages(num_samples=100, num_test_samples=20, num_classes=4, image_size=8)
    data = MemoryImages(source=source, batch_size=16, augment=BatchAugment(crop=2, flip=0.5), **options)
    data.facts()
    return data


def trainer_of(**options) -> lightning.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return lightning.Trainer(**{**quiet, "enable_checkpointing": False, "max_epochs": 3, **options})


def test_lightning_tells_the_epoch_and_takes_every_batch():
    model, data, trainer = Recorder(), data_of(), trainer_of()
    trainer.fit(model, datamodule=data)
    trainer.test(model, datamodule=data, verbose=False)
    epochs = [[index for epoch, index in model.steps("train") if epoch == number] for number in range(3)]
    assert [len(batches) for batches in epochs] == [5, 5, 5]
    for number, batches in enumerate(epochs):
        order = data.train_dataloader().sampler
        order.set_epoch(number)
        assert list(chain(*batches)) == order.rows()[:80].tolist()
    assert sorted(chain(*(index for _, index in model.steps("test")))) == list(range(20))


@pytest.mark.parametrize("options", [{"limit_train_batches": 2}, {"limit_train_batches": 0.5}, {"fast_dev_run": 1}])
def test_lightning_can_limit_the_batches(options):
    model = Recorder()
    trainer_of(**options).fit(model, datamodule=data_of())
    assert len(model.steps("train")) == (1 if "fast_dev_run" in options else 6)


def test_overfitting_sees_the_same_batches_in_every_epoch_and_augments_none():
    model = Recorder()
    trainer_of(overfit_batches=2).fit(model, datamodule=data_of())
    batches = [index for _, index in model.steps("train")]
    assert batches == [list(range(16)), list(range(16, 32))] * 3
    assert torch.equal(model.pixels[0], model.pixels[2]) and torch.equal(model.pixels[1], model.pixels[5])


def test_lightning_takes_batches_that_workers_decode(tmp_path):
    for number in range(40):
        path = tmp_path / f"class {number % 4}" / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9), (number, 0, 0)).save(path)
    data = ImageFolder(root=str(tmp_path), image_size=8, batch_size=8, num_workers=1)
    data.facts()
    model, trainer = Recorder(), trainer_of(max_epochs=2)
    trainer.fit(model, datamodule=data)
    trainer.test(model, datamodule=data, verbose=False)
    order = data.train_dataloader().sampler
    for epoch in range(2):
        order.set_epoch(epoch)
        assert (
            list(chain(*(index for own, index in model.steps("train") if own == epoch))) == order.rows()[:24].tolist()
        )
    assert list(chain(*(index for _, index in model.steps("test")))) == list(range(6))


@pytest.mark.parametrize("step", [2, 5, 7])
def test_a_run_resumed_within_an_epoch_sees_what_was_left_of_it(tmp_path, step):
    whole, resumed = Recorder(), Recorder()
    trainer_of(callbacks=SaveAfter(step, tmp_path / "middle.ckpt")).fit(whole, datamodule=data_of())
    trainer_of().fit(resumed, datamodule=data_of(), ckpt_path=tmp_path / "middle.ckpt", weights_only=True)
    assert resumed.steps("train") == whole.steps("train")[step:]
    assert torch.equal(torch.stack(resumed.pixels), torch.stack(whole.pixels[step:]))
