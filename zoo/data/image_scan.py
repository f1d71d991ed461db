"""The images of a folder: found by split and class, and looked at one by one before the first step."""

import logging
import os
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Literal

from zoo.data.decode import MEND_OR_SKIP, MOST_BAD, UNREADABLE, opened, reason
from zoo.errors import DataError

log = logging.getLogger(__name__)

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_JPEG_END = b"\xff\xd9"
_TAIL = 4096
_MOST_NAMED = 5


def scan(
    root: Path, *, fewest_classes: int = 2, suffixes: Set[str] = SUFFIXES, kind: str = "images"
) -> dict[str, dict[str, list[Path]]]:
    """Finds the images, or other files, of each class of each split.

    A folder is one of splits if it has a training folder or no other folders than those of splits. All images of any
    other are training images.

    Args:
        root: the folder.
        fewest_classes: how many folders of classes there must be.
        suffixes: how the names of the files end.
        kind: what the files are, in the plural.

    Returns:
        Files in alphabetical order by split and class.

    Raises:
        DataError: the folder is missing, has too few classes, or a class without images.
    """
    if not root.is_dir():
        raise DataError(str(root), "no such folder", "set data.root to the folder that holds a folder a class")
    splits = _split_folders(root)
    found = {
        split: {folder.name: files_below(folder, suffixes) for folder in _subfolders(path)}
        for split, path in splits.items()
    }
    classes = class_names(found)
    if len(classes) < fewest_classes:
        problem = f"{len(classes)} folders of classes found, but {fewest_classes} or more are needed"
        raise DataError(str(splits.get("train", root)), problem, f"sort the {kind} into one folder a class")
    for split, files_by_class in found.items():
        for name, files in files_by_class.items():
            if not files:
                problem = f"no {kind} ({' '.join(sorted(suffixes))})"
                raise DataError(str(splits[split] / name), problem, "add some, or remove the folder")
    return {split: files_by_class for split, files_by_class in found.items() if files_by_class}


def scan_unlabelled(root: Path) -> dict[str, list[Path]]:
    """Finds the images of each split at any depth, whatever the folders in it stand for.

    Args:
        root: the folder, of splits as `scan` tells them, or of training images alone.

    Returns:
        Files in alphabetical order by split.

    Raises:
        DataError: the folder is missing, or there are no images in one of its splits.
    """
    if not root.is_dir():
        raise DataError(str(root), "no such folder", "set data.root to the folder that holds the images")
    folders = _split_folders(root)
    found = {split: files_below(path, SUFFIXES) for split, path in folders.items()}
    for split, files in found.items():
        if not files:
            raise DataError(str(folders[split]), f"no images ({' '.join(sorted(SUFFIXES))})", "add some")
    return found


def _split_folders(root: Path) -> dict[str, Path]:
    """Returns the folder of each split; that of training is the root itself where it is no folder of splits."""
    folders = _subfolders(root)
    splits = {SPLIT_FOLDERS[folder.name]: folder for folder in folders if folder.name in SPLIT_FOLDERS}
    is_split = "train" in splits or all(folder.name in SPLIT_FOLDERS for folder in folders)
    return splits if splits and is_split else {"train": root}


def class_names(found: dict[str, dict[str, list[Path]]]) -> list[str]:
    """Returns the classes in alphabetical order: those of the training images, or of all where there are none."""
    return sorted(found["train"] if "train" in found else set[str]().union(*found.values()))


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise _closed(error) from error


def files_below(folder: Path, suffixes: Set[str]) -> list[Path]:
    """Finds files at any depth, hidden ones aside: all that is named so, were it a folder or a broken link.

    Raises:
        DataError: a folder cannot be listed.
    """
    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names = (name for name in (*folders, *files) if not name.startswith("."))
        found += (Path(place, name) for name in names if Path(name).suffix.lower() in suffixes)
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise _closed(error) from error


def _closed(error: OSError) -> DataError:
    return DataError(str(error.filename), f"cannot be listed ({error.strerror})", "make it readable, or remove it")


def readable(labelled: Sequence[tuple[Path, str]], on_bad_sample: Literal["error", "skip"]) -> list[tuple[Path, str]]:
    """Leaves out, with one warning, the images that `check_file` refuses.

    Args:
        labelled: images with their classes.
        on_bad_sample: "skip" to leave images out.

    Raises:
        DataError: images are refused, but not to be left out, or too many would be.
    """
    good, bad = [], []
    for path, name in labelled:
        try:
            check_file(path)
            good.append((path, name))
        except UNREADABLE as error:
            bad.append((path, reason(error)))
    if not bad:
        return good
    listed = ", ".join(f"{path} ({problem})" for path, problem in bad[1:_MOST_NAMED])
    more = f" and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
    others = f", nor {listed}{more}" if listed else ""
    if on_bad_sample == "error":
        raise DataError(str(bad[0][0]), f"cannot be read as an image ({bad[0][1]}){others}", MEND_OR_SKIP)
    if len(bad) > MOST_BAD * len(labelled):
        problem = f"cannot be read as an image ({bad[0][1]}){others}: {len(bad)} of {len(labelled)}"
        raise DataError(str(bad[0][0]), problem, f"mend or remove them: more than {MOST_BAD:.0%} are not left out")
    log.warning("left out %d unreadable of %d images: %s (%s)%s", len(bad), len(labelled), bad[0][0], bad[0][1], others)
    return good


def check_file(path: Path) -> None:
    """Looks at an image without decoding it, unless it is a JPEG that seems to be cut off.

    PIL reads the header of any file and the checksums of a PNG, but does not look for the end of a JPEG. Where none is
    near the end of the file, as when a phone has appended a video, only decoding tells.

    Raises:
        UNREADABLE: it is no image, or a damaged one.
    """
    with opened(path) as image:
        if image.format not in ("JPEG", "MPO"):
            image.verify()
            return
        file = image.fp
        assert file is not None
        header = file.tell()  # before it a thumbnail may have an end of its own
        file.seek(max(header, file.seek(0, os.SEEK_END) - _TAIL))
        if _JPEG_END not in file.read():
            image.load()
