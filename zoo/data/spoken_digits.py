"""The recordings of the Free Spoken Digit Dataset as words to make strings of."""

from collections.abc import Sequence
from pathlib import Path

import torch

from zoo.data.fsdd import FSDD
from zoo.data.sound_pieces import Pieces
from zoo.data.sound_survey import survey
from zoo.data.sounds import SoundFiles

_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class SpokenDigits:
    """Single digits by six speakers, by the official split; see `zoo.data.fsdd`.

    Args:
        data_dir: the folder that holds `fsdd/recordings`; `~` stands for the home folder.
        spelled: whether a digit is written as a word, "three", and not as a figure.
    """

    def __init__(self, *, data_dir: str, spelled: bool = False) -> None:
        self.recordings = FSDD(data_dir=data_dir)
        self.words: Sequence[str] = _SPELLED if spelled else self.recordings.class_names

    def prepare(self) -> None:
        """Looks for the recordings."""
        self.recordings.prepare()

    def load(self) -> tuple[int, dict[str, Pieces]]:
        """Returns the samples in a second, and the recordings of "train" and "test".

        Raises:
            DataError: a recording is missing or damaged.
        """
        every = self.recordings.recordings()
        speakers = sorted({recording.speaker for recording in every})
        parts = {split: [each for each in every if each.split == split] for split in ("train", "test")}
        sounds = {
            split: SoundFiles.below(self.recordings.folder, [r.path for r in part], [r.digit for r in part])
            for split, part in parts.items()
        }
        rate, found = survey(sounds, sample_rate=None, in_memory=True, on_bad_sample="error")
        pieces = {}
        for split, part in parts.items():
            voices = torch.tensor([speakers.index(recording.speaker) for recording in part])
            names = [Path(name).stem for name in found[split].sounds.names]
            pieces[split] = Pieces(found[split].samples or [], found[split].sounds.labels, voices, names)
        return rate, pieces
