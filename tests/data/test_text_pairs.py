"""Pairs of texts: tokens, batches, splits by source, a user's file, and what is wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.data.pairs import samples, write_tsv
from zoo.data.base import DataModule
from zoo.data.human_dates import HumanDates
from zoo.data.pair_loader import decoder_input
from zoo.data.text_pairs import TextPairs
from zoo.data.text_pairs_file import TextPairsFile
from zoo.errors import DataError, OptionError


def dates(**options: Any) -> TextPairs:
    source = HumanDates(num_samples=300, num_val_samples=40, num_test_samples=50)
    data = TextPairs(source=source, **{"batch_size": 16, **options})
    data.facts()
    return data


def of_file(path: Path, **options: Any) -> TextPairsFile:
    given = {"source": "word", "target": "backwards", "batch_size": 8}
    return TextPairsFile(path=str(path), **{**given, **options})


def facts(data: DataModule) -> DataModule:
    data.facts()
    return data


def test_a_batch_holds_what_is_read_what_is_told_and_what_is_to_be_written() -> None:
    data, end = dates(), 0
    for batch in data.test_dataloader():
        assert (batch["decoder_input"][:, 0] == data.boundary).all()
        for row, index in enumerate(batch["index"].tolist()):
            source = [token for token in batch["input"][row].tolist() if token]
            target = [token for token in batch["target"][row].tolist() if token]
            assert data.source_tokenizer.decode(source) == data.source_text("test", index)
            assert data.text_of(target) == data.target_text("test", index) and target[-1] == data.boundary
            assert batch["decoder_input"][row, 1 : len(target)].tolist() == target[:-1]
            assert not batch["decoder_input"][row, len(target) :].any()
            end += 1
    assert end == 50


def test_the_decoder_is_told_no_end() -> None:
    target = torch.tensor([[3, 4, 9], [5, 9, 0]])
    assert decoder_input(target, 9).tolist() == [[9, 3, 4], [9, 5, 0]]


def test_a_text_that_had_to_be_cut_has_no_end() -> None:
    data = dates(max_length=6)
    batch = next(iter(data.test_dataloader()))
    assert batch["input"].shape[1] <= 6 and batch["target"].shape[1] == 6
    assert not (batch["target"] == data.boundary).any()


def test_facts_are_found_and_those_given_are_checked() -> None:
    data = dates()
    assert data.found_facts()["target_vocab_size"] == 2 + len("0123456789-") + 1 == data.boundary + 1
    with pytest.raises(OptionError, match=r"data.target_vocab_size: 5 given but 14 found"):
        dates(target_vocab_size=5)


def test_preprocessing_makes_the_same_tokens_elsewhere(tmp_path: Path) -> None:
    trained = facts(of_file(write_tsv(tmp_path / "a.tsv")))
    carried = json.loads(json.dumps(trained.preprocessing()))
    other = [("abba", "zq"), ("fade", "edaf")]
    again = of_file(write_tsv(tmp_path / "b.tsv", other), evaluation_only=True, **carried)
    again.facts()
    assert again.sizes == {"test": 2} and again.preprocessing() == trained.preprocessing()
    batch = next(iter(again.test_dataloader()))
    assert batch["target"][0, :2].tolist() == [1, 1]  # z and q were not seen in training
    assert again.sample_name("test", 1) == "b.tsv row 3"


def test_equal_sources_stand_on_one_side(tmp_path: Path) -> None:
    rows = [(source, target) for source, target in samples(20) for _ in range(3)]
    data = of_file(write_tsv(tmp_path / "pairs.tsv", rows), val_fraction=0.2, test_fraction=0.2)
    data.facts()
    sources = {split: set(pairs.sources) for split, pairs in data.pairs.items()}
    assert data.sizes == {"train": 39, "val": 9, "test": 12}
    assert not sources["train"] & sources["val"] and not sources["train"] & sources["test"]


def test_a_validation_and_a_test_file_are_taken_as_they_are(tmp_path: Path) -> None:
    path, val, test = (write_tsv(tmp_path / f"{count}.tsv", samples()[:count]) for count in (30, 7, 5))
    data = of_file(path, val_path=str(val), test_path=str(test))
    data.facts()
    assert data.sizes == {"train": 30, "val": 7, "test": 5}


def test_the_largest_batch_has_the_longest_texts() -> None:
    data = dates()
    longest = int(data.sources["train"].lengths.max())
    assert data.largest_batch(4)["input"].shape == (4, longest)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([*samples(), ("", "x")], r"pairs.tsv: row 62 column word is empty"),
        ([*samples(), ("x", "")], r"row 62 column backwards is empty"),
        ([("a\tb", "c"), *samples()], r"row 2 has 3 cells where the header has 2"),
    ],
)
def test_a_bad_row_is_named_or_left_out(rows: list[tuple[str, str]], problem: str, tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "pairs.tsv", rows)
    with pytest.raises(DataError, match=problem):
        of_file(path).facts()
    kept = facts(of_file(path, on_bad_sample="skip"))
    assert sum(kept.sizes.values()) == 60  # type: ignore[attr-defined]
    assert [problem in str(bad) or bad.name.endswith(("row 62", "row 2")) for bad in of_file(path).scan()] == [True]


def test_a_wrong_file_or_column_is_named(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "pairs.tsv")
    with pytest.raises(OptionError, match=r"data.source: .* has no column wort; its columns are word, backwards"):
        of_file(path, source="wort").facts()
    with pytest.raises(OptionError, match=r"data.target: no column of texts to write given; add data.target=COLUMN"):
        of_file(path, target=None).facts()
    with pytest.raises(DataError, match="no such file"):
        of_file(tmp_path / "other.tsv").facts()
    latin = write_tsv(tmp_path / "latin.tsv", [*samples(), ("für", "rüf")], encoding="latin-1")
    with pytest.raises(DataError, match=r"row 62 column word has the byte 0xfc, which is not UTF-8"):
        of_file(latin).facts()
    assert sum(facts(of_file(latin, encoding="latin-1")).sizes.values()) == 61  # type: ignore[attr-defined]
    with pytest.raises(OptionError, match=r"data.val_fraction: 0.005 of 60 distinct sources leaves none for val"):
        of_file(path, test_fraction=0.0, val_fraction=0.005).facts()


def test_a_vocabulary_without_room_for_every_byte_is_refused_by_the_name_of_its_option() -> None:
    with pytest.raises(OptionError, match=r"data.max_vocab: 100 given, but every byte is a token"):
        dates(tokenizer="bpe", max_vocab=100)
