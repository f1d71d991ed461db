"""Strings of sounds: what they are made of, that they follow the seed, and that a batch does not change a sound."""

import json
import os
from typing import Any

import pytest
import torch

from zoo.data.sound_augment import SoundAugment
from zoo.data.sound_pieces import Pieces
from zoo.data.sound_strings import SoundStrings
from zoo.data.spoken_digits import SpokenDigits
from zoo.data.tones import Tones
from zoo.errors import DataError, OptionError


class Spelled(Tones):
    """The same tones under longer names."""

    words = ("do", "re", "mi", "fa", "so", "la", "si")  # type: ignore[assignment]


def data_of(source: Any = None, **options: Any) -> SoundStrings:
    sizes = {"num_samples": 40, "num_val_samples": 12, "num_test_samples": 10, "batch_size": 8}
    data = SoundStrings(source=source or Tones(num_samples=105, num_test_samples=42), **{**sizes, **options})
    data.facts()
    return data


@pytest.fixture(scope="module")
def tones() -> SoundStrings:
    return data_of()


def test_a_string_is_its_sounds_one_after_the_other_by_one_voice(tones: SoundStrings) -> None:
    pieces, strings = tones.pieces["test"], tones.strings("test")
    batch = tones.batch("test", 0, torch.arange(10))
    for row in range(10):
        numbers = [number for number in strings.pieces[row].tolist() if number >= 0]
        assert 2 <= len(numbers) <= 7
        assert len(set(pieces.voices[numbers].tolist())) == 1
        covered = torch.zeros(batch["input"].shape[1], dtype=torch.bool)
        end = tones.margin
        for place, number in enumerate(numbers):
            start, samples = int(strings.starts[row, place]), pieces.samples[number]
            assert (0 if place else tones.margin) <= start - (end if place else 0) <= tones.margin + 1600
            assert torch.equal(batch["input"][row, start : start + len(samples)], samples)
            covered[start : start + len(samples)] = True
            end = start + len(samples)
        assert not batch["input"][row][~covered].any()
        assert int(batch["input_length"][row]) == end + tones.margin
        text = "".join("cdefgab"[word] for word in pieces.words[numbers].tolist())
        assert tones.target_text("test", row) == text == tones.text_of(batch["target"][row].tolist())
        assert int(batch["target_length"][row]) == len(text)


def test_each_epoch_brings_other_training_strings_and_the_others_stay(tones: SoundStrings) -> None:
    names = [tones.sample_name("val", row) for row in range(12)]
    loader = tones.train_dataloader()
    epochs = []
    for epoch in (0, 1, 0):
        loader.sampler.set_epoch(epoch)  # type: ignore[union-attr]
        epochs.append(torch.cat([batch["target_length"] for batch in loader]))
    assert torch.equal(epochs[0], epochs[2]) and not torch.equal(epochs[0], epochs[1])
    assert names == [tones.sample_name("val", row) for row in range(12)]
    assert data_of(seed=1).fingerprint == tones.fingerprint != data_of(split_seed=1).fingerprint
    assert torch.equal(data_of(seed=1).strings("test").pieces, tones.strings("test").pieces)
    assert not torch.equal(data_of(seed=1).strings("train").pieces, data_of().strings("train").pieces)


def test_sounds_of_validation_are_held_out_of_training(tones: SoundStrings) -> None:
    names = {split: set(pieces.names) for split, pieces in tones.pieces.items()}
    assert (len(names["train"]), len(names["val"])) == (95, 10)
    assert not names["train"] & names["val"]
    assert all(name.startswith("test") for name in names["test"])


def test_what_fills_a_batch_up_changes_no_column_of_a_sound(tones: SoundStrings) -> None:
    rows = tones.strings("test").lengths.argsort()[[0, -1]]
    together = tones.prepare_batch(tones.batch("test", 0, rows), train=False)
    alone = tones.prepare_batch(tones.batch("test", 0, rows[:1]), train=False)
    frames = int(alone["input_length"])
    assert alone["input"].shape[-1] == frames == int(together["input_length"][0])
    torch.testing.assert_close(together["input"][0, ..., :frames], alone["input"][0], atol=1e-4, rtol=1e-4)


def test_features_of_training_strings_are_standardised(tones: SoundStrings) -> None:
    columns = []
    for row in range(40):
        batch = tones.prepare_batch(tones.batch("train", 0, torch.tensor([row])), train=False)
        columns.append(batch["input"][0, 0])
    joined = torch.cat(columns, dim=1)
    assert joined.mean().abs() < 0.1 and (joined.std() - 1).abs() < 0.1


def test_long_words_have_a_blank_between_them() -> None:
    data = data_of(Spelled(num_samples=105, num_test_samples=42))
    text = data.target_text("test", 0)
    assert set(text.split()) <= set(Spelled.words)
    assert data.found_facts()["separator"] == 1 and data.found_facts()["vocab_size"] == 2 + len(set("doremifasolasi"))
    assert data_of().found_facts()["separator"] is None


def test_what_a_model_hears_and_says_is_carried_by_plain_values(tones: SoundStrings) -> None:
    carried = json.loads(json.dumps(tones.preprocessing()))
    again = data_of(**carried, split_seed=5)
    assert again.preprocessing() == tones.preprocessing()
    with pytest.raises(DataError, match="the words hold ' ', 'i', 'l', 'm', 'o', 'r', 's', which the model does not"):
        data_of(Spelled(num_samples=105, num_test_samples=42), **carried)


def test_augmentation_is_a_function_of_epoch_and_sample() -> None:
    data = data_of(augment=SoundAugment(gain=6.0, noise=0.5, frequency_mask=0.2))
    loader = data.train_dataloader()
    batch = next(iter(loader))
    first, again = (data.prepare_batch(batch, train=True)["input"] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, data.prepare_batch(batch, train=False)["input"])
    loader.sampler.set_epoch(1)  # type: ignore[union-attr]
    assert not torch.equal(first, data.prepare_batch(batch, train=True)["input"])


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(OptionError, match=r"data.min_words: 5 is more than max_words 2"):
        data_of(min_words=5, max_words=2)
    with pytest.raises(OptionError, match=r"data.augment.speed: 0.1 would move sounds"):
        data_of(augment=SoundAugment(speed=0.1))
    with pytest.raises(OptionError, match=r"data.vocab_size: 5 given but 8 found"):
        data_of(vocab_size=5)
    with pytest.raises(OptionError, match=r"data.val_fraction: 0 of 105 sounds leaves none for validation"):
        data_of(val_fraction=0.0)


@pytest.mark.realdata
def test_digits_of_the_test_are_those_of_the_official_split() -> None:
    folder = os.environ.get("ZOO_DATA_DIR")
    if folder is None:
        pytest.skip("ZOO_DATA_DIR, which names the folder of FSDD, is not set")
    data = data_of(SpokenDigits(data_dir=folder))

    def indices(pieces: Pieces) -> set[int]:
        return {int(name.split("_")[2]) for name in pieces.names}

    assert indices(data.pieces["test"]) == set(range(5))
    assert min(indices(data.pieces["train"]) | indices(data.pieces["val"])) == 5
    assert {len(part) for part in data.pieces.values()} == {2430, 270, 300}
    assert len({name.split("_")[1] for name in data.sample_name("test", 0).split("+")}) == 1
    assert set(data_of(SpokenDigits(data_dir=folder, spelled=True)).target_text("val", 0).split()) <= {
        *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    }
