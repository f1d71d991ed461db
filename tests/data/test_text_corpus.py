"""Text corpora: splits in the order of the text, a tokenizer of the training split, and what is wrong in one line."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zoo.batch import NO_TARGET
from zoo.data.stdlib_source import StdlibSource
from zoo.data.text_corpus import TextCorpus
from zoo.data.tiny_shakespeare import TinyShakespeare
from zoo.errors import DataError, OptionError, StorageError

LINE = "the quick brown fox jumps over the lazy dog, number {}.\n"
TEXT = "".join(LINE.format(number) for number in range(400))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path / "text.txt"


def corpus(path: Path | None, **options: Any) -> TextCorpus:
    cache = (path.parent if path is not None else Path()) / "cache"
    options = {"cache_dir": str(cache), "context_length": 16, "batch_size": 8, **options}
    return TextCorpus(path=None if path is None else str(path), **options)


def text_of(data: TextCorpus, split: str) -> str:
    return data.tokenizer.decode(data.tokens[split].tolist())


def test_the_splits_are_the_text_in_its_order(path: Path) -> None:
    data = corpus(path, val_fraction=0.1, test_fraction=0.2)
    data.facts()
    parts = [text_of(data, split) for split in ("train", "val", "test")]
    assert "".join(parts) == TEXT
    assert [len(part) / len(TEXT) for part in parts] == pytest.approx([0.7, 0.1, 0.2], abs=1e-3)
    assert data.has_test and not corpus(path, test_fraction=0.0).has_test


def test_of_a_long_text_a_fixed_part_is_held_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.text_splits._LONG", 1000)
    data = corpus(path)
    data.facts()
    assert [len(text_of(data, split)) for split in ("train", "val", "test")] == [len(TEXT) - 2000, 1000, 1000]
    assert "".join(text_of(data, split) for split in ("train", "val", "test")) == TEXT


def test_the_facts_are_those_of_the_text(path: Path) -> None:
    assert corpus(path).facts() == {"vocab_size": 2 + len(set(TEXT)), "context_length": 16}
    with pytest.raises(OptionError, match=r"data.vocab_size: 5 given but 42 found"):
        corpus(path, vocab_size=5, tokenizer_state={"kind": "characters", "tokens": sorted(set(TEXT))}).facts()


def test_the_tokenizer_is_that_of_the_training_split_alone(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ab" * 500 + "abc" * 30)
    data = corpus(path, test_fraction=0.0)
    assert data.facts()["vocab_size"] == 4
    assert (data.tokens["val"] == 1).any() and not (data.tokens["train"] == 1).any()  # c is unknown


@pytest.mark.parametrize(("kind", "vocab_size"), [("bpe", 300), ("words", 50)])
def test_other_tokenizers_take_fewer_tokens_than_characters(kind: Any, vocab_size: int, path: Path) -> None:
    data = corpus(path, tokenizer=kind, vocab_size=vocab_size)
    assert data.facts()["vocab_size"] <= vocab_size
    assert 0.1 < data.tokens_per_character["val"] < 0.5
    if kind == "bpe":
        assert text_of(data, "train") + text_of(data, "val") + text_of(data, "test") == TEXT


def test_characters_have_one_token_each(path: Path) -> None:
    data = corpus(path)
    data.facts()
    assert data.tokens_per_character == {"train": 1.0, "val": 1.0, "test": 1.0}


def test_a_long_text_trains_its_tokenizer_on_pieces_from_all_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.text_corpus._SAMPLE", 5000)
    monkeypatch.setattr("zoo.data.text_stream._CHUNK", 1000)
    seen: list[str] = []

    def train(kind: str, texts: Any, **options: Any) -> Any:
        from zoo.data.tokenizer import train_tokenizer

        seen.extend(texts)
        return train_tokenizer("characters", seen)

    monkeypatch.setattr("zoo.data.text_corpus.train_tokenizer", train)
    corpus(path).facts()
    assert 4000 < sum(map(len, seen)) < 6000
    assert "number 10." in "".join(seen) and "number 29" in "".join(seen)


def test_every_token_but_the_first_is_evaluated_once(path: Path) -> None:
    data = corpus(path, eval_batch_size=5)
    data.facts()
    for split, loader in (("val", data.val_dataloader()), ("test", data.test_dataloader())):
        targets = torch.cat([batch["target"].flatten() for batch in loader])
        assert targets[targets != NO_TARGET].tolist() == data.tokens[split][1:].tolist()


def test_training_sees_windows_of_the_training_split(path: Path) -> None:
    data = corpus(path, windows_per_epoch=40)
    data.facts()
    batches = list(data.train_dataloader())
    assert [len(batch["input"]) for batch in batches] == [8] * 5
    for batch in batches:
        for inputs, target, start in zip(batch["input"], batch["target"], batch["index"].tolist(), strict=True):
            assert inputs.tolist() == data.tokens["train"][start : start + 16].tolist()
            assert target.tolist() == data.tokens["train"][start + 1 : start + 17].tolist()
    assert data.sample_name("train", 32) == "train tokens 32 to 47"


def test_tokens_and_their_tokenizer_are_made_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = corpus(path)
    first.facts()
    monkeypatch.setattr("zoo.data.token_file._write", None)
    monkeypatch.setattr("zoo.data.text_corpus.train_tokenizer", None)
    second = corpus(path)
    second.facts()
    assert all(np.array_equal(second.tokens[split], tokens) for split, tokens in first.tokens.items())
    assert second.fingerprint == first.fingerprint


def test_another_text_or_tokenizer_is_another_fingerprint_and_other_tokens(path: Path) -> None:
    def fingerprint(**options: Any) -> str:
        data = corpus(path, **options)
        data.facts()
        return data.fingerprint

    prints = [fingerprint(), fingerprint(val_fraction=0.2), fingerprint(tokenizer="bpe", vocab_size=300)]
    path.write_text(TEXT + "more")
    assert len({*prints, fingerprint()}) == 4


def test_a_tokenizer_whose_note_was_spoilt_is_trained_anew(path: Path) -> None:
    first = corpus(path)
    first.facts()
    for note in (path.parent / "cache").glob("*.json"):
        note.write_text("{}")
    again = corpus(path)
    again.facts()
    assert again.tokenizer.state() == first.tokenizer.state()


def test_a_test_file_is_tested_on_as_a_whole(path: Path) -> None:
    other = path.with_name("other.txt")
    other.write_text(LINE.format(7) * 20)
    data = corpus(path, test_path=str(other))
    data.facts()
    assert text_of(data, "test") == LINE.format(7) * 20
    assert text_of(data, "train") + text_of(data, "val") == TEXT


def test_the_preprocessing_makes_the_same_tokens_of_another_text(path: Path) -> None:
    data = corpus(path)
    data.facts()
    other = path.with_name("other.txt")
    other.write_text("the fox {}")
    judged = corpus(other, evaluation_only=True, **{**data.preprocessing(), "context_length": 4})
    judged.facts()
    assert judged.sizes.keys() == {"test"}
    assert judged.tokens["test"].tolist() == [*data.tokenizer.encode("the fox "), 1, 1]  # braces are unknown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context_length": 5000}, "data.context_length: 5000 given, but the val split is 2,"),
        (
            {"val_fraction": 0.5, "test_fraction": 0.5},
            "data.val_fraction: 0.5 and a test_fraction of 0.5 leave nothing",
        ),
        ({"eval_stride": 17}, "data.eval_stride: 17 is more than data.context_length 16; lower it"),
        ({"tokenizer": "bpe", "vocab_size": 100}, "data.vocab_size: 100 given, but every byte is a token"),
        ({"encoding": "klingon"}, "data.encoding: there is no klingon"),
        ({"evaluation_only": True}, "data.tokenizer_state: none given; evaluate a checkpoint"),
    ],
)
def test_options_that_do_not_fit_the_text_are_refused(options: dict[str, Any], message: str, path: Path) -> None:
    with pytest.raises(OptionError) as refused:
        corpus(path, **options).facts()
    assert str(refused.value).startswith(message)


def test_no_text_is_refused() -> None:
    with pytest.raises(OptionError, match=r"data.path: no text given; add data.path=FILE.txt"):
        corpus(None).facts()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"caf\xe9", "row 1: is no utf-8 text: byte 0xe9 at offset 3"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused(content: bytes, message: str, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError) as refused:
        corpus(path).facts()
    assert str(refused.value).startswith(str(path)) and message in str(refused.value)


@pytest.mark.parametrize("content", ["a", "ab", "abc" * 10])
def test_a_text_of_hardly_a_character_is_refused(content: str, path: Path) -> None:
    path.write_text(content)
    with pytest.raises(
        (DataError, OptionError), match=r"leave none for train|is \d+ long; (set it|take a longer text)"
    ):
        corpus(path, context_length=24).facts()


def test_a_batch_beyond_the_text_is_refused(path: Path) -> None:
    data = corpus(path, batch_size=5000)
    data.facts()
    with pytest.raises(OptionError, match=r"data.batch_size: 5000 asked, but only 1\d\d\d training samples"):
        data.train_dataloader()


def test_a_cache_that_cannot_be_written_is_a_fault_of_storage(path: Path) -> None:
    (path.parent / "file").write_text("")
    with pytest.raises(StorageError, match=r"set data.cache_dir=FOLDER"):
        corpus(path, cache_dir=str(path.parent / "file" / "cache")).facts()


def test_the_summary_says_how_much_text_there_is(path: Path) -> None:
    data = corpus(path)
    data.facts()
    size = math.ceil(0.1 * len(TEXT))
    assert data.summary()[2] == f"test         {size:,} tokens of {size:,} characters, {data.sizes['test']:,} windows"


def test_the_source_of_the_standard_library_is_the_same_each_time(tmp_path: Path) -> None:
    source = StdlibSource(max_megabytes=0.1, cache_dir=str(tmp_path))
    path = source.prepare()
    text = path.read_text()
    assert len(text) == 100_000 and text.isascii() and "\nimport " in text and text.startswith("# ")
    assert StdlibSource(max_megabytes=0.1, cache_dir=str(tmp_path)).prepare() == path
    assert source.text().startswith(StdlibSource(max_megabytes=0.05, cache_dir=str(tmp_path)).text())


def test_a_text_that_cannot_be_downloaded_names_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.tiny_shakespeare._ADDRESS", "http://127.0.0.1:9/input.txt")
    with pytest.raises(DataError, match=r"could not be downloaded .*; put it there, or name the folder"):
        TinyShakespeare(data_dir=str(tmp_path)).prepare()


@pytest.mark.realdata
def test_tiny_shakespeare_is_split_as_everywhere(tmp_path: Path) -> None:
    folder = os.environ.get("ZOO_DATA_DIR", "nowhere")
    if not (Path(folder) / "tiny_shakespeare").is_dir():
        pytest.skip("ZOO_DATA_DIR names no folder with tiny_shakespeare")
    source = TinyShakespeare(data_dir=folder)
    data = TextCorpus(source=source, test_fraction=0.0, cache_dir=str(tmp_path))
    assert data.facts()["vocab_size"] == 67
    assert {split: len(tokens) for split, tokens in data.tokens.items()} == {"train": 1_003_854, "val": 111_540}
