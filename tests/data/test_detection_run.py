"""Runs on boxes: trained on files of one format, and judged on those of another."""

import json

import pytest

from tests.data import boxes_on_disk
from zoo.config.entry import compose
from zoo.run import evaluate, train

SMALL = ["data.image_size=32", "data.batch_size=4", "data.num_workers=0", "model.width=4", "model.head_width=8"]
RUN = ["trainer=cpu", "trainer.max_epochs=1", "logger.tensorboard=null", "callbacks.model_graph=null"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("boxes")
    boxes_on_disk.coco(directory / "coco", 20)
    options = [f"data.root={directory / 'coco'}", f"output_dir={directory / 'run'}", *SMALL, *RUN]
    train(compose(["data=detection_coco", *options]))
    return directory / "run"


def test_own_images_are_trained_on_and_tested(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["status"] == "completed" and {"test/map", "test/map_50"} <= set(metrics)
    assert "num_classes: 2" in (run / "config.yaml").read_text()


@pytest.mark.parametrize("form", ["yolo", "csv", "voc"])
def test_other_formats_are_judged_as_a_whole(form, run, tmp_path):
    path = getattr(boxes_on_disk, form)(tmp_path / form, 20)
    given = ["data=detection_" + form, f"data.{'path' if form == 'csv' else 'root'}={path}", "data.num_workers=0"]
    metrics = evaluate(compose([f"ckpt={run}", f"output_dir={tmp_path / 'other'}", *given], "evaluate"))
    assert "test/map_50" in metrics
