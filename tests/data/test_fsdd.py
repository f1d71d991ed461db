import os
from pathlib import Path

import pytest
import torch

from tests.data.sounds_on_disk import tone
from zoo.data.fsdd import FSDD
from zoo.data.sound import SoundData
from zoo.errors import DataError

SPEAKERS = ("ada", "bob")


def recordings(data_dir: Path, count: int = 7) -> Path:
    folder = data_dir / "fsdd" / "recordings"
    for digit in range(10):
        for place, speaker in enumerate(SPEAKERS):
            for index in range(count):
                tone(folder / f"{digit}_{speaker}_{index}.wav", 200.0 + 100 * digit, number=100 * place + index)
    return data_dir


def test_the_first_five_of_each_digit_and_speaker_are_the_test_split(tmp_path):
    found = FSDD(data_dir=str(recordings(tmp_path))).recordings()
    assert [sum(recording.split == split for recording in found) for split in ("train", "test")] == [40, 100]
    assert all((recording.index < 5) == (recording.split == "test") for recording in found)
    first = found[0]
    assert (first.path.name, first.digit, first.speaker, first.index) == ("0_ada_0.wav", 0, "ada", 0)
    assert [recording.index for recording in found[:7]] == list(range(7))


def test_validation_has_its_share_of_every_digit_and_speaker(tmp_path):
    data = SoundData(source=FSDD(data_dir=str(recordings(tmp_path))), val_fraction=0.5)
    assert data.facts()["num_classes"] == 10 and data.sizes == {"train": 20, "val": 20, "test": 100}
    parts = [data.sample_name("val", row).split("_")[:2] for row in range(20)]
    assert len({tuple(part) for part in parts}) == 20
    assert [int(digit) for digit, _ in parts] == data.labels["val"].tolist()
    assert torch.equal(data.labels["test"].bincount(), torch.full((10,), 10))


def test_recordings_that_are_not_there_are_said_where_to_get(tmp_path):
    with pytest.raises(DataError) as error:
        FSDD(data_dir=str(tmp_path)).prepare()
    assert str(error.value) == (
        f"{tmp_path}/fsdd/recordings: there is no such folder; clone "
        f"https://github.com/Jakobovski/free-spoken-digit-dataset as {tmp_path}/fsdd, or name the folder that holds "
        "fsdd by paths.data_dir="
    )
    tone(tmp_path / "fsdd" / "recordings" / "0_ada_9.wav")
    with pytest.raises(DataError, match="1 recordings found, none of them for test"):
        FSDD(data_dir=str(tmp_path)).find()


@pytest.mark.realdata
def test_the_real_recordings_are_3000():
    if not (Path(os.environ.get("ZOO_DATA_DIR", "nowhere")) / "fsdd").is_dir():
        pytest.skip("ZOO_DATA_DIR names no folder with fsdd")
    splits = FSDD(data_dir=os.environ["ZOO_DATA_DIR"]).find()
    assert {split: len(sounds) for split, sounds in splits.items()} == {"train": 2700, "test": 300}
