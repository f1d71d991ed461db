import numpy as np
import pytest
import soundfile

from zoo.data.sound_scan import check_file

NOISE = np.random.default_rng(0).normal(0, 0.1, (5000, 2))


def sound(path, subtype="PCM_16", samples=NOISE, **options):
    soundfile.write(path, samples, 16_000, subtype=subtype, **options)
    return path


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM"])
def test_whole_wav_files_pass(tmp_path, subtype):
    assert check_file(sound(tmp_path / "a.wav", subtype)) == ""


@pytest.mark.parametrize("form", ["RF64", "WAVEX"])
def test_wav_files_of_other_headers_pass(tmp_path, form):
    assert check_file(sound(tmp_path / "a.wav", format=form)) == ""


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_whole_flac_files_pass_and_any_flipped_bit_is_found(tmp_path, subtype):
    path = sound(tmp_path / "a.flac", subtype)
    assert check_file(path) == ""
    whole = path.read_bytes()
    for place in range(200, len(whole), len(whole) // 10):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        assert check_file(path)


def test_a_flac_file_without_a_checksum_passes(tmp_path):
    path = sound(tmp_path / "a.flac")
    whole = path.read_bytes()
    path.write_bytes(whole[:26] + bytes(16) + whole[42:])
    assert check_file(path) == ""


def test_a_wav_file_shorter_than_its_header_says_is_found(tmp_path):
    path = sound(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:1000])
    assert check_file(path) == "cut off: its data chunk claims 20,000 bytes, but 956 are there"


@pytest.mark.parametrize("left", [5, 30])
def test_a_wav_file_without_its_data_is_found(tmp_path, left):
    path = sound(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:left])
    assert check_file(path).startswith("cut off")


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_what_is_no_sound_is_found(tmp_path, name):
    path = tmp_path / name
    path.write_text("no sound at all, but a text that is long enough")
    assert check_file(path).startswith("no sound can be read")
    path.write_bytes(b"")
    assert check_file(path) == "the file is empty"
    assert check_file(sound(path, samples=NOISE[:0]))
    path.unlink()
    assert check_file(path) == "no regular file"
    path.mkdir()
    assert check_file(path) == "a folder"


def test_a_sample_that_is_no_number_is_found(tmp_path):
    samples = NOISE.copy()
    samples[3000] = np.nan
    assert check_file(sound(tmp_path / "a.wav", "FLOAT", samples)).endswith("is NaN or infinite")
