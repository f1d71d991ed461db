"""Annotations in the JSON format of COCO.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", 2014, arXiv 1405.0312.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.data.annotations import Found, Object, Picture
from zoo.data.base import BadSample
from zoo.data.csv_file import shown
from zoo.data.detection_files import DetectionFiles
from zoo.data.image_scan import SPLIT_FOLDERS, SUFFIXES, files_below
from zoo.errors import DataError

_EXPORTED = "_annotations.coco.json"  # in a folder a split, as annotation tools write it
_LISTS = ("images", "annotations", "categories")


class COCODetection(DetectionFiles):
    """Images and JSON files of COCO, in any of the usual places.

    These are `annotations/instances_train*.json` and likewise for val and test, `train/_annotations.coco.json` beside
    the images of a split, or one JSON file in the root. Images are looked for beside the file, in the folders that go
    by the name of the split, of `images` or of both, and then anywhere. Crowds are ignored.

    Args:
        root: the folder; `~` stands for the home folder.
        train_annotations: JSON file of the training images, from the root; None to find those of all splits.
        val_annotations: likewise of the validation images.
        test_annotations: likewise of the test images.
        classes: names of the classes in the order of their numbers; None for the categories in the order of their ids.
        options: see `zoo.data.detection.DetectionData`.
    """

    def __init__(
        self,
        *,
        root: str | None,
        train_annotations: str | None = None,
        val_annotations: str | None = None,
        test_annotations: str | None = None,
        classes: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(root=root, classes=classes, **options)
        self.annotations = {"train": train_annotations, "val": val_annotations, "test": test_annotations}

    def read(self) -> Found:
        """Reads the JSON files of each split."""
        root = self.folder
        given = {split: root / Path(path).expanduser() for split, path in self.annotations.items() if path}
        found = Found([], {})
        for split, path in (given or _find(root)).items():
            annotations = _Annotations.read(path)
            found.splits[split] = annotations.pictures(root, split)
            found.loose += annotations.loose
            if split == "train" or not found.class_names:
                found.class_names = annotations.class_names
        found.class_names = self.classes or found.class_names
        return found


def _find(root: Path) -> dict[str, Path]:
    """Returns the JSON file of each split.

    Raises:
        DataError: there is none, or it is not clear which.
    """
    exported = {split: file for name, split in SPLIT_FOLDERS.items() if (file := root / name / _EXPORTED).is_file()}
    if exported:
        return exported
    published = sorted((root / "annotations").glob("*.json")) or sorted(root.glob("*.json"))
    instances = [file for file in published if file.stem.startswith("instances")] or published
    by_split: dict[str, list[Path]] = {}
    for file in instances:
        words = re.findall("[a-z]+", file.stem.lower())
        by_split.setdefault(next((SPLIT_FOLDERS[word] for word in words if word in SPLIT_FOLDERS), "train"), []).append(
            file
        )
    if not by_split:
        problem = "no JSON file in it, in annotations/, or named _annotations.coco.json in train/, val/ or test/"
        raise DataError(str(root), problem, "set data.root, or name the files by data.train_annotations=")
    for split, files in by_split.items():
        if files[1:]:
            problem = f"{files[0].name} and {files[1].name} may both be of {split}"
            raise DataError(str(files[0].parent), problem, f"name one by data.{split}_annotations=")
    return {split: files[0] for split, files in by_split.items()}


@dataclass
class _Annotations:
    """A JSON file.

    Attributes:
        path: the file.
        images: as they are in it.
        annotations: likewise.
        class_names: of the categories that can be seen, in the order of their ids.
        categories: names by id.
        lines: of each annotation; empty where the file is one line.
        loose: what is wrong and belongs to no image.
    """

    path: Path
    images: list[Any]
    annotations: list[Any]
    class_names: list[str]
    categories: dict[Any, str]
    lines: list[int]
    loose: list[BadSample]

    @classmethod
    def read(cls, path: Path) -> "_Annotations":
        """Reads the file.

        Raises:
            DataError: it is not there, or not what it should be.
        """
        text = _text(path)
        try:
            document = json.loads(text, object_hook=_without_outline)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}:{error.lineno}", f"is no JSON ({error.msg})", "export it anew") from error
        except (RecursionError, ValueError) as error:  # Python takes no integer of thousands of digits
            problem = "is nested too deeply" if isinstance(error, RecursionError) else f"is no JSON ({error})"
            raise DataError(str(path), problem, "export it anew") from error
        for name in _LISTS:
            if not isinstance(document, dict) or not isinstance(document.get(name), list):
                raise DataError(str(path), f"has no list of {name}", "give a JSON file of COCO's instances")
        categories, used = {}, {_get(entry, "category_id") for entry in document["annotations"]}
        for entry in document["categories"]:
            number, name = _get(entry, "id"), _get(entry, "name")
            if not isinstance(number, int) or not isinstance(name, str) or number in categories:
                raise DataError(
                    str(path), f"category {shown(str(entry))} has no id of its own or no name", "correct it"
                )
            categories[number] = name
        above = {_get(entry, "supercategory") for entry in document["categories"]}
        # Some tools list what is above the categories as a category, too.
        seen = [number for number in sorted(categories) if number in used or categories[number] not in above]
        names = [categories[number] for number in seen]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DataError(str(path), f"two categories have the name {twice}", "give each a name of its own")
        lines = _lines(text, len(document["annotations"])) if "\n" in text.strip() else []
        return cls(path, document["images"], document["annotations"], names, categories, lines, [])

    def pictures(self, root: Path, split: str) -> list[Picture]:
        """Returns the images with their objects."""
        pictures: dict[Any, Picture] = {}
        objects: dict[Any, list[Object]] = {}
        folder = self._folder(root, split)
        for number, entry in enumerate(self.images):
            identity, name = _get(entry, "id"), _get(entry, "file_name")
            place = f"{self.path} image {number if identity is None else identity}"
            if identity is None or not isinstance(name, str) or identity in pictures:
                why = "has the id of another one" if identity in pictures else "has no id or no file_name"
                self.loose.append(BadSample(place, why))
                continue
            size = (_get(entry, "width"), _get(entry, "height"))
            known = all(isinstance(side, int) and side > 0 for side in size)
            objects[identity] = []
            pictures[identity] = Picture(folder / name, objects[identity], place, size if known else None)
        for place, entry in self._placed():
            if _get(entry, "image_id") in objects:
                objects[entry["image_id"]].append(self._object(place, entry))
            else:
                self.loose.append(BadSample(place, f"its image_id {_get(entry, 'image_id')} is that of no image"))
        return list(pictures.values())

    def _placed(self) -> Iterator[tuple[str, Any]]:
        for number, entry in enumerate(self.annotations):
            line = f":{self.lines[number]}" if self.lines else ""
            identity = _get(entry, "id")
            yield f"{self.path}{line} annotation {number if identity is None else identity}", entry

    def _object(self, place: str, entry: Mapping[str, Any]) -> Object:
        category, box = entry.get("category_id"), entry.get("bbox")
        if category not in self.categories:
            return Object(place, fault=f"its category_id {category} is that of no category")
        try:
            x, y, width, height = map(float, box)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            return Object(place, fault=f"its bbox is {shown(str(box))}, not four numbers")
        return Object(place, self.categories[category], (x, y, x + width, y + height), bool(entry.get("iscrowd")))

    def _folder(self, root: Path, split: str) -> Path:
        """Returns the folder that names of images are relative to."""
        name = next((name for entry in self.images if isinstance(name := _get(entry, "file_name"), str)), "")
        own = self.path.stem.removeprefix("instances_")
        spelled = [word for word, meaning in SPLIT_FOLDERS.items() if meaning == split]
        places = [self.path.parent, root, *(root / word for word in (own, *spelled)), root / "images"]
        places += [root / "images" / word for word in (own, *spelled)]
        found = next((place for place in places if (place / name).is_file()), None)
        if found is None:
            found = next((file.parent for file in files_below(root, SUFFIXES) if file.name == name), root)
        return found


def _without_outline(entry: dict[str, Any]) -> dict[str, Any]:
    """Returns an entry without what takes most of the memory."""
    entry.pop("segmentation", None)
    return entry


def _get(entry: Any, key: str) -> Any:
    """Returns a value of an entry that may be anything; what could be no key of a dict is none."""
    value = entry.get(key) if isinstance(entry, dict) else None
    return None if isinstance(value, list | dict) else value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(str(path), "is no UTF-8 text", "export it anew") from error
    except OSError as error:
        problem = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise DataError(str(path), problem, "set data.root, or name the files by data.train_annotations=") from error


def _lines(text: str, count: int) -> list[int]:
    """Returns the line that each annotation begins in; nothing where they cannot be told."""
    decoder, blank = json.JSONDecoder(), re.compile(r"[\s,]*")
    for found in re.finditer(r'"annotations"\s*:\s*\[', text):
        lines, line, before, position = list[int](), 1, 0, found.end()
        while len(lines) < count:
            position = blank.match(text, position).end()  # type: ignore[union-attr]
            line += text.count("\n", before, position)
            lines.append(line)
            before = position
            try:
                position = decoder.raw_decode(text, position)[1]
            except json.JSONDecodeError:
                break
        else:
            return lines
    return []
