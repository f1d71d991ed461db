"""Files without labels, to predict on: batches as the data module of a run makes them of its own."""

from collections.abc import Sequence
from pathlib import Path

import lightning

from zoo.batch import Batch
from zoo.data.base import DataModule, FileBatches
from zoo.data.image_scan import files_below
from zoo.errors import DataError


class Unlabelled(lightning.LightningDataModule):
    """Files that a trained model is shown.

    Args:
        data: the data module of a run, by whose preprocessing batches are finished; it is not set up.
        files: what to predict on.
    """

    def __init__(self, data: DataModule, files: Sequence[Path]) -> None:
        super().__init__()
        self.data, self.files = data, files
        self.loader = data.file_loader(files)

    def predict_dataloader(self) -> FileBatches:
        """Returns the batches of the files."""
        return self.loader

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Finishes a batch when Lightning has put it on the device."""
        return self.data.prepare_batch(batch, train=False)


def find_files(path: Path, suffixes: frozenset[str]) -> tuple[Path, list[Path]]:
    """Finds the files to predict on.

    Args:
        path: a file, or a folder that is looked through at any depth.
        suffixes: how their names end.

    Returns:
        The folder that names of files are relative to, and the files in alphabetical order.

    Raises:
        DataError: there are none.
    """
    if path.is_file():
        return path.parent, [path]
    if not path.exists():
        raise DataError(str(path), "there is no such file or folder", "correct input=")
    files = files_below(path, suffixes)
    if not files:
        raise DataError(
            str(path), "no file in it can be predicted on", f"put some that end in {' '.join(sorted(suffixes))}"
        )
    return path, files
