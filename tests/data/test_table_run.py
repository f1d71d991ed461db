"""Runs on a table: trained on by a command of its own, judged on another file, refused by models of images."""

import csv
import json

import pytest

from tests.data.tables import KINDS, rows, with_cell, write
from zoo.config.entry import compose
from zoo.errors import DataError, OptionError
from zoo.run import evaluate, train


def options(path, directory, *more: str) -> list[str]:
    return ["data=table", f"data.path={path}", "data.target=kind", "trainer=cpu", f"output_dir={directory}", *more]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on rows whose classes lie a unit apart, with a deviation of 0.3."""
    directory = tmp_path_factory.mktemp("table")
    path = write(directory / "a.csv", rows(240))
    train(compose(options(path, directory / "run")))
    return directory / "run"


def test_a_table_is_learned_by_the_model_that_it_brings(run):
    assert json.loads((run / "metrics.json").read_text())["test/accuracy"] >= 0.9
    assert "zoo.models.mlp.MLP" in (run / "config.yaml").read_text()


def test_predictions_are_named_by_file_and_row(run):
    with (run / "report" / "predictions.csv").open() as file:
        predictions = list(csv.DictReader(file))
    assert len(predictions) == 36
    assert {row["name"].rpartition(" ")[0] for row in predictions} == {"a.csv row"}
    of_row = {f"a.csv row {line}": row[3] for line, row in enumerate(rows(240), 2)}
    assert all(of_row[row["name"]] == row["target"] for row in predictions)


def test_evaluation_repeats_the_test_and_takes_other_files_as_a_whole(run, tmp_path):
    again = evaluate(compose([f"ckpt={run}", f"output_dir={tmp_path / 'own'}"], "evaluate"))
    tested = json.loads((run / "metrics.json").read_text())
    assert again["test/nll"] == pytest.approx(tested["test/nll"], abs=1e-6)
    other = write(tmp_path / "b.csv", [row for row in rows(30) if row[3] != KINDS[0]])
    given = ["data=table", f"data.path={other}", "data.target=kind", f"output_dir={tmp_path / 'other'}"]
    assert evaluate(compose([f"ckpt={run}", *given], "evaluate"))["test/accuracy"] >= 0.9
    assert len((tmp_path / "other" / "predictions.csv").read_text().splitlines()) == 21


def test_a_class_that_the_checkpoint_does_not_know_is_refused(run, tmp_path):
    other = write(tmp_path / "b.csv", with_cell(0, 3, "fir"))
    given = [f"ckpt={run}", f"data.path={other}", f"output_dir={tmp_path / 'other'}"]
    with pytest.raises(DataError, match=r"b.csv row 2 column kind: classes fir are not among the checkpoint's"):
        evaluate(compose(given, "evaluate"))


@pytest.mark.parametrize("model", ["convnet", "lenet"])
def test_a_model_of_images_is_refused_in_one_line(tmp_path, model):
    path = write(tmp_path / "a.csv")
    with pytest.raises(OptionError, match=r"model: .*rows of .*; set model=mlp"):
        train(compose(options(path, tmp_path / "run", f"model={model}")))
    assert not (tmp_path / "run").exists()
