"""Annotations of the Pascal VOC challenge: an XML file an image.

M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010. Corners are taken as they are
written: whether they count from 0 or from 1 differs from tool to tool, by a pixel.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

from zoo.data.annotations import Found, Object, Picture
from zoo.data.detection_files import DetectionFiles, images_by_stem, names_found
from zoo.data.image_scan import SPLIT_FOLDERS
from zoo.errors import DataError

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_LISTS = {"train": ("train", "trainval"), "val": ("val",), "test": ("test",)}


class VOCDetection(DetectionFiles):
    """Images and XML files in the folders JPEGImages, Annotations and ImageSets/Main, or beside each other.

    Where they lie beside each other, that may be in folders train, val and test. Lists of splits are those of
    ImageSets/Main; without them all images are training images. Objects that are marked as difficult are ignored.
    Images without an XML file are passed over.

    Args:
        root: the folder; `~` stands for the home folder.
        classes: names of the classes in the order of their numbers; None for those of the training objects.
        options: see `zoo.data.detection.DetectionData`.
    """

    def __init__(self, *, root: str | None, classes: Sequence[str] | None = None, **options: Any) -> None:
        super().__init__(root=root, classes=classes, **options)

    def read(self) -> Found:
        """Reads the XML files of each split."""
        root = self.folder
        if (root / "Annotations").is_dir():
            splits = _of_challenge(root)
        else:
            folders = {SPLIT_FOLDERS[path.name]: path for path in sorted(root.iterdir()) if path.name in SPLIT_FOLDERS}
            splits = {split: _of_folder(path, path) for split, path in (folders or {"train": root}).items()}
        if not any(splits.values()):
            remedy = "set data.root to a folder with JPEGImages and Annotations, or with images and XML files"
            raise DataError(str(root), "no XML file of annotations", remedy)
        return Found(self.classes or names_found(splits), {split: found for split, found in splits.items() if found})


def _of_challenge(root: Path) -> dict[str, list[Picture]]:
    folder, lists = root / "Annotations", root / "ImageSets" / "Main"
    images = next((root / name for name in ("JPEGImages", "images", "Images") if (root / name).is_dir()), folder)
    listed = {
        split: next((file for name in names if (file := lists / f"{name}.txt").is_file()), None)
        for split, names in _LISTS.items()
    }
    if not any(listed.values()):
        return {"train": _of_folder(folder, images)}
    found = images_by_stem(images)
    return {split: _of_list(file, folder, found) for split, file in listed.items() if file is not None}


def _of_list(file: Path, folder: Path, images: dict[str, Path]) -> list[Picture]:
    """Returns the pictures that a list names, one a line."""
    pictures = []
    for line, text in enumerate(file.read_text(errors="replace").splitlines(), 1):
        if not text.strip():
            continue
        name = text.split()[0]
        path = folder / f"{name}.xml"
        if path.is_file():
            pictures.append(read_xml(path, images))
        else:
            pictures.append(Picture(images.get(name, path), place=f"{file}:{line}", fault=f"{path} is missing"))
    return pictures


def _of_folder(folder: Path, images: Path) -> list[Picture]:
    """Returns the pictures of all XML files in a folder."""
    found = images_by_stem(images)
    return [read_xml(path, found) for path in sorted(folder.glob("*.xml")) if not path.name.startswith(".")]


def read_xml(path: Path, images: dict[str, Path]) -> Picture:
    """Reads the annotations of an image.

    Args:
        path: the XML file.
        images: by their names without suffix.

    Returns:
        The picture, with what is wrong with it or its objects.
    """
    reader = _Reader(path)
    fault, line = reader.read()
    if fault:
        return Picture(path, place=f"{path}:{line}", fault=fault)
    name = Path(reader.texts.get("filename", "").replace("\\", "/")).name
    image = images.get(path.stem) or images.get(Path(name).stem) or path.with_name(name or f"{path.stem}.jpg")
    return Picture(image, reader.objects, place=str(path), size=_size(reader.texts))


def _size(texts: dict[str, str]) -> tuple[int, int] | None:
    try:
        width, height = round(float(texts["size/width"])), round(float(texts["size/height"]))
    except (KeyError, ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


class _Reader:
    """Goes through an XML file, whose objects it notes with their lines.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.objects, self.texts = path, list[Object](), dict[str, str]()
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._refuse
        self._open: list[str] = []
        self._line = 0

    def read(self) -> tuple[str, int]:
        """Returns why the file cannot be read, empty where it can, and the line."""
        try:
            self._parser.Parse(self.path.read_bytes(), True)
        except expat.ExpatError as error:
            return f"is no XML ({expat.ErrorString(error.code)})", error.lineno
        except OSError as error:
            return f"cannot be read ({error.strerror})", 1
        except ValueError as error:
            return str(error), self._parser.CurrentLineNumber
        return "", 0

    def _refuse(self, *_: Any) -> None:
        raise ValueError("declares entities, which no annotation needs")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append(name)
        if self._open[1:] == ["object"]:
            self._line, self.texts = self._parser.CurrentLineNumber, self._without_object()

    def _without_object(self) -> dict[str, str]:
        return {name: text for name, text in self.texts.items() if not name.startswith("object/")}

    def _text(self, text: str) -> None:
        name = "/".join(self._open[1:])
        self.texts[name] = self.texts.get(name, "") + text.strip()

    def _end(self, name: str) -> None:
        if self._open[1:] == ["object"]:
            self.objects.append(self._object())
        self._open.pop()

    def _object(self) -> Object:
        """Returns the object that has just been read."""
        place, texts = f"{self.path}:{self._line}", {name[7:]: text for name, text in self.texts.items()}
        name, corners = texts.get("name", ""), [texts.get(f"bndbox/{corner}", "") for corner in _CORNERS]
        if not name:
            return Object(place, fault="object without a name")
        try:
            x1, y1, x2, y2 = map(float, corners)
        except ValueError:
            wrong = next(text for text in zip(_CORNERS, corners, strict=True) if not _is_number(text[1]))
            return Object(place, name, fault=f"{wrong[0]} is no number ({wrong[1]})" if wrong[1] else f"no {wrong[0]}")
        return Object(place, name, (x1, y1, x2, y2), ignored=texts.get("difficult") in ("1", "true", "True"))


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False
