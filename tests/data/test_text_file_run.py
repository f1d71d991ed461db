"""Runs on a file of texts: trained on by a command of its own, judged from the moved checkpoint alone and on others."""

import csv
import json

import pytest

from tests.data.texts import options, samples, with_text, write_csv, write_json
from zoo.config.entry import compose
from zoo.errors import DataError, OptionError
from zoo.run import evaluate, train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("texts")
    path = write_csv(directory / "a.csv", samples(240))
    more = ["trainer.max_epochs=6", "data.word_dropout=0.1", "model.embed_dim=32"]
    train(compose(options(path, *more, f"output_dir={directory / 'run'}")))
    return directory / "run"


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_texts_are_learned_by_the_model_that_they_bring(run):
    assert json.loads((run / "metrics.json").read_text())["test/accuracy"] >= 0.9
    assert "zoo.models.cnn.text_cnn.TextCNN" in (run / "config.yaml").read_text()


def test_predictions_are_named_by_file_and_row_and_show_the_text(run):
    predictions = rows_of(run / "report" / "predictions.csv")
    assert len(predictions) == 36
    of_row = {f"a.csv row {line}": sample for line, sample in enumerate(samples(240), 2)}
    assert all(of_row[row["name"]] == (row["text"], row["target"]) for row in predictions)
    assert [int(row["index"]) for row in predictions] == list(range(36))


def test_the_moved_checkpoint_alone_repeats_the_test(run, tmp_path):
    tested = json.loads((run / "metrics.json").read_text())
    moved = tmp_path / "moved.ckpt"
    moved.write_bytes((run / "checkpoints" / "best.ckpt").read_bytes())
    again = evaluate(compose([f"ckpt={moved}", f"output_dir={tmp_path / 'own'}"], "evaluate"))
    assert again["test/nll"] == pytest.approx(tested["test/nll"], abs=1e-6)
    assert again["test/accuracy"] == tested["test/accuracy"]


def test_other_files_are_judged_as_a_whole_with_the_checkpoints_words(run, tmp_path):
    rows = [*samples(20), ("a zebra of unheard words", "bad"), ("fine zebra", "bad")]
    other = write_json(tmp_path / "b.jsonl", rows)
    given = ["data=text_file", f"data.path={other}", "data.text=review", "data.label=verdict"]
    metrics = evaluate(compose([f"ckpt={run}", *given, f"output_dir={tmp_path / 'other'}"], "evaluate"))
    assert metrics["test/accuracy"] >= 0.85
    assert len(rows_of(tmp_path / "other" / "predictions.csv")) == 22
    mistakes = rows_of(tmp_path / "other" / "worst_mistakes.csv")
    assert ("b.jsonl row 22", "fine zebra") in [(row["name"], row["text"]) for row in mistakes]
    shares = [float(row["confidence"]) for row in mistakes]
    assert shares == sorted(shares, reverse=True)


def test_a_class_that_the_checkpoint_does_not_know_is_refused(run, tmp_path):
    other = write_csv(tmp_path / "b.csv", with_text(4, "so so", "mixed"))
    given = [f"ckpt={run}", f"data.path={other}", f"output_dir={tmp_path / 'other'}"]
    with pytest.raises(DataError, match=r"b.csv row 6: classes mixed are not among the checkpoint's bad, good"):
        evaluate(compose(given, "evaluate"))


def test_a_model_of_images_is_refused(tmp_path):
    with pytest.raises(OptionError, match=r"model: needs data.in_channels, which these data do not have"):
        compose(options(write_csv(tmp_path / "a.csv"), "model=convnet"))
