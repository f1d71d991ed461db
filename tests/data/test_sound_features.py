import pytest
import torch
import torchaudio

from zoo.data.sound_features import SoundFeatures

WAVES = 0.1 * torch.randn(6, 2000, generator=torch.Generator().manual_seed(0))
MEL = {"n_fft": 256, "win_length": 240, "hop_length": 80, "f_min": 20.0, "f_max": 4000.0, "n_mels": 40}


def test_mel_is_the_logarithm_of_torchaudios_own():
    features = SoundFeatures("mel", sample_rate=8000)
    expected = torch.log(torchaudio.transforms.MelSpectrogram(8000, **MEL)(WAVES) + 1e-6)
    torch.testing.assert_close(features(WAVES), expected.unsqueeze(1))
    assert features(WAVES).shape[2:] == tuple(features.image_size(2000)) == (40, 26)


def test_mfcc_is_torchaudios_own():
    features = SoundFeatures("mfcc", sample_rate=8000, num_mfcc=13)
    expected = torchaudio.transforms.MFCC(8000, 13, log_mels=True, melkwargs=MEL)(WAVES)
    torch.testing.assert_close(features(WAVES), expected.unsqueeze(1))
    assert features.image_size(2000) == [13, 26]


def test_waveforms_stay_what_they_are():
    features = SoundFeatures("waveform", sample_rate=8000)
    assert torch.equal(features(WAVES), WAVES.unsqueeze(1)) and features.image_size(2000) == [2000]


@pytest.mark.parametrize("kind", ["mel", "mfcc", "waveform"])
def test_measured_features_have_mean_0_and_deviation_1_each_and_the_waves_are_left_alone(kind):
    features, before = SoundFeatures(kind, sample_rate=8000), WAVES.clone()
    features.measure(WAVES.split(4))
    values = features(WAVES).movedim(-2, 0).flatten(1)
    assert values.mean(1).abs().max() < 1e-4 and (values.std(1, correction=0) - 1).abs().max() < 1e-3
    assert torch.equal(WAVES, before)
    again = SoundFeatures(kind, sample_rate=8000, mean=features.mean, std=features.std)
    assert torch.equal(again(WAVES), features(WAVES))


def test_a_feature_that_is_constant_is_not_blown_up():
    features = SoundFeatures("mel", sample_rate=8000)
    features.measure([torch.zeros(2, 2000)])
    assert set(features.std) == {1.0} and features(torch.zeros(2, 2000)).abs().max() < 1e-3


def test_low_frequencies_come_first():
    time = torch.arange(2000) / 8000
    rows = [SoundFeatures("mel", sample_rate=8000)(torch.sin(6.283 * pitch * time)[None]) for pitch in (200, 3000)]
    low, high = (int(row[0, 0].mean(1).argmax()) for row in rows)
    assert low < 10 < 30 < high


@pytest.mark.parametrize(("num_mels", "sample_rate"), [(128, 8000), (64, 16_000), (128, 44_100)])
def test_no_band_is_empty(num_mels, sample_rate):
    features = SoundFeatures("mel", sample_rate=sample_rate, num_mels=num_mels, window_seconds=0.01)
    noise = torch.randn(1, sample_rate, generator=torch.Generator().manual_seed(0))
    assert features(noise).mean(3).min() > -13  # the logarithm of 1e-6 is -13.8


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"num_mfcc": 50}, "num_mfcc 50: there are only 40 mel bands; set data.num_mels=50"),
        (
            {"max_frequency": 5000.0},
            "frequencies 20 to 5000 Hz: they must rise and stay below 4000, half the sample rate; "
            "set data.max_frequency=null",
        ),
        ({"num_mels": 2000}, "num_mels 2000: too many bands for 8000 Hz; lower data.num_mels"),
    ],
)
def test_options_that_do_not_fit_are_told(options, line):
    with pytest.raises(ValueError) as error:
        SoundFeatures("mfcc", sample_rate=8000, **options)
    assert str(error.value) == line


def test_sounds_shorter_than_half_the_transform_are_refused():
    features = SoundFeatures("mel", sample_rate=8000)
    features.check(129)
    with pytest.raises(ValueError, match=r"clips of 0\.016 s: mel needs 0\.0161 s or more; set data\.clip_seconds"):
        features.check(128)
    assert features(WAVES[:, :129]).isfinite().all()
