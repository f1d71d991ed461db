"""Image files decoded as a whole, for `python -m zoo check`: what is damaged in the middle only shows then.

A JPEG has no checksum. PIL makes an image of nearly all damaged ones, and torch's decoder too, but libjpeg says on
stderr what it did not expect. Of 200 photographs with 32 bytes overwritten PIL refused 22, and libjpeg complained of
178; of a single flipped bit it complained in one of six, and no more can be known.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from torch.utils.data import DataLoader, Dataset
from torchvision.io import decode_jpeg, read_file

from zoo.data.decode import UNREADABLE, opened, reason
from zoo.data.image_scan import check_file
from zoo.data.workers import batches_of, outlive_one_signal

_FILES_AT_ONCE = 8
_COMPLAINTS = ("Corrupt JPEG data", "Premature end", "Unsupported marker", "Invalid ")


def check_whole(path: Path) -> str:
    """Decodes an image completely.

    Args:
        path: the file.

    Returns:
        What is wrong with it; empty where nothing is.
    """
    with tempfile.TemporaryFile() as printed:
        try:
            with _stderr_to(printed):  # libtiff prints there, too
                check_file(path)
                with opened(path) as image:
                    image.load()
                    is_jpeg = image.format in ("JPEG", "MPO")
                if is_jpeg:
                    _decode_anew(path)
        except UNREADABLE as error:
            return reason(error)
        printed.seek(0)
        lines = printed.read().decode(errors="replace").splitlines()
    return next((line for line in lines if is_jpeg and line.startswith(_COMPLAINTS)), "")


def _decode_anew(path: Path) -> None:
    """Lets torch's decoder complain; of the kinds of JPEG that it does not know PIL has judged."""
    with suppress(RuntimeError):
        decode_jpeg(read_file(str(path)))


@contextmanager
def _stderr_to(file: IO[bytes]) -> Iterator[None]:
    """Puts what C libraries print to stderr into a file; for a process of one thread."""
    sys.stderr.flush()
    own = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(own, 2)
        os.close(own)


class _Files(Dataset[str]):
    """What is wrong with each file, for torch's loader."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> str:
        return check_whole(self.files[row])


def problems(files: Sequence[Path], num_workers: int) -> Iterator[str]:
    """Yields what is wrong with each file, in order; empty where nothing is.

    Args:
        files: images.
        num_workers: processes that decode.
    """
    loader = DataLoader(
        _Files(files),
        batch_size=_FILES_AT_ONCE,
        num_workers=num_workers,
        collate_fn=list,
        worker_init_fn=outlive_one_signal,
    )
    for batch in batches_of(loader):
        yield from batch
