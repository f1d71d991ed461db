"""Segmentation learns, refuses models of other data in words, and keeps nothing large between its steps."""

import json

import pytest
import torch

from zoo.config.check import OptionErrors
from zoo.config.entry import compose
from zoo.data.digits_canvas import DigitsCanvas
from zoo.errors import OptionError
from zoo.losses.segmentation import SegmentationLoss
from zoo.metrics.segmentation import iou
from zoo.models.segmentation.unet import UNet
from zoo.run import evaluate, train
from zoo.tasks.segmentation import SegmentationTask


def test_it_learns_a_batch_by_heart():
    canvases = DigitsCanvas(num_train=4, num_val=1, num_test=1, image_size=32, most_digits=1, smallest=20, largest=24)
    drawn = canvases.load(0)["train"]
    batch = {"input": (drawn.images.float() - 90) / 40, "target": drawn.masks.long(), "index": torch.arange(4)}
    torch.manual_seed(0)
    model = UNet(11, 1, depth=2, width=8)
    task = SegmentationTask(model, criterion=SegmentationLoss(dice=1.0), optimizer=torch.optim.Adam)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(80):
        optimizer.zero_grad()
        task.losses(task(batch), batch)["loss"].backward()
        optimizer.step()
    assert iou(task.compare(task(batch), batch)[0].sum(0)).nanmean() > 0.9


def test_a_run_is_judged_alike_by_its_checkpoint_and_on_no_other_kind_of_data(tmp_path):
    counts = [f"data.source.num_{split}={count}" for split, count in (("train", 8), ("val", 4), ("test", 4))]
    size = ["data=digits_segmentation", "data.image_size=24", "data.source.largest=20", "data.batch_size=8"]
    quiet = ["logger.tensorboard=null", "callbacks.model_graph=null", "callbacks.console=null"]
    small = ["model.depth=1", "model.width=2", "trainer=cpu", "trainer.max_epochs=1"]
    train(compose([*size, *counts, *quiet, *small, f"output_dir={tmp_path}"]))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
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
