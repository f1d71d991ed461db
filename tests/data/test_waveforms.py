import torch

from zoo.data.sound import SoundData
from zoo.data.sound_files import to_float
from zoo.data.waveforms import Waveforms


def test_every_class_has_its_share_and_no_two_sounds_are_alike():
    splits = Waveforms(num_samples=80, num_test_samples=16, seconds=0.1).find()
    assert {split: sounds.waves.shape for split, sounds in splits.items()} == {"train": (80, 800), "test": (16, 800)}
    assert torch.equal(splits["train"].labels.bincount(), torch.full((8,), 10))
    every = torch.cat([sounds.waves for sounds in splits.values()])
    assert len(every.unique(dim=0)) == 96
    assert every.float().abs().mean(1).min() > 100


def test_they_depend_on_the_seed_alone():
    first, again, other = (Waveforms(num_samples=8, seconds=0.1, seed=seed).find()["train"] for seed in (0, 0, 1))
    assert torch.equal(first.waves, again.waves) and not torch.equal(first.waves, other.waves)
    assert first.identity(0) == again.identity(0) != other.identity(0)


def test_pure_tones_stay_at_one_pitch_and_chirps_do_not():
    sounds = Waveforms(num_samples=400, seconds=1.0).find()["train"]

    def pitches(name: str) -> torch.Tensor:
        waves = to_float(sounds.waves[sounds.labels == Waveforms.class_names.index(name)])
        parts = waves.view(len(waves), 4, 2000)[:, [0, 3]]
        return torch.fft.rfft(parts).abs()[..., 10:].argmax(2).float() + 10  # in steps of 4 Hz

    sine, chirp = pitches("sine"), pitches("chirp")
    assert ((sine[:, 0] - sine[:, 1]).abs() <= 1).all()
    ratio = (chirp[:, 1] / chirp[:, 0]).log().abs()
    assert (ratio > 0.2).all() and ratio.max() < 1.3  # above 1.2, and at most threefold


def test_they_are_data_like_any_other():
    data = SoundData(source=Waveforms(num_samples=100, num_test_samples=10, seconds=0.2), features="waveform")
    facts = data.facts()
    assert facts["num_classes"] == 8 and facts["image_size"] == [1600] and facts["sample_rate"] == 8000
    assert data.sizes == {"train": 90, "val": 10, "test": 10} and data.sample_name("test", 3) == "test[3]"
    assert list(data.scan()) == []
