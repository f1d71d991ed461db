"""Runs that write texts, of pairs and of strings of tones: trained by a command, judged by the checkpoint alone."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.pairs import options, samples, write_tsv
from zoo.config.check import OptionErrors
from zoo.config.entry import compose
from zoo.errors import DataError, OptionError
from zoo.run import evaluate, train

TONES = [
    *("data=tone_strings", "data.num_samples=48", "data.num_val_samples=9", "data.num_test_samples=8"),
    *("data.source.num_samples=105", "data.source.num_test_samples=42", "data.batch_size=16", "data.max_words=3"),
    *("model.hidden_size=16", "model.num_layers=1", "model.width=4", "trainer=cpu", "trainer.max_epochs=2"),
]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def metrics_of(run: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return values


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    path = write_tsv(folder / "a.tsv", samples(80))
    train(compose(options(path, "trainer.max_epochs=3", f"output_dir={folder / 'run'}")))
    return folder / "run"


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tones")
    train(compose([*TONES, f"output_dir={folder / 'run'}"]))
    return folder / "run"


def test_predictions_stand_beside_source_and_truth(pairs: Path) -> None:
    rows, known = rows_of(pairs / "report" / "predictions.csv"), dict(samples(80))
    assert len(rows) == 8 and [int(row["index"]) for row in rows] == list(range(8))
    for row in rows:
        assert row["name"].startswith("a.tsv row ") and known[row["source"]] == row["target"]
        assert (row["prediction"] == row["target"]) == (row["correct"] == "true")
    share = sum(row["correct"] == "true" for row in rows) / 8
    assert share == metrics_of(pairs)["test/exact_match"]
    assert (pairs / "report" / "attention.png").stat().st_size > 1000


def test_strings_are_named_by_their_sounds_and_both_decoders_are_shown(tones: Path) -> None:
    rows = rows_of(tones / "report" / "predictions.csv")
    assert list(rows[0]) == ["index", "name", "target", "greedy", "beam", "correct"]
    assert len(rows) == 8 and all(row["name"].count("+") + 1 == len(row["target"]) for row in rows)
    assert metrics_of(tones)["test/word_error_rate"] == metrics_of(tones)["test/character_error_rate"] > 0


@pytest.mark.parametrize("kind", ["pairs", "tones"])
def test_the_moved_checkpoint_alone_repeats_the_test(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    run: Path = request.getfixturevalue(kind)
    moved = tmp_path / "moved.ckpt"
    moved.write_bytes((run / "checkpoints" / "best.ckpt").read_bytes())
    again = evaluate(compose([f"ckpt={moved}", f"output_dir={tmp_path / 'own'}"], "evaluate"))
    tested = {name: value for name, value in metrics_of(run).items() if name.startswith("test/")}
    assert again == pytest.approx(tested, abs=1e-6)
    predictions = [folder / "predictions.csv" for folder in (run / "report", tmp_path / "own")]
    assert predictions[0].read_text() == predictions[1].read_text()


def test_other_pairs_are_judged_as_a_whole_with_the_checkpoints_characters(pairs: Path, tmp_path: Path) -> None:
    other = write_tsv(tmp_path / "b.tsv", [*samples(20), ("zebra", "arbez")])
    given = ["data=text_pairs", f"data.path={other}", "data.source=word", "data.target=backwards"]
    metrics = evaluate(compose([f"ckpt={pairs}", *given, f"output_dir={tmp_path / 'other'}"], "evaluate"))
    assert 0 <= metrics["test/exact_match"] < 1
    rows = rows_of(tmp_path / "other" / "predictions.csv")
    assert len(rows) == 21 and (rows[-1]["target"], rows[-1]["correct"]) == ("arbez", "false")
    bad = [f"ckpt={pairs}", *given[:-1], "data.target=wards", f"output_dir={tmp_path / 'bad'}"]
    with pytest.raises(OptionError, match=r"data.target: .* has no column wards; its columns are word, backwards"):
        evaluate(compose(bad, "evaluate"))


def test_an_evaluation_chooses_the_decoder_anew(tones: Path, tmp_path: Path) -> None:
    given = [f"ckpt={tones}", f"output_dir={tmp_path}", "decoder=beam", "beam_width=2"]
    evaluate(compose(given, "evaluate"))
    assert list(rows_of(tmp_path / "predictions.csv")[0])[3:5] == ["beam", "greedy"]
    with pytest.raises(OptionErrors, match=r"task.decoder: unknown choice bean; did you mean beam"):
        evaluate(compose([f"ckpt={tones}", "decoder=bean"], "evaluate"))
    with pytest.raises(OptionError, match=r"task.beam_width: is part of the checkpoint; give beam_width=3 instead"):
        evaluate(compose([f"ckpt={tones}", "task.beam_width=3"], "evaluate"))


def test_a_decoder_is_refused_where_none_can_be_chosen(pairs: Path) -> None:
    with pytest.raises(OptionError, match="decoder: is for transcriptions, which the checkpoint does not make"):
        evaluate(compose([f"ckpt={pairs}", "decoder=beam"], "evaluate"))


def test_models_swap_within_the_task_and_others_are_refused(tmp_path: Path) -> None:
    for data in ("dates", "tone_strings"):
        for model in ("gru", "rnn"):
            assert compose([f"data={data}", f"model={model}"]).model.cell == model
    with pytest.raises(OptionErrors, match=r"model: needs data.num_classes, which these data do not have"):
        compose(["data=dates", "model=textcnn"])
    path = write_tsv(tmp_path / "empty.tsv", [])
    with pytest.raises(DataError, match="has a header but no rows"):
        train(compose(options(path)))
