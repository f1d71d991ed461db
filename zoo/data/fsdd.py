"""The Free Spoken Digit Dataset: 3,000 recordings of ten digits by six speakers, 8 kHz.

Z. Jackson et al., "Jakobovski/free-spoken-digit-dataset: v1.0.8", 2018, doi:10.5281/zenodo.1342401, CC BY-SA 4.0. By
its official split, the first five recordings of each digit by each speaker are for testing.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import torch

from zoo.data.sounds import SoundFiles
from zoo.errors import DataError

NUM_TEST = 5
_NAME = re.compile(r"(\d)_(\w+)_(\d+)\.wav")
_ADDRESS = "https://github.com/Jakobovski/free-spoken-digit-dataset"


@dataclass(frozen=True)
class Recording:
    """A spoken digit.

    Attributes:
        path: its file.
        digit: what is said, from 0 to 9.
        speaker: who says it, by first name.
        index: number among the recordings of this digit by this speaker.
    """

    path: Path
    digit: int
    speaker: str
    index: int

    @property
    def split(self) -> str:
        """The official split: "train" or "test"."""
        return "test" if self.index < NUM_TEST else "train"


class FSDD:
    """Finds the recordings where they lie; `zoo.data.sound_files.read_sound` reads one.

    Args:
        data_dir: the folder that holds `fsdd/recordings`; `~` stands for the home folder.
    """

    class_names = tuple("0123456789")
    sample_rate = 8000

    def __init__(self, *, data_dir: str) -> None:
        self.folder = Path(data_dir).expanduser() / "fsdd" / "recordings"

    def prepare(self) -> None:
        """Looks for the recordings, which are published without a checksum and so are not downloaded.

        Raises:
            DataError: they are not there.
        """
        if not self.folder.is_dir():
            remedy = f"clone {_ADDRESS} as {self.folder.parent}, or name the folder that holds fsdd by paths.data_dir="
            raise DataError(str(self.folder), "there is no such folder", remedy)

    def recordings(self) -> list[Recording]:
        """Returns all recordings, by digit, speaker and index.

        Raises:
            DataError: there are none of a split.
        """
        self.prepare()
        matches = [(path, _NAME.fullmatch(path.name)) for path in self.folder.iterdir()]
        found = [Recording(path, int(match[1]), match[2], int(match[3])) for path, match in matches if match]
        for split in ("train", "test"):
            if not any(recording.split == split for recording in found):
                problem = f"{len(found)} recordings found, none of them for {split}"
                raise DataError(str(self.folder), problem, f"clone {_ADDRESS} anew")
        return sorted(found, key=lambda found: (found.digit, found.speaker, found.index))

    def find(self) -> dict[str, SoundFiles]:
        """Returns the recordings of "train" and "test"; each digit and speaker has its share in validation."""
        recordings = self.recordings()
        speakers = sorted({recording.speaker for recording in recordings})
        splits = {}
        for split in ("train", "test"):
            part = [recording for recording in recordings if recording.split == split]
            strata = [recording.digit * len(speakers) + speakers.index(recording.speaker) for recording in part]
            files, digits = [recording.path for recording in part], [recording.digit for recording in part]
            splits[split] = SoundFiles.below(self.folder, files, digits, torch.tensor(strata))
        return splits
