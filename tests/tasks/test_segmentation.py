"""Segmentation learns, refuses models of other data in words, and keeps nothing large between its steps."""

import json

import pytest
import torch

from zoo.config.check import OptionErrors
from zoo.config.entry import compose
from zoo.errors import OptionError
from zoo.losses.segmentation import SegmentationLoss
from zoo.models.segmentation.unet import UNet
from zoo.run import evaluate, train
from zoo.tasks.segmentation import SegmentationTask

TINY = [
    *("data=digits_segmentation", "data.source.num_train=4", "data.source.num_val=4", "data.source.num_test=4"),
    *(
        "data.image_size=32",
        "data.source.most_digits=1",
        "data.source.smallest=20",
        "data.source.largest=24",
        "data.batch_size=4",
    ),
    *("data.augment.rotate=0", "data.augment.scale=0", "model.depth=2", "model.width=8", "trainer=cpu"),
    *("logger.tensorboard=null", "callbacks.model_graph=null", "callbacks.console=null"),
]


def test_it_learns_a_batch_by_heart_and_is_judged_alike_by_its_checkpoint(tmp_path):
    epochs = ["trainer.max_epochs=80", "trainer.check_val_every_n_epoch=80", "trainer.log_every_n_steps=10"]
    train(compose([*TINY, *epochs, "scheduler=constant", "optimizer.lr=0.01", f"output_dir={tmp_path}"]))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["train/mean_iou"] > 0.9
    judged = evaluate(compose([f"ckpt={tmp_path}", "trainer.accelerator=cpu"], "evaluate"))
    for name in ("loss", "mean_iou", "pixel_accuracy", "mean_dice"):
        assert judged[f"test/{name}"] == pytest.approx(metrics[f"test/{name}"], abs=1e-5)
    with pytest.raises(OptionError, match="the checkpoint names classes of pixels, but these data have others"):
        evaluate(compose([f"ckpt={tmp_path}", "data=digits"], "evaluate"))


def test_a_classifier_of_images_is_refused_in_words():
    with pytest.raises(OptionErrors, match=r"model: needs data.num_classes, which these data do not have"):
        compose(["data=digits_segmentation", "model=convnet"])
    with pytest.raises(OptionErrors, match=r"model: needs data.num_mask_classes, which these data do not have"):
        compose(["data=digits", "model=unet"])


def test_an_auxiliary_head_adds_its_share():
    logits = torch.randn(2, 3, 4, 8, 8)
    batch = {"target": torch.randint(4, (3, 8, 8)), "index": torch.arange(3)}
    task = SegmentationTask(UNet(4, 1, depth=1, width=2), criterion=SegmentationLoss(), optimizer=torch.optim.SGD)
    losses = task.losses(logits, batch)
    main, auxiliary = (task.criterion(part, batch["target"]) for part in logits)
    torch.testing.assert_close(losses["loss"], main + 0.4 * auxiliary)
    counts, rows = task.compare(logits, batch)
    assert counts.shape == (3, 3, 4) and rows.shape == (3,)
    assert counts[:, 0].sum() == (logits[0].argmax(1) == batch["target"]).sum()
