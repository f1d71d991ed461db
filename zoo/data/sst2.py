"""SST-2: 6,920 + 872 + 1,821 sentences of film reviews, negative or positive, in their official split.

R. Socher et al., "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank", EMNLP 2013, without
the neutral sentences, and without the phrases, of which most published figures are trained on 60,000 more.
"""

from pathlib import Path

import torch

from zoo.data.texts import Texts
from zoo.errors import DataError

_FILES = {"train": "train.tsv", "val": "dev.tsv", "test": "test.tsv"}
_ADDRESS = "https://github.com/clairett/pytorch-sentiment-classification (data/SST2)"


class SST2:
    """Reads three files of lines `text<TAB>label`, without a header.

    Args:
        data_dir: the folder that holds `sst2/train.tsv`, `dev.tsv` and `test.tsv`; `~` stands for the home folder.
    """

    class_names = ("negative", "positive")

    def __init__(self, *, data_dir: str) -> None:
        self.folder = Path(data_dir).expanduser() / "sst2"

    def prepare(self) -> None:
        """Looks for the files, which are published without a checksum and so are not downloaded.

        Raises:
            DataError: one is not there.
        """
        for name in _FILES.values():
            if not (self.folder / name).is_file():
                remedy = f"take the files from {_ADDRESS}, or name the folder that holds sst2 by paths.data_dir="
                raise DataError(str(self.folder / name), "no such file", remedy)

    def load(self) -> dict[str, Texts]:
        """Returns the sentences of "train", "val", which is the official dev.tsv, and "test"."""
        return {split: _read(self.folder / name) for split, name in _FILES.items()}


def _read(path: Path) -> Texts:
    """Reads one of the files.

    Raises:
        DataError: a line is not what it should be.
    """
    texts, labels, names = list[str](), list[int](), list[str]()
    for row, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
        text, _, label = line.rpartition("\t")
        if not line.strip():
            continue
        if not text.strip() or label not in ("0", "1"):
            raise DataError(f"{path} row {row}", "is not a text, a tab, and 0 or 1", "take the file anew")
        texts.append(text)
        labels.append(int(label))
        names.append(f"{path.name} row {row}")
    if not texts:
        raise DataError(str(path), "is empty", "take the file anew")
    return Texts(texts, torch.tensor(labels), names)
