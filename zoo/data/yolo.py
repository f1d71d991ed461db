"""Annotations as YOLO reads them: a text file an image, a line an object, of a class and shares of the sides.

The layout is that of Darknet, J. Redmon et al., "You Only Look Once", 2015, arXiv 1506.02640, and of its successors.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from zoo.data.annotations import Found, Object, Picture
from zoo.data.csv_file import shown
from zoo.data.detection_files import DetectionFiles, lines_of
from zoo.data.image_scan import SPLIT_FOLDERS, SUFFIXES, files_below
from zoo.errors import DataError

_DESCRIPTIONS = ("data.yaml", "dataset.yaml", "data.yml")
_NAMES = ("classes.txt", "obj.names", "names.txt", "classes.names")


class YOLODetection(DetectionFiles):
    """Images and text files of labels, by a `data.yaml`, or in folders `images` and `labels`.

    Without a `data.yaml` the folders may have folders train, val and test in them, or lie in such; classes are then the
    lines of `classes.txt`, or their numbers. A label is `class cx cy width height` in shares of the sides, or a class
    and the corners of a polygon. An image without a file of labels, or with an empty one, has no objects.

    Args:
        root: the folder, or a `data.yaml`; `~` stands for the home folder.
        classes: names of the classes in the order of their numbers; None for what the files say.
        options: see `zoo.data.detection.DetectionData`.
    """

    def __init__(self, *, root: str | None, classes: Sequence[str] | None = None, **options: Any) -> None:
        super().__init__(root=root, classes=classes, **options)

    def read(self) -> Found:
        """Reads the labels of each split."""
        root, described = self._places()
        names, images = (_names(root), _images(root)) if described is None else _described(described)
        if not any(images.values()):
            remedy = "set data.root to a folder with data.yaml, or with images/ and labels/"
            raise DataError(str(root), "no images with files of labels", remedy)
        names = list(self.classes) if self.classes else names
        splits = {split: [_picture(file, names) for file in files] for split, files in images.items()}
        if not any(entry for pictures in splits.values() for picture in pictures for entry in picture.objects):
            example = next(_labels_of(files[0]) for files in images.values() if files)
            raise DataError(str(root), f"no labels of any image, such as {example}", "put them there")
        return Found(names or _numbers(splits), splits)

    def _places(self) -> tuple[Path, Path | None]:
        """Returns the folder, and its description where there is one."""
        if self.root is not None and self.root.suffix in (".yaml", ".yml"):
            return self.root.parent, self.root
        files = [self.folder / name for name in _DESCRIPTIONS]
        return self.folder, next((file for file in files if file.is_file()), None)


def _described(path: Path) -> tuple[list[str], dict[str, list[Path]]]:
    """Returns the classes, and the images of each split, that a `data.yaml` describes.

    Raises:
        DataError: it does not.
    """
    try:
        described = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        line = (
            f":{error.problem_mark.line + 1}" if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark else ""
        )
        raise DataError(f"{path}{line}", "is no YAML", "correct it") from error
    except OSError as error:
        raise DataError(str(path), f"cannot be read ({error.strerror})", "set data.root to it") from error
    described = described if isinstance(described, dict) else {}
    names = described.get("names")
    if isinstance(names, dict):
        names = [names[number] for number in sorted(names)] if set(names) == set(range(len(names))) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str | int | float) for name in names):
        raise DataError(str(path), "has no names of classes", "add names: [NAME, ...]")
    base = path.parent / "".join(_listed(described.get("path")))
    images = {
        split: [file for place in _listed(described[key]) for file in _at(path, base, place)]
        for key, split in SPLIT_FOLDERS.items()
        if described.get(key)
    }
    return [str(name) for name in names], images


def _listed(value: Any) -> list[str]:
    return [entry for entry in (value if isinstance(value, list) else [value]) if isinstance(entry, str)]


def _at(path: Path, base: Path, place: str) -> list[Path]:
    """Returns the images of a folder, or of a list of them, that a `data.yaml` names.

    Raises:
        DataError: there is no such.
    """
    # Some tools write ../train/images for what lies beside the file.
    bases = (base, path.parent, path.parent / "images")
    candidates = [start / spelled for start in bases for spelled in (place, place.removeprefix("../"))]
    found = next((candidate for candidate in candidates if candidate.exists()), None)
    if found is None:
        raise DataError(str(path), f"names {place}, which is not there", "correct the path")
    if found.is_dir():
        return files_below(found, SUFFIXES)
    names = [line for line in lines_of(found) if line]
    near = base if names and (base / names[0]).is_file() else found.parent
    return [near / name for name in names]


def _images(root: Path) -> dict[str, list[Path]]:
    """Returns the images of each split in folders without a description."""
    folders: dict[str, Path] = {}
    for name, split in SPLIT_FOLDERS.items():
        for folder in (root / "images" / name, root / name / "images", root / name):
            if folder.is_dir():
                folders.setdefault(split, folder)
    if not folders:
        folders = {"train": root / "images" if (root / "images").is_dir() else root}
    return {split: files for split, folder in folders.items() if (files := files_below(folder, SUFFIXES))}


def _names(root: Path) -> list[str]:
    """Returns the classes by the file that lists them, a line a class; none where there is no such file."""
    files = [folder / name for folder in (root, root / "labels") for name in _NAMES]
    file = next((file for file in files if file.is_file()), None)
    return [line for line in lines_of(file) if line] if file else []


def _labels_of(image: Path) -> Path:
    """Returns the file of labels: beside the image, or in `labels` where the image lies in `images`."""
    beside, parts = image.with_suffix(".txt"), list(image.parts)
    if "images" not in parts[:-1] or beside.is_file():
        return beside
    last = len(parts) - 1 - parts[-2::-1].index("images") - 1
    return Path(*parts[:last], "labels", *parts[last + 1 :]).with_suffix(".txt")


def _picture(image: Path, names: Sequence[str]) -> Picture:
    path = _labels_of(image)
    try:
        lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    except OSError as error:
        return Picture(image, place=str(path), fault=f"cannot be read ({error.strerror})")
    objects = [_object(f"{path}:{line}", text.split(), names) for line, text in enumerate(lines, 1) if text.strip()]
    return Picture(image, objects, shares=True)


def _object(place: str, cells: Sequence[str], names: Sequence[str]) -> Object:
    try:
        number, *values = map(float, cells)
    except ValueError:
        return Object(place, fault=f"holds something else than numbers ({shown(' '.join(cells))})")
    if not number.is_integer() or number < 0:
        return Object(place, fault=f"class {cells[0]} is no whole number from 0 on")
    if names and number >= len(names):
        return Object(place, fault=f"class {cells[0]}, but the {len(names)} classes are 0 to {len(names) - 1}")
    name = names[int(number)] if names else str(int(number))
    if len(values) == 4:
        x, y, width, height = values
        return Object(place, name, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    if len(values) >= 6 and len(values) % 2 == 0:
        across, down = values[::2], values[1::2]
        return Object(place, name, (min(across), min(down), max(across), max(down)))
    return Object(place, fault=f"has {len(cells)} numbers, not a class and cx cy width height")


def _numbers(splits: dict[str, list[Picture]]) -> list[str]:
    """Returns the numbers up to the largest that is used, as names."""
    used = {entry.name for pictures in splits.values() for picture in pictures for entry in picture.objects}
    highest = max((int(name) for name in used if re.fullmatch(r"\d+", name)), default=-1)
    return [str(number) for number in range(highest + 1)]
