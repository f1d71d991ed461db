"""Speech Commands: 105,829 recordings of 35 words, at most one second long, 16 kHz, 2.3 GB to download.

P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", 2018, arXiv 1804.03209, CC BY 4.0.
Address, checksum and official lists of validation and test files are as torchaudio has them.
"""

import fcntl
import shutil
import tarfile
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from zoo.data.sounds import SoundFiles
from zoo.download import fetch
from zoo.errors import DataError

_SPLITS = {"train": "training", "val": "validation", "test": "testing"}


class SpeechCommands:
    """Finds the recordings in torchaudio's layout, and downloads them where they are missing.

    Args:
        data_dir: the folder that holds `SpeechCommands/speech_commands_v0.02`, or the archive; `~` stands for the home
            folder.
        version: which edition.
    """

    sample_rate = 16000

    def __init__(self, *, data_dir: str, version: Literal["v0.01", "v0.02"] = "v0.02") -> None:
        self.data_dir, self.name = Path(data_dir).expanduser(), f"speech_commands_{version}"
        self.class_names: list[str] = []

    @property
    def folder(self) -> Path:
        """Where the recordings lie, in a folder a word."""
        return self.data_dir / "SpeechCommands" / self.name

    def prepare(self) -> None:
        """Downloads and unpacks the archive if the recordings are missing, one process at a time.

        Raises:
            DataError: that failed.
        """
        if self.folder.is_dir():
            return
        from torchaudio.datasets.speechcommands import _CHECKSUMS  # type: ignore[import-untyped]

        address, checksum = next(item for item in _CHECKSUMS.items() if self.name in item[0])
        archive = self.data_dir / Path(urlsplit(address).path).name
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with (self.data_dir / f".{self.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not self.folder.is_dir():
                    self._unpack(fetch([address], archive, checksum=f"sha256:{checksum}"))
        except (OSError, tarfile.TarError) as error:
            raise DataError(
                str(self.data_dir),
                f"Speech Commands is not there and could not be downloaded ({' '.join(str(error).split())})",
                f"put {archive.name} into it, or name the folder that has it by paths.data_dir=",
            ) from error

    def _unpack(self, archive: Path) -> None:
        """Unpacks files, and nothing else, to a folder beside, which gets its name when it is whole."""
        part = self.folder.with_name(f".{self.name}.part").resolve()
        with tarfile.open(archive) as tar:
            for member in tar:
                content, target = tar.extractfile(member) if member.isfile() else None, (part / member.name).resolve()
                if content is not None and target.is_relative_to(part):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as file:
                        shutil.copyfileobj(content, file)
        part.rename(self.folder)

    def find(self) -> dict[str, SoundFiles]:
        """Returns the recordings of each official split; background noises are passed over.

        Raises:
            DataError: a list is missing, or a split is empty.
        """
        from torchaudio.datasets import SPEECHCOMMANDS  # type: ignore[import-untyped]

        files: dict[str, list[Path]] = {}
        for split, subset in _SPLITS.items():
            try:
                found = SPEECHCOMMANDS(self.data_dir, url=self.name, subset=subset)
            except (OSError, RuntimeError) as error:
                raise self._incomplete(" ".join(str(error).split())) from error
            files[split] = sorted(self.folder.parent / found.get_metadata(row)[0] for row in range(len(found)))
            if not files[split]:
                raise self._incomplete(f"there are no recordings for {split}")
        self.class_names = sorted({path.parent.name for path in files["train"]})
        places = {name: label for label, name in enumerate(self.class_names)}
        if unknown := [path for split in files.values() for path in split if path.parent.name not in places]:
            raise self._incomplete(f"{unknown[0]} is of a word that is not in train")
        return {
            split: SoundFiles.below(self.folder, paths, [places[path.parent.name] for path in paths])
            for split, paths in files.items()
        }

    def _incomplete(self, problem: str) -> DataError:
        return DataError(str(self.folder), problem, "delete the folder, so that it is downloaded anew")
