"""The report of a run, from its files alone: nothing is made up, nothing is let out of its quotation marks."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.metrics import f1_score, roc_auc_score

from zoo.cli.report import main
from zoo.errors import DataError
from zoo.report.files import read_files
from zoo.report.intervals import intervals
from zoo.report.page import write_report
from zoo.report.statistics import auroc, bootstrap, f1_macro, wilson

ROOT = Path(__file__).parents[2]
RIGHT, TOTAL = 80, 100
CONFIG = {
    "model": {"_target_": "zoo.models.mlp.MLP", "dropout": 0.1},
    "task": {"_target_": "zoo.tasks.classification.ClassificationTask", "monitor": "val/accuracy"},
    "data": {"_target_": "zoo.data.memory_images.MemoryImages", "batch_size": 64, "in_channels": 1, "image_size": 8},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.003},
    "seed": 3,
}
VERDICT = {"name": "overfitting", "finding": "a gap of 1 < 2", "remedies": ["model.dropout=0.3"], "step": 4, "epoch": 2}


def table(path: Path, rows: list[list[object]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of a classifier of two classes, one of which has a name that is HTML."""
    metrics = {"test/accuracy": RIGHT / TOTAL, "test/loss": 0.5, "val/accuracy": 0.9, "status": "completed"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "metrics.json").write_text(json.dumps(metrics | {"seconds_total": 12.0, "num_parameters": 1234}))
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump(["data=digits", "++model.dropout=0.1"]))
    (tmp_path / "environment.json").write_text(json.dumps({"class_names": ["<b>", "oak"], "samples": {"test": TOTAL}}))
    (tmp_path / "verdicts.json").write_text(json.dumps({"verdicts": [VERDICT]}))
    names = ["epoch", "step", "lr", "train/loss", "val/loss", "val/accuracy"]
    table(
        tmp_path / "metrics.csv",
        [names, ["", 1, 0.1, 2.0, "", ""], ["", 2, 0.1, 1.0, "", ""], [0, 2, "", 1.5, 1.1, 0.9]],
    )
    wrong = [[f"{place}.png", "<b>", "oak", 0.9] for place in range(TOTAL - RIGHT)]
    rows = [[f"{place}.png", "oak", "oak", 0.9] for place in range(RIGHT)] + wrong
    table(tmp_path / "report" / "predictions.csv", [["name", "target", "prediction", "confidence"], *rows])
    table(tmp_path / "report" / "worst_mistakes.csv", [["name", "target"], *[row[:2] for row in wrong]])
    Image.new("RGB", (20, 10)).save(tmp_path / "report" / "confusion_matrix.png")
    return tmp_path


def test_a_report_tells_what_was_trained_how_well_and_what_went_wrong(run: Path) -> None:
    page, card = (file.read_text() for file in write_report(run))
    for told in (
        "mlp on",
        "dropout 0.1",
        "learning rate 0.003",
        "0.7112 to 0.8666",
        "model.dropout=0.3",
        "a gap of 1 &lt; 2",
    ):
        assert told in page.replace("MLP on", "mlp on"), told
    assert "python train.py data=digits model.dropout=0.1 seed=3" in page
    assert "5 more stand in worst_mistakes.csv" in page
    assert page.count("data:image/png;base64,") == 2  # curves, and the confusion matrix
    front = yaml.safe_load(card.split("---")[1])
    assert {"type": "accuracy", "value": 0.8, "name": "test/accuracy"} in front["model-index"][0]["results"][0][
        "metrics"
    ]
    assert "overfitting: a gap of 1 \\< 2" in card


def test_names_of_classes_are_no_html_and_the_page_asks_for_nothing_outside(run: Path) -> None:
    page = write_report(run)[0].read_text()
    assert "<b>, oak" not in page and "&lt;b&gt;, oak" in page
    assert "http" not in page and "<script" not in page and "<link" not in page


def test_an_interval_is_given_only_of_the_metric_that_the_table_is_of(run: Path) -> None:
    assert list(intervals(read_files(run))) == ["test/accuracy"]
    (run / "metrics.json").write_text(json.dumps({"test/accuracy": 0.7}))
    assert intervals(read_files(run)) == {}


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(10, 10)[1] == pytest.approx(1) and wilson(0, 10)[0] == pytest.approx(0)


def test_the_f1_score_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    targets, preds = draw.integers(0, 4, 50), draw.integers(0, 4, 50)
    counts = np.zeros((1, 5, 5))  # the last class is neither there nor predicted
    np.add.at(counts[0], (targets, preds), 1)
    assert f1_macro(counts)[0] == pytest.approx(f1_score(targets, preds, average="macro"))


def scored(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns probabilities (N, 3), in places equal, and true classes."""
    draw = np.random.default_rng(seed)
    targets = draw.integers(0, 3, size)
    scores = np.exp(draw.normal(0, 1, (size, 3)) + 1.2 * np.eye(3)[targets]).round(1)
    return scores / scores.sum(1, keepdims=True), targets


def test_the_area_under_the_roc_curve_is_that_of_scikit_learn() -> None:
    probabilities, targets = scored(200, 0)
    area, (low, high) = auroc(probabilities, targets) or (0, (0, 0))
    assert area == pytest.approx(roc_auc_score(targets, probabilities, multi_class="ovr"))
    assert 0 < low < area < high < 1


def test_the_interval_of_the_area_holds_the_true_one_in_most_samples() -> None:
    truth = (auroc(*scored(100_000, 0)) or (0,))[0]
    found = [auroc(*scored(100, seed)) for seed in range(1, 301)]
    held = sum(each is not None and each[1][0] <= truth <= each[1][1] for each in found)
    assert 0.92 <= held / len(found) <= 0.98


def test_nothing_is_said_of_an_area_without_mistakes_or_without_a_rest() -> None:
    assert auroc(np.eye(2)[[0, 1, 0]], np.array([0, 1, 0])) is None
    assert auroc(np.eye(2)[[0, 1, 0]], np.array([1, 1, 1])) is None


def test_metrics_of_all_images_have_the_intervals_that_their_report_wrote(run: Path) -> None:
    rows = [["metric", "value", "low", "high"], ["map", "0.5", "0.4", "0.6"], ["map_50", "0.9", "0.8", "0.95"]]
    table(run / "report" / "intervals.csv", rows)
    (run / "metrics.json").write_text(json.dumps({"test/map": 0.5, "test/map_50": 0.7}))
    assert intervals(read_files(run)) == {"test/map": (0.4, 0.6)}


@pytest.mark.parametrize("kept", ["config.yaml", "metrics.json"])
def test_what_is_missing_is_named_and_the_rest_is_told(run: Path, kept: str) -> None:
    for file in run.iterdir():
        if file.is_file() and file.name != kept:
            file.unlink()
    page = write_report(run)[0].read_text()
    assert "Not there when this was written: " in page and "environment.json" in page


def test_damaged_files_are_as_missing_ones(run: Path) -> None:
    (run / "environment.json").write_text("{")
    (run / "metrics.csv").write_bytes(b"\xff\xfe\x00")
    (run / "report" / "confusion_matrix.png").write_bytes(b"\x89PNG cut off")
    assert {"environment.json", "metrics.csv"} <= set(read_files(run).missing)
    assert "metrics.csv, confusion_matrix.png" in write_report(run)[0].read_text()


def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match="holds no run"):
        read_files(tmp_path)
    assert main([str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/nowhere: there is no such folder")


def test_a_large_picture_is_packed(run: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1200, 2400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(run / "report" / "samples.png")
    page = write_report(run)[0].read_text()
    assert "data:image/jpeg;base64," in page and len(page) < 3_000_000


def test_neither_torch_nor_lightning_is_imported(run: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "zoo", "report", str(run)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert not {"torch", "lightning"} & {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}


def test_mistakes_are_listed_where_nothing_else_tells_of_the_worst(run: Path) -> None:
    (run / "report" / "worst_mistakes.csv").unlink()
    rows = [
        [0, "a", "oak", "oak", "true", 0.9],
        [1, "b", "oak", "ash", "false", 0.6],
        [2, "c", "ash", "oak", "false", 0.8],
    ]
    table(
        run / "report" / "predictions.csv", [["index", "name", "target", "prediction", "correct", "confidence"], *rows]
    )
    page = write_report(run)[0].read_text()
    assert "Mistakes" in page and page.index("<td>c</td>") < page.index("<td>b</td>") and "<td>a</td>" not in page


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    for size in (1000, 10_000):  # by the bootstrap, and without
        values = np.random.default_rng(0).normal(2, 1, size)
        half = 1.96 * values.std() / np.sqrt(size)
        assert bootstrap(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.006)


def test_a_forecast_has_the_intervals_of_windows_that_do_not_overlap(run: Path) -> None:
    scores = np.random.default_rng(0).uniform(0.8, 1.2, 30)
    table(run / "report" / "backtest.csv", [["first_step", "mse"], *[[f"day {n}", s] for n, s in enumerate(scores)]])
    (run / "metrics.json").write_text(json.dumps({"test/mse": 1.0, "test/mae": 0.5}))
    found = intervals(read_files(run))
    assert list(found) == ["test/mse"] and found["test/mse"][0] < 1 < found["test/mse"][1]
    (run / "metrics.json").write_text(json.dumps({"test/mse": 3.0}))
    assert intervals(read_files(run)) == {}


def test_strings_that_all_differ_need_no_table_of_confusions(run: Path) -> None:
    rows = [[f"{n}", f"{n + n % 2}", "false" if n % 2 else "true"] for n in range(20_000)]
    table(run / "report" / "predictions.csv", [["target", "prediction", "correct"], *rows])
    (run / "metrics.json").write_text(json.dumps({"test/exact_match": 0.5}))
    assert list(intervals(read_files(run))) == ["test/exact_match"]
