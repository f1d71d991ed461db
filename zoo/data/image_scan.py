"""The images of a folder: found by split and class, and looked at one by one before the first step."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from PIL import Image

from zoo.data.decode import MEND_OR_SKIP, UNREADABLE
from zoo.errors import DataError

log = logging.getLogger(__name__)

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_JPEG_END = b"\xff\xd9"
_TAIL = 4096


def scan(root: Path, *, fewest_classes: int = 2) -> dict[str, dict[str, list[Path]]]:
    """Finds the images of each class of each split.

    A folder is one of splits if it has a training folder or no other folders than those of splits. All images of any
    other are training images.

    Args:
        root: the folder.
        fewest_classes: how many folders of classes there must be.

    Returns:
        Files in alphabetical order by split and class.

    Raises:
        DataError: the folder is missing, has too few classes, or a class without images.
    """
    if not root.is_dir():
        raise DataError(str(root), "no such folder", "set data.root to the folder that holds a folder a class")
    folders = _subfolders(root)
    splits = {SPLIT_FOLDERS[folder.name]: folder for folder in folders if folder.name in SPLIT_FOLDERS}
    if not splits or ("train" not in splits and any(folder.name not in SPLIT_FOLDERS for folder in folders)):
        splits = {"train": root}
    found = {split: {folder.name: _images(folder) for folder in _subfolders(path)} for split, path in splits.items()}
    classes = class_names(found)
    if len(classes) < fewest_classes:
        problem = f"{len(classes)} folders of classes found, but {fewest_classes} or more are needed"
        raise DataError(str(splits.get("train", root)), problem, "sort the images into one folder a class")
    for split, files_by_class in found.items():
        for name, files in files_by_class.items():
            if not files:
                problem = f"no images ({' '.join(sorted(SUFFIXES))})"
                raise DataError(str(splits[split] / name), problem, "add some, or remove the folder")
    return {split: files_by_class for split, files_by_class in found.items() if files_by_class}


def class_names(found: dict[str, dict[str, list[Path]]]) -> list[str]:
    """Returns the classes in alphabetical order: those of the training images, or of all where there are none."""
    return sorted(found["train"] if "train" in found else set[str]().union(*found.values()))


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    """Finds images at any depth, hidden ones aside."""
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def readable(labelled: Sequence[tuple[Path, str]], on_bad_sample: Literal["error", "skip"]) -> list[tuple[Path, str]]:
    """Leaves out, with one warning, the images that `check_file` refuses.

    Args:
        labelled: images with their classes.
        on_bad_sample: "skip" to leave images out.

    Raises:
        DataError: an image is refused, but not to be left out.
    """
    good, bad = [], []
    for path, name in labelled:
        try:
            check_file(path)
            good.append((path, name))
        except UNREADABLE as error:
            if on_bad_sample == "error":
                raise DataError(str(path), f"cannot be read as an image ({error})", MEND_OR_SKIP) from error
            bad.append(path)
    if bad:
        log.warning("left out %d unreadable of %d images: %s", len(bad), len(labelled), ", ".join(map(str, bad[:5])))
    return good


def check_file(path: Path) -> None:
    """Looks at an image without decoding it, unless it is a JPEG that seems to be cut off.

    PIL reads the header of any file and the checksums of a PNG, but does not look for the end of a JPEG. Where none is
    near the end of the file, as when a phone has appended a video, only decoding tells.

    Raises:
        UNREADABLE: it is no image, or a damaged one.
    """
    with path.open("rb") as file, Image.open(file) as image:
        if image.format not in ("JPEG", "MPO"):
            image.verify()
            return
        header = file.tell()  # before it a thumbnail may have an end of its own
        file.seek(max(header, file.seek(0, os.SEEK_END) - _TAIL))
        if _JPEG_END not in file.read():
            image.load()
