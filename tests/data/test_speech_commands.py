import tarfile
from pathlib import Path

import pytest

from tests.data.sounds_on_disk import tone
from zoo.data import speech_commands
from zoo.data.sound import SoundData
from zoo.data.speech_commands import SpeechCommands
from zoo.errors import DataError

WORDS = ("no", "yes")
LISTS = {"validation_list.txt": "1", "testing_list.txt": "2"}  # the number of the recordings in each


def layout(folder: Path) -> Path:
    """Writes a tiny set in the official layout: of each word one recording for validation, one for test, two more."""
    for word in WORDS:
        for number in range(4):
            tone(folder / word / f"{number}abc_nohash_0.wav", rate=16_000, number=number)
    tone(folder / "_background_noise_" / "running_tap.wav", rate=16_000)
    for name, number in LISTS.items():
        (folder / name).write_text("".join(f"{word}/{number}abc_nohash_0.wav\n" for word in WORDS))
    return folder


def test_the_official_lists_decide_the_splits(tmp_path):
    layout(tmp_path / "SpeechCommands" / "speech_commands_v0.02")
    data = SoundData(source=SpeechCommands(data_dir=str(tmp_path)), sample_rate=16_000, clip_seconds=1.0)
    facts = data.facts()
    assert data.class_names == ["no", "yes"] and facts["image_size"] == [40, 101]
    names = {split: [data.sample_name(split, row) for row in range(size)] for split, size in data.sizes.items()}
    assert names["val"] == ["no/1abc_nohash_0.wav", "yes/1abc_nohash_0.wav"]
    assert names["test"] == ["no/2abc_nohash_0.wav", "yes/2abc_nohash_0.wav"]
    assert names["train"] == [f"{word}/{number}abc_nohash_0.wav" for word in WORDS for number in (0, 3)]
    assert data.labels["train"].tolist() == [0, 0, 1, 1]


def test_the_archive_is_unpacked_whole_or_not_at_all(tmp_path, monkeypatch):
    content = layout(tmp_path / "content")
    archive = tmp_path / "data" / "speech_commands_v0.02.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        for path in content.iterdir():
            tar.add(path, path.name)
    asked = []
    monkeypatch.setattr(speech_commands, "fetch", lambda *arguments, **options: asked.append(options) or archive)
    source = SpeechCommands(data_dir=str(archive.parent))
    source.prepare()
    source.prepare()
    assert len(asked) == 1 and asked[0]["checksum"].startswith("sha256:af14739e")
    assert {split: len(sounds) for split, sounds in source.find().items()} == {"train": 4, "val": 2, "test": 2}
    assert not list(source.folder.parent.glob(".*"))


def test_what_cannot_be_downloaded_is_one_line(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no way\nout")

    monkeypatch.setattr(speech_commands, "fetch", refuse)
    with pytest.raises(DataError) as error:
        SpeechCommands(data_dir=str(tmp_path)).prepare()
    assert str(error.value) == (
        f"{tmp_path}: Speech Commands is not there and could not be downloaded (no way out); "
        "put speech_commands_v0.02.tar.gz into it, or name the folder that has it by paths.data_dir="
    )


def test_a_list_that_is_missing_is_named(tmp_path):
    folder = layout(tmp_path / "SpeechCommands" / "speech_commands_v0.02")
    (folder / "testing_list.txt").unlink()
    with pytest.raises(DataError, match=r"testing_list.txt.*; delete the folder, so that it is downloaded anew"):
        SpeechCommands(data_dir=str(tmp_path)).find()


def test_a_recording_that_is_listed_but_not_there_is_named(tmp_path):
    folder = layout(tmp_path / "SpeechCommands" / "speech_commands_v0.02")
    (folder / "yes" / "2abc_nohash_0.wav").unlink()
    with pytest.raises(DataError, match=r"yes/2abc_nohash_0.wav: cannot be used as a sound \(no regular file\)"):
        SoundData(source=SpeechCommands(data_dir=str(tmp_path))).facts()
