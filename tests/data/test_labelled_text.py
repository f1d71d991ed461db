"""Texts with classes in memory: their split, their tokens, their facts."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from tests.data.texts import samples
from zoo.data.labelled_text import LabelledText
from zoo.data.texts import Texts
from zoo.errors import OptionError


class Source:
    class_names = ("bad", "good")

    def __init__(self, **sizes: int) -> None:
        self.sizes = sizes

    def prepare(self) -> None: ...

    def load(self) -> Mapping[str, Texts]:
        found, start = {}, 0
        every = samples(sum(self.sizes.values()))
        for split, size in self.sizes.items():
            texts, labels = zip(*every[start : start + size], strict=True)
            numbers = torch.tensor([self.class_names.index(label) for label in labels])
            found[split] = Texts(texts, numbers, [f"{split} row {row}" for row in range(size)])
            start += size
        return found


def data_of(source: Source | None = None, **options: Any) -> LabelledText:
    data = LabelledText(source=source or Source(train=120, test=40), **{"batch_size": 8, **options})
    data.facts()
    return data


def test_validation_is_split_off_where_there_is_none():
    assert data_of().sizes == {"train": 108, "val": 12, "test": 40}
    assert data_of(Source(train=100, val=20, test=40)).sizes == {"train": 100, "val": 20, "test": 40}
    assert data_of().labels["val"].bincount().tolist() == [6, 6]
    assert data_of(train_samples=20).sizes["train"] == 20


@pytest.mark.parametrize("tokenizer", ["words", "characters", "bpe"])
def test_the_tokenizer_is_trained_on_the_training_split_alone(tokenizer):
    data = data_of(tokenizer=tokenizer, max_vocab=300)

    class Other(Source):
        def load(self) -> Mapping[str, Texts]:
            found = dict(super().load())
            test = found["test"]
            return {**found, "test": Texts(["zebra Öl 日本 " * 20] * len(test), test.labels, test.names)}

    other = data_of(Other(train=120, test=40), tokenizer=tokenizer, max_vocab=300)
    assert other.tokenizer.state() == data.tokenizer.state()
    if tokenizer != "bpe":
        assert (other.tokens["test"].padded(torch.arange(3)) == 1).any()


def test_facts_are_found_and_those_given_are_checked():
    data = data_of()
    assert data.found_facts() == {"num_classes": 2, "vocab_size": data.tokenizer.vocab_size, "max_length": 12}
    with pytest.raises(OptionError, match=r"data.vocab_size: 5 given but \d+ found"):
        data_of(vocab_size=5)
    assert data_of(max_vocab=10).found_facts()["vocab_size"] == 10
    assert data_of(min_count=1000).found_facts()["vocab_size"] == 2


def test_texts_are_cut_at_the_length_given():
    data = data_of(max_length=4)
    assert data.found_facts()["max_length"] == 4
    assert max(batch["input"].shape[1] for batch in data.test_dataloader()) == 4


def test_batches_hold_tokens_targets_and_rows():
    data = data_of()
    for batch in data.test_dataloader():
        for row, index in enumerate(batch["index"].tolist()):
            text = data.sample_text("test", index)
            assert [number for number in batch["input"][row].tolist() if number] == data.tokenizer.encode(text)
            assert data.labels["test"][index] == batch["target"][row]
    assert data.sample_name("test", 3) == "test row 3"


def test_preprocessing_makes_the_same_tokens_of_other_splits():
    trained = data_of(tokenizer="bpe", max_vocab=280)
    carried = json.loads(json.dumps(trained.preprocessing()))
    again = data_of(Source(test=30), **carried)
    texts = again.texts["test"].texts
    assert [trained.tokenizer.encode(text) for text in texts] == [again.tokenizer.encode(text) for text in texts]
    assert again.preprocessing() == trained.preprocessing()


def test_words_are_dropped_in_training_alone():
    data = data_of(word_dropout=0.5)
    batch = next(iter(data.train_dataloader()))
    assert (data.prepare_batch(batch, train=True)["input"] == 1).sum() > 5
    assert torch.equal(data.prepare_batch(batch, train=False)["input"], batch["input"])
    again = data.prepare_batch(batch, train=True)["input"]
    assert torch.equal(again, data.prepare_batch(batch, train=True)["input"])


def test_the_fingerprint_is_that_of_texts_and_classes():
    assert data_of(seed=1, batch_size=4).fingerprint == data_of().fingerprint
    assert data_of(Source(train=120, test=41)).fingerprint != data_of().fingerprint
    assert data_of(split_seed=1).fingerprint != data_of().fingerprint


def test_the_summary_says_how_much_is_unknown():
    lines = data_of(min_count=2).summary()
    assert lines[0].startswith("train        108 texts, ") and lines[0].endswith("% of them unknown")
    assert "classes      2: bad 80, good 80" in lines
    assert "max_length   12" in lines


def test_the_largest_batch_has_the_longest_texts():
    data = data_of()
    assert data.largest_batch(4)["input"].shape == (4, int(data.tokens["train"].lengths.max()))
