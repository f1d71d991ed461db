"""What a person sees: the real TensorBoard over a run that the logger and the callbacks wrote."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.callbacks.browser import BROWSER, NAMES, Browser
from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo.callbacks.image_grid import AugmentedImages
from zoo.callbacks.model_graph import ModelGraph
from zoo.callbacks.prediction_report import PredictionReport
from zoo.callbacks.tensorboard import TensorBoard


def write_run(directory: Path, lr: float) -> None:
    torch.manual_seed(0)
    logger = TensorBoard(directory)
    logger.log_hyperparams({"model": {"_target_": "torch.nn.Sequential", "depth": 2}, "optimizer": {"lr": lr}})
    trainer = tiny_trainer(directory, logger=[logger], callbacks=[AugmentedImages(), ModelGraph()])
    task, data = TinyTask(), TinyData()
    trainer.fit(task, datamodule=data)
    trainer.callbacks = [PredictionReport(directory / "report")]
    trainer.test(task, datamodule=data, verbose=False)


class Page:
    """A running TensorBoard."""

    def __init__(self, logs: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        program = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1"]
        self.process = subprocess.Popen(
            [*program, "--port", self.url.rpartition(":")[2]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.wait_for_runs()

    def wait_for_runs(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if self.get("hparams/experiment", post={"experimentName": ""}).get("metricInfos"):
                    return
            except OSError:
                pass  # not up yet, or no hyper-parameters read yet
            assert self.process.poll() is None, "tensorboard has stopped"
            time.sleep(0.3)
        raise AssertionError("tensorboard shows no run")

    def get(self, path: str, *, post: Any = None) -> Any:
        body = None if post is None else json.dumps(post).encode()
        request = urllib.request.Request(
            f"{self.url}/data/plugin/{path}", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    logs = tmp_path_factory.mktemp("logs")
    for name, lr in (("slow", 0.01), ("quick", 0.1)):
        write_run(logs / name, lr)
    page = Page(logs)
    yield page
    page.process.terminate()
    page.process.wait(timeout=20)


def test_training_and_validation_share_charts_against_steps_and_epochs(page):
    tags = {run: set(found) for run, found in page.get("scalars/tags").items() if run.startswith("quick/")}
    curves = {"loss", "epoch/loss", "accuracy", "epoch/accuracy"}
    assert set(tags) == {f"quick/tensorboard/{run}" for run in ("train", "val", "test", "hparams")}
    assert curves | {"lr", "throughput/samples_per_second"} <= tags["quick/tensorboard/train"]
    assert tags["quick/tensorboard/val"] == curves
    assert tags["quick/tensorboard/test"] == {"loss", "accuracy"}
    points = page.get("scalars/scalars?tag=loss&run=quick%2Ftensorboard%2Ftrain")
    assert [step for _, step, _ in points] == list(range(9))
    points = page.get("scalars/scalars?tag=epoch%2Faccuracy&run=quick%2Ftensorboard%2Fval")
    assert [(step, round(value, 3)) for _, step, value in points] == [(0, 0.8), (1, 0.8), (2, 0.8)]


def test_pictures_and_text_are_there(page):
    images = page.get("images/tags")
    assert set(images["quick/tensorboard/train"]) == {"report/augmented_inputs"}
    report = {f"report/{name}" for name in ("confusion_matrix", "reliability", "worst_mistakes")}
    assert set(images["quick/tensorboard/test"]) == report
    assert page.get("text/tags")["quick/tensorboard/test"] == ["report/per_class/text_summary"]
    text = page.get("text/text?run=quick%2Ftensorboard%2Ftest&tag=report%2Fper_class%2Ftext_summary")
    assert "<table>" in text[0]["text"] and "mid, grey" in text[0]["text"]


def test_the_graph_of_the_model_is_there(page):
    assert page.get("graphs/info")["quick/tensorboard/train"]["run_graph"]
    with urllib.request.urlopen(f"{page.url}/data/plugin/graphs/graph?run=quick%2Ftensorboard%2Ftrain") as response:
        assert b"Conv2d" in response.read()


def test_hyperparameters_stand_beside_the_final_metrics(page):
    experiment = page.get("hparams/experiment", post={"experimentName": ""})
    assert [info["name"] for info in experiment["hparamInfos"] if info.get("differs")] == ["optimizer.lr"]
    metrics = ["accuracy", "loss"]
    columns = [f"{stage}/{metric}" for stage in ("test", "train", "val") for metric in metrics]
    assert [info["name"]["tag"] for info in experiment["metricInfos"]] == columns
    request = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_SUCCESS"],
        "colParams": [{"metric": info["name"]} for info in experiment["metricInfos"]],
        "startIndex": 0,
        "sliceSize": 10,
    }
    groups = page.get("hparams/session_groups", post=request)["sessionGroups"]
    rows = {
        group["hparams"]["optimizer.lr"]: {m["name"]["tag"]: round(m["value"], 3) for m in group["metricValues"]}
        for group in groups
    }
    assert set(rows) == {0.01, 0.1}
    final = {"test/accuracy": 0.9, "test/loss": 0.3, "train/accuracy": 0.6, "train/loss": 0.5}
    assert rows[0.1] == {**final, "val/accuracy": 0.8, "val/loss": 0.7}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if BROWSER is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.mark.parametrize(
    ("tab", "wanted"),
    [
        ("timeseries", ["quick/tensorboard/train", "quick/tensorboard/val", "epoch/accuracy", "epoch/loss"]),
        ("images", ["report/augmented_inputs", "report/confusion_matrix", "report/worst_mistakes"]),
        ("hparams", ["optimizer.lr", "0.1000", "test/accuracy", "0.9000"]),
        ("text", ["report/per_class", "mid, grey"]),
        ("graphs", ["Sequential"]),
    ],
)
def test_the_page_shows_the_run_in_a_browser(page, browser, tab, wanted):
    assert browser.missing(f"{page.url}/#{tab}", wanted) == []
