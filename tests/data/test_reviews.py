"""SST-2 and MR as they lie on disk."""

import os

import pytest
import torch

from zoo.data.movie_reviews import NUM_FOLDS, MovieReviews
from zoo.data.sst2 import SST2
from zoo.errors import DataError

real = pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR, where sst2 and mr lie, is not set")


@real
@pytest.mark.realdata
def test_sst2_has_its_official_split():
    source = SST2(data_dir=os.environ["ZOO_DATA_DIR"])
    source.prepare()
    splits = source.load()
    assert {split: part.labels.bincount().tolist() for split, part in splits.items()} == {
        "train": [3310, 3610],
        "val": [428, 444],
        "test": [912, 909],
    }
    assert splits["test"].texts[0] == "no movement , no yuks , not much of anything"
    assert (splits["test"].labels[0], splits["test"].names[0]) == (0, "test.tsv row 1")


@real
@pytest.mark.realdata
def test_mr_has_two_halves_and_latin_letters():
    splits = MovieReviews(data_dir=os.environ["ZOO_DATA_DIR"]).load()
    assert splits["test"].labels.bincount().tolist() == [534, 533]
    assert len(splits["train"]) + len(splits["test"]) == 10662
    assert any("é" in text for text in splits["train"].texts)


def write_reviews(folder, count=50):
    (folder / "mr").mkdir()
    lines = "".join(f"{row % 2} caf\xe9 number {row} \n" for row in range(count))
    (folder / "mr" / "rt-polarity.all").write_bytes(lines.encode("latin-1"))


def test_ten_folds_cover_every_sentence_once_and_each_class_evenly(tmp_path):
    write_reviews(tmp_path)
    folds = [MovieReviews(data_dir=str(tmp_path), fold=fold).load() for fold in range(NUM_FOLDS)]
    assert sorted(text for fold in folds for text in fold["test"].texts) == sorted(
        f"café number {row}" for row in range(50)
    )
    for fold in folds:
        assert not set(fold["train"].texts) & set(fold["test"].texts)
        assert fold["test"].labels.bincount(minlength=2).tolist() in ([2, 3], [3, 2])
    other = MovieReviews(data_dir=str(tmp_path), fold_seed=1).load()
    assert other["test"].texts != folds[0]["test"].texts


def test_a_sentence_is_named_by_its_row(tmp_path):
    write_reviews(tmp_path)
    part = MovieReviews(data_dir=str(tmp_path)).load()["test"]
    for text, name, label in zip(part.texts, part.names, part.labels, strict=True):
        number = int(text.rpartition(" ")[2])
        assert name == f"rt-polarity.all row {number + 1}"
        assert label == number % 2


@pytest.mark.parametrize(("source", "file"), [(SST2, "sst2/train.tsv"), (MovieReviews, "mr/rt-polarity.all")])
def test_files_that_are_not_there_are_named(tmp_path, source, file):
    with pytest.raises(DataError) as error:
        source(data_dir=str(tmp_path)).prepare()
    assert str(error.value).startswith(f"{tmp_path}/{file}: no such file; ")
    assert "paths.data_dir" in str(error.value) and "\n" not in str(error.value)


def test_a_line_that_is_none_of_the_format_is_named(tmp_path):
    (tmp_path / "sst2").mkdir()
    for name in ("train", "dev", "test"):
        (tmp_path / "sst2" / f"{name}.tsv").write_text("a film\t1\nanother\t2\n")
    with pytest.raises(DataError, match=r"train.tsv row 2: is not a text, a tab, and 0 or 1"):
        SST2(data_dir=str(tmp_path)).load()
    write_reviews(tmp_path, 5)
    with pytest.raises(DataError, match=r"rt-polarity.all: has 5 sentences"):
        MovieReviews(data_dir=str(tmp_path)).load()


def test_folds_are_dealt_by_seed_alone():
    labels = torch.arange(101) % 2
    source = MovieReviews(data_dir="x", fold=3)
    assert torch.equal(torch.cat(source.folds(labels)).sort().values, torch.arange(101))
