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
from zoo.data.csv_file import shown
from zoo.data.detection_files import DetectionFiles, folders_of_splits, images_by_stem, lines_of, names_found
from zoo.errors import DataError

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_LISTS = {"train": ("train", "trainval"), "val": ("val",), "test": ("test",)}


class VOCDetection(DetectionFiles):
    """Images and XML files in the folders JPEGImages (or images) and Annotations, or beside each other.

    Either may be so in each of the folders train, val and test. Where there are none, splits are those that the lists
    of ImageSets/Main say; without lists all images are training images. Objects that are marked as difficult are
    ignored, and images without an XML file passed over.

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
        folders = folders_of_splits(root)
        if folders and _annotations(root) is None:
            splits = {split: _of_all(folder) for split, folder in folders.items()}
        else:
            splits = _of_lists(root) or {"train": _of_all(root)}
        if not any(splits.values()):
            remedy = "set data.root to a folder with JPEGImages and Annotations, or with images and XML files"
            raise DataError(str(root), "no XML file of annotations", remedy)
        return Found(self.classes or names_found(splits), {split: found for split, found in splits.items() if found})


def _annotations(root: Path) -> Path | None:
    """Returns the folder of XML files, where it is one of its own."""
    return next((root / name for name in ("Annotations", "annotations") if (root / name).is_dir()), None)


def _images(root: Path) -> dict[str, Path]:
    """Returns the images by their names without suffix: from a folder of their own, or beside the XML files."""
    folders = [root / name for name in ("JPEGImages", "images", "Images")]
    return images_by_stem(next((folder for folder in folders if folder.is_dir()), _annotations(root) or root))


def _of_lists(root: Path) -> dict[str, list[Picture]]:
    """Returns the pictures that lists of ImageSets/Main name, one a line; nothing where there are no lists."""
    lists, splits, found = root / "ImageSets" / "Main", dict[str, list[Picture]](), _images(root)
    folder = _annotations(root) or root
    for split, names in _LISTS.items():
        file = next((file for name in names if (file := lists / f"{name}.txt").is_file()), None)
        if file is None:
            continue
        splits[split] = []
        for line, name in ((line, text.split()[0]) for line, text in enumerate(lines_of(file), 1) if text):
            path = folder / f"{name}.xml"
            missing = Picture(path, place=f"{file}:{line}", fault=f"{path} is missing")
            splits[split].append(read_xml(path, found) if path.is_file() else missing)
    return splits


def _of_all(root: Path) -> list[Picture]:
    """Returns the pictures of all XML files in a folder."""
    files, found = sorted((_annotations(root) or root).glob("*.xml")), _images(root)
    return [read_xml(path, found) for path in files if not path.name.startswith(".")]


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
        if not self._open and name != "annotation":
            raise ValueError(f"is no annotation of Pascal VOC, but {shown(name)}")
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
        name = " ".join(texts.get("name", "").split())
        corners = {corner: texts.get(f"bndbox/{corner}", "") for corner in _CORNERS}
        if not name:
            return Object(place, fault="object without a name")
        try:
            x1, y1, x2, y2 = map(float, corners.values())
        except ValueError:
            wrong, text = next((corner, text) for corner, text in corners.items() if not _is_number(text))
            return Object(place, name, fault=f"{wrong} is no number ({shown(text)})" if text else f"no {wrong}")
        return Object(place, name, (x1, y1, x2, y2), ignored=texts.get("difficult") in ("1", "true", "True"))


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False
