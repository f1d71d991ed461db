"""Files looked at for what they are, without knowing what they are for."""

import os
from collections.abc import Sequence
from pathlib import Path

from zoo.data import image_check, sound_scan
from zoo.data.base import BadSample, Watch, unwatched
from zoo.data.csv_file import check_rows
from zoo.data.image_scan import SUFFIXES
from zoo.errors import DataError

_TABLES = {".csv", ".tsv"}


def scan_path(path: Path, watch: Watch = unwatched, *, num_workers: int | None = None) -> tuple[int, list[BadSample]]:
    """Looks at a folder of images and sounds at any depth, hidden ones aside, or at one image, sound or table.

    Args:
        path: the folder or file.
        watch: what to go through long loops with.
        num_workers: processes that decode images; None for one a core, up to eight.

    Returns:
        How many files, or rows of a table, there are, and what is wrong with them.

    Raises:
        DataError: there is nothing to look at.
    """
    if path.suffix.lower() in _TABLES and not path.is_dir():
        count, problems = check_rows(path)
        return count, [BadSample(f"{path} row {problem.line}", problem.in_row) for problem in problems]
    files = _files(path) if path.is_dir() else [path]
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    sounds = [file for file in files if file.suffix.lower() in sound_scan.SUFFIXES]
    if not images and not sounds:
        problem = "no image, sound or table" if path.exists() else "does not exist"
        kinds = " ".join(sorted(SUFFIXES | sound_scan.SUFFIXES | _TABLES))
        raise DataError(str(path), problem, f"give a folder or a file of one of {kinds}")
    workers = num_workers if num_workers is not None else min(8, os.cpu_count() or 1, len(images) // 100)
    found = zip(images, image_check.problems(images, workers), strict=True) if images else ()
    bad = [BadSample(str(file), problem) for file, problem in watch(found, "images", len(images)) if problem]
    heard = ((file, sound_scan.check_file(file)) for file in sounds)
    bad += [BadSample(str(file), problem) for file, problem in watch(heard, "sounds", len(sounds)) if problem]
    return len(images) + len(sounds), bad


def _files(folder: Path) -> Sequence[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += (Path(place, name) for name in (*folders, *names) if not name.startswith("."))
    return sorted(found)
