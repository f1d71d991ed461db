import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from tests.data.sounds_on_disk import tone
from zoo.data.sound_files import SoundError, read_header, read_sound, to_float

NOISE = np.random.default_rng(0).integers(-30_000, 30_000, (400, 2), dtype=np.int16)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_samples_of_16_bits_are_read_as_they_are(tmp_path, name):
    soundfile.write(tmp_path / name, NOISE[:, 0], 8000)
    samples, rate = read_sound(tmp_path / name)
    assert rate == 8000 and samples.dtype == torch.int16
    np.testing.assert_array_equal(samples.numpy(), NOISE[:, 0])
    assert read_header(tmp_path / name) == (8000, 400)


def test_channels_are_averaged(tmp_path):
    soundfile.write(tmp_path / "a.wav", NOISE, 8000)
    samples, _ = read_sound(tmp_path / "a.wav")
    assert np.abs(samples.numpy() - NOISE.mean(1)).max() <= 0.5


def test_numbers_of_24_bits_are_rounded_and_what_is_too_loud_is_cut_off(tmp_path):
    wave = np.array([0.5, -1.0, 3.0, -3.0, 1e-6])
    soundfile.write(tmp_path / "a.wav", wave, 8000, subtype="FLOAT")
    assert read_sound(tmp_path / "a.wav")[0].tolist() == [16384, -32768, 32767, -32768, 0]


def test_another_rate_is_reached_as_torchaudio_does_it(tmp_path):
    path = tone(tmp_path / "a.wav", rate=16_000)
    expected = torchaudio.functional.resample(to_float(read_sound(path)[0]), 16_000, 8000)
    samples, rate = read_sound(path, 8000)
    assert rate == 8000 and len(samples) == 800
    torch.testing.assert_close(to_float(samples), expected, atol=1 / 32768, rtol=0)


@pytest.mark.parametrize("level", [0, 1000])
def test_silence_is_refused(tmp_path, level):
    soundfile.write(tmp_path / "a.wav", np.full(50, level, dtype=np.int16), 8000)
    with pytest.raises(SoundError, match=f"silent: all 50 samples are {level / 32768:g}"):
        read_sound(tmp_path / "a.wav")


def no_samples(path):
    soundfile.write(path, NOISE[:0], 8000)


def cut_off(path):
    soundfile.write(path, NOISE, 8000)
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (no_samples, "it holds no samples"),
        (cut_off, "cut off: its data chunk claims 1,600 bytes, but 456 are there"),
        (lambda path: path.write_text("no sound, but a text"), "no sound can be read"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: None, "no regular file"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, write, problem):
    write(tmp_path / "a.wav")
    with pytest.raises(SoundError, match=problem):
        read_sound(tmp_path / "a.wav")
    if write is not cut_off:  # a header says nothing about what is missing
        with pytest.raises(SoundError, match=problem):
            read_header(tmp_path / "a.wav")
