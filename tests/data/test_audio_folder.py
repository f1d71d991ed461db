import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.data.sounds_on_disk import flat, tone
from zoo.data.audio_folder import AudioFolder
from zoo.data.sound_augment import SoundAugment
from zoo.data.sound_features import SoundFeatures
from zoo.data.sound_files import read_sound, to_float
from zoo.errors import DataError, OptionError, TrainingStopped


def folder_of(root: Path, **options) -> AudioFolder:
    data = AudioFolder(**{"root": str(root), "batch_size": 4, **options})
    data.facts()
    return data


def epoch_of(data: AudioFolder, epoch: int) -> dict[str, torch.Tensor]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    batches = [data.prepare_batch(batch, train=True) for batch in loader]
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def test_a_flat_folder_is_split_in_three(tmp_path):
    data = folder_of(flat(tmp_path))
    assert data.class_names == ["high", "low"]
    assert data.sizes == {"train": 31, "val": 3, "test": 6}
    names = [data.sample_name(split, row) for split, size in data.sizes.items() for row in range(size)]
    assert len(set(names)) == 40 and all((tmp_path / name).is_file() for name in names)
    labels = [label for split in data.sizes for label in data.labels[split].tolist()]
    assert [name.startswith("low/") for name in names] == [label == 1 for label in labels]
    assert data.labels["test"].bincount().tolist() == [3, 3]


def test_folders_of_splits_are_taken_as_they_are(tmp_path):
    for split, count in (("train", 6), ("valid", 3), ("test", 2)):
        flat(tmp_path / split, count)
    assert folder_of(tmp_path).sizes == {"train": 12, "val": 6, "test": 4}
    assert folder_of(tmp_path, train_samples=4).sizes["train"] == 4


def test_splits_depend_on_the_split_seed_alone(tmp_path):
    flat(tmp_path)
    first, second, other = folder_of(tmp_path, seed=0), folder_of(tmp_path, seed=1), folder_of(tmp_path, split_seed=1)
    assert first.splits["val"].sounds.names == second.splits["val"].sounds.names
    assert first.fingerprint == second.fingerprint != other.fingerprint


@pytest.mark.parametrize(("features", "shape"), [("mel", (1, 40, 11)), ("mfcc", (1, 40, 11)), ("waveform", (1, 800))])
def test_facts_are_what_a_batch_looks_like(tmp_path, features, shape):
    data = folder_of(flat(tmp_path), features=features)
    facts = data.facts()
    assert [facts["in_channels"], *facts["image_size"]] == list(shape)
    assert facts["num_classes"] == 2 and facts["sample_rate"] == 8000 and facts["clip_seconds"] == 0.1
    batch = data.prepare_batch(next(iter(data.val_dataloader())), train=False)
    assert batch["input"].shape == (3, *shape) and batch["input"].dtype == torch.float32


def test_statistics_are_of_the_training_sounds_alone(tmp_path):
    data = folder_of(flat(tmp_path))
    files = [tmp_path / data.sample_name("train", row) for row in range(31)]
    expected = SoundFeatures("mel", sample_rate=8000)
    expected.measure([to_float(torch.stack([read_sound(path)[0] for path in files]))])
    facts = data.facts()
    np.testing.assert_allclose(facts["mean"], expected.mean, rtol=1e-4)
    np.testing.assert_allclose(facts["std"], expected.std, rtol=1e-4)
    for path in {*tmp_path.rglob("*.*")} - {*files}:  # others may become anything
        tone(path, 2000.0)
    assert folder_of(tmp_path).facts() == facts


def test_what_a_checkpoint_carries_makes_the_same_features_of_other_sounds(tmp_path):
    trained = folder_of(flat(tmp_path / "a", seconds=0.1))
    flat(tmp_path / "b", 4, seconds=0.3, rate=16_000)
    other = folder_of(tmp_path / "b", evaluation_only=True, **trained.preprocessing())
    assert other.preprocessing() == trained.preprocessing() and other.sizes == {"test": 8}
    batch = other.prepare_batch(next(iter(other.test_dataloader())), train=False)
    assert batch["input"].shape[1:] == (1, 40, 11) and batch["input"].abs().mean() < 2


def test_the_window_holds_most_training_sounds_whole(tmp_path):
    flat(tmp_path)
    tone(tmp_path / "high" / "long.wav", seconds=3.0)
    assert folder_of(tmp_path).facts()["clip_seconds"] == 0.1
    assert folder_of(tmp_path, clip_seconds=0.25).facts()["image_size"] == [40, 26]


@pytest.mark.parametrize("crop", [False, True])
def test_files_read_by_workers_give_the_same_batches_as_sounds_in_memory(tmp_path, crop):
    flat(tmp_path, seconds=0.13)
    options = {"clip_seconds": 0.1, "augment": SoundAugment(crop=crop, shift=0.01, noise=0.5), "seed": 3}
    memory, workers = folder_of(tmp_path, **options), folder_of(tmp_path, in_memory=False, num_workers=1, **options)
    assert memory.facts() == workers.facts() and memory.fingerprint == workers.fingerprint
    for epoch in (2, 3):
        expected, batch = epoch_of(memory, epoch), epoch_of(workers, epoch)
        assert all(torch.equal(batch[name], expected[name]) for name in expected)


def test_augmentation_is_a_function_of_the_epoch_and_not_of_the_batch_size(tmp_path):
    flat(tmp_path, seconds=0.13)
    augment = {"crop": True, "speed": 0.1, "noise": 0.5, "time_mask": 0.3}

    def sounds(batch_size: int, epoch: int) -> torch.Tensor:
        data = folder_of(tmp_path, batch_size=batch_size, clip_seconds=0.1, augment=SoundAugment(**augment))
        batch = epoch_of(data, epoch)
        return batch["input"][batch["index"].argsort()]

    torch.testing.assert_close(sounds(1, 1), sounds(31, 1), atol=1e-4, rtol=1e-4)
    assert (sounds(31, 1) != sounds(31, 2)).flatten(1).any(1).all()


def test_evaluation_is_not_augmented(tmp_path):
    flat(tmp_path)
    plain, augmented = folder_of(tmp_path), folder_of(tmp_path, augment=SoundAugment(noise=1.0, gain=6.0, speed=0.1))
    batches = [data.prepare_batch(next(iter(data.val_dataloader())), train=False) for data in (plain, augmented)]
    assert torch.equal(batches[0]["input"], batches[1]["input"])


def test_what_is_heard_is_what_the_network_gets(tmp_path):
    data = folder_of(flat(tmp_path), features="waveform", augment=SoundAugment(noise=1.0, shift=0.2))
    batch = epoch_of(data, 2)
    mean, std = data.facts()["mean"][0], data.facts()["std"][0]
    waves = data.listen("train", batch["index"], train=True)
    torch.testing.assert_close(batch["input"][:, 0] * std + mean, waves, atol=1e-5, rtol=1e-5)
    assert data.spectrograms(waves).shape[:3] == (28, 1, 40)
    first = read_sound(tmp_path / data.sample_name("val", 0))[0]
    assert torch.equal(data.listen("val", torch.tensor([0]), train=False)[0], to_float(first))


def spoil(path: Path, kind: str) -> str:
    """Makes a sound bad in one way, and returns what is wrong with it."""
    if kind == "silent":
        soundfile.write(path, np.zeros(80, dtype=np.int16), 8000)
        return "silent: all 80 samples are 0"
    if kind == "empty":
        soundfile.write(path, np.zeros(0, dtype=np.int16), 8000)
        return "it holds no samples"
    if kind == "cut off":
        path.write_bytes(path.read_bytes()[:500])
        return "cut off: its data chunk claims 1,600 bytes, but 456 are there"
    path.write_text("no sound at all, but a text that is long enough")
    return "no sound can be read (Format not recognised)"


@pytest.mark.parametrize("kind", ["silent", "empty", "cut off", "text"])
def test_a_bad_sound_is_named_or_left_out(tmp_path, caplog, kind):
    bad = flat(tmp_path) / "high" / "04.wav"
    problem = spoil(bad, kind)
    with pytest.raises(DataError) as error:
        folder_of(tmp_path)
    remedy = "mend it, remove it, or set data.on_bad_sample=skip"
    assert str(error.value) == f"{bad}: cannot be used as a sound ({problem}); {remedy}"
    assert sum(folder_of(tmp_path, on_bad_sample="skip").sizes.values()) == 39
    assert f"left out 1 bad of 40 sounds: {bad} ({problem})" in caplog.text


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_silent_sound_that_is_not_kept_in_memory_is_named_by_its_batch_or_left_out(tmp_path, caplog, num_workers):
    flat(tmp_path)
    options = {"in_memory": False, "num_workers": num_workers, **folder_of(tmp_path).preprocessing()}
    data = folder_of(tmp_path, **options)
    bad = tmp_path / data.sample_name("train", 0)
    spoil(bad, "silent")
    with pytest.raises(TrainingStopped, match=rf"{bad.name}: cannot be decoded \(silent: .*on_bad_sample=skip"):
        epoch_of(data, 0)
    data = folder_of(tmp_path, on_bad_sample="skip", **{**options, "batch_size": 1})
    with caplog.at_level(logging.WARNING):
        assert len(epoch_of(data, 0)["index"]) == 30
    assert caplog.text.count("cannot be decoded") == 1


def test_too_many_bad_sounds_are_not_left_out(tmp_path):
    flat(tmp_path)
    for number in range(0, 12, 2):
        spoil(tmp_path / "low" / f"{number:02}.wav", "silent")
    with pytest.raises(DataError, match=r"and 1 more: 6 of 40; mend or remove them: more than 10% are not left out"):
        folder_of(tmp_path, on_bad_sample="skip")


def test_a_class_of_which_nothing_is_left_is_named(tmp_path):
    flat(tmp_path)
    spoil(tone(tmp_path / "mid" / "a.wav"), "silent")
    with pytest.raises(DataError, match="no usable sound of mid to train on"):
        folder_of(tmp_path, on_bad_sample="skip")


@pytest.mark.parametrize("on_bad_sample", ["error", "skip"])
def test_two_sample_rates_are_named_with_their_files_and_resampled_if_one_is_given(tmp_path, on_bad_sample):
    flat(tmp_path)
    other = tone(tmp_path / "low" / "x.wav", 300.0, rate=16_000)
    with pytest.raises(DataError) as error:
        folder_of(tmp_path, on_bad_sample=on_bad_sample)
    assert str(error.value) == (
        f"{other}: its sample rate is 16,000 Hz, but that of {tmp_path}/high/00.wav is 8,000 Hz; "
        "have all resampled by data.sample_rate=8000"
    )
    for rate in (8000, 16_000):
        data = folder_of(tmp_path, sample_rate=rate)
        assert data.facts()["sample_rate"] == rate and data.facts()["clip_seconds"] == 0.1


def test_check_lists_every_bad_sound_and_every_odd_rate(tmp_path):
    flat(tmp_path)
    assert list(folder_of(tmp_path).scan()) == []
    spoil(tmp_path / "high" / "02.wav", "silent")
    spoil(tmp_path / "low" / "04.wav", "cut off")
    tone(tmp_path / "low" / "x.wav", rate=16_000)
    found = {Path(bad.name).name: bad.problem for bad in AudioFolder(root=str(tmp_path)).scan()}
    assert sorted(found) == ["02.wav", "04.wav", "x.wav"]
    assert found["x.wav"].startswith("its sample rate is 16,000 Hz, but that of most is 8,000 Hz")
    resampled = AudioFolder(root=str(tmp_path), sample_rate=8000).scan()
    assert sorted(Path(bad.name).name for bad in resampled) == ["02.wav", "04.wav"]


def test_a_folder_can_be_evaluated_as_a_whole_though_it_has_one_class(tmp_path):
    tone(tmp_path / "low" / "a.wav", 300.0)
    data = folder_of(tmp_path, evaluation_only=True)
    data.align_classes(["high", "low"])
    assert data.sizes == {"test": 1} and data.labels["test"].tolist() == [1]
    with pytest.raises(DataError, match="no sounds to train on; put some into train/CLASS"):
        data.check_training()


def test_a_class_that_the_model_does_not_know_is_named_by_its_first_sound(tmp_path):
    data = folder_of(flat(tmp_path, 3), evaluation_only=True)
    with pytest.raises(DataError) as error:
        data.align_classes(["high", "mid"])
    assert str(error.value).startswith(f"{tmp_path}/low/00.wav: classes low are not among the checkpoint's high, mid")


def unknown_class(root: Path) -> Path:
    flat(root / "train", 2)
    tone(root / "val" / "mid" / "a.wav")
    return root


def class_without_sounds(root: Path) -> Path:
    flat(root, 2)
    (root / "mid").mkdir()
    (root / "mid" / "a.mp3").write_text("of another kind")
    return root


@pytest.mark.parametrize(
    ("layout", "line"),
    [
        (lambda root: root / "nowhere", "{root}/nowhere: no such folder; set data.root to the folder"),
        (lambda root: root, "{root}: 0 folders of classes found, but 2 or more are needed; sort the sounds into one"),
        (class_without_sounds, "{root}/mid: no sounds (.flac .wav); add some, or remove the folder"),
        (unknown_class, "{root}: classes mid of val are not in train; add them to train or remove them"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named_with_its_remedy(tmp_path, layout, line):
    with pytest.raises(DataError) as error:
        folder_of(layout(tmp_path))
    assert str(error.value).startswith(line.format(root=tmp_path))


def test_a_folder_that_is_not_given_is_asked_for():
    with pytest.raises(OptionError, match=r"data\.root: no folder of sounds given; add data\.root=FOLDER"):
        AudioFolder(root=None).facts()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"clip_seconds": 0.01}, "data: clips of 0.01 s: mel needs 0.0161 s or more; set data.clip_seconds, or data"),
        ({"image_size": [40, 12]}, "data.image_size: [40, 12] given but [40, 11] found; remove the override"),
        ({"in_channels": 3}, "data.in_channels: 3 given but 1 found; remove the override"),
        ({"num_classes": 5}, "data.num_classes: 5 given but 2 found; remove the override"),
        ({"mean": [0.0], "std": [1.0]}, "data.mean: 1 values for 40 features; give one for each, or null to measure"),
    ],
)
def test_options_that_do_not_fit_the_sounds_are_refused(tmp_path, options, line):
    with pytest.raises(OptionError) as error:
        folder_of(flat(tmp_path, 6), **options)
    assert str(error.value).startswith(line)
