"""Annotations in a CSV file, a row an object."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.data.annotations import Corners, Found, Object, Picture
from zoo.data.base import BadSample
from zoo.data.csv_file import check_delimiter, check_header, find_delimiter, is_number, read_text, records, shown
from zoo.data.detection_files import DetectionFiles, images_by_stem, names_found
from zoo.data.image_scan import SPLIT_FOLDERS
from zoo.errors import DataError, OptionError

# Names that columns go by, in lower case without blanks and underscores.
_SPELLED = {
    "image": ("image", "filename", "file", "path", "imagepath", "imagefile", "imageid", "imagename", "img"),
    "label": ("label", "class", "classname", "category", "name"),
    "split": ("split", "set", "subset"),
    "ignored": ("ignored", "difficult", "iscrowd"),
    "x1": ("x1", "xmin", "left"),
    "y1": ("y1", "ymin", "top"),
    "x2": ("x2", "xmax", "right"),
    "y2": ("y2", "ymax", "bottom"),
    "x": ("x", "x1", "xmin", "left"),
    "y": ("y", "y1", "ymin", "top"),
    "width": ("width", "w", "boxwidth", "bboxwidth"),
    "height": ("height", "h", "boxheight", "bboxheight"),
}
_CORNERS, _SIDES = ("x1", "y1", "x2", "y2"), ("x", "y", "width", "height")
_TRUE = {"1", "true", "yes"}


class DetectionCSV(DetectionFiles):
    """A CSV file with a row for each object: its image, its box and its class.

    The box has columns such as x1, y1, x2, y2, or xmin, ymin, xmax, ymax, or x, y, width, height; beside the columns of
    corners, those of a width and a height are passed over. An image without objects has a row with empty cells. A
    column `split` says train, val or test; without it, and without files for each, all images are training images.

    Args:
        path: the file; `~` stands for the home folder.
        val_path: file of the validation images.
        test_path: file of the test images.
        root: the folder that names of images are relative to; None for that of the file.
        columns: names of columns by what they are: image, label, x1, y1, x2, y2, x, y, width, height, split, ignored;
            those that are not named are found.
        delimiter: what separates cells; None to find it.
        classes: names of the classes in the order of their numbers; None for those of the training objects.
        options: see `zoo.data.detection.DetectionData`.
    """

    def __init__(
        self,
        *,
        path: str | None,
        val_path: str | None = None,
        test_path: str | None = None,
        root: str | None = None,
        columns: Mapping[str, str] | None = None,
        delimiter: str | None = None,
        classes: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        folder = str(Path(path).expanduser().parent) if path and root is None else root
        super().__init__(root=folder, classes=classes, **options)
        self.paths = {"train": path, "val": val_path, "test": test_path}
        self.columns, self.delimiter = dict(columns or {}), delimiter
        if unknown := next((name for name in self.columns if name not in _SPELLED), None):
            raise OptionError(f"data.columns.{unknown}", "there is no such column", f"give {', '.join(_SPELLED)}")
        check_delimiter(delimiter)

    def read(self) -> Found:
        """Reads the files.

        Raises:
            OptionError: no file is given, or a column is missing.
            DataError: a file cannot be used.
        """
        if not self.paths["train"]:
            raise OptionError("data.path", "no file of annotations given", "add data.path=FILE.csv")
        found = Found([], {})
        for split, given in self.paths.items():
            if given:
                self._read(Path(given).expanduser(), split, found)
        found.class_names = self.classes or names_found(found.splits)
        return found

    def _read(self, path: Path, split: str, found: Found) -> None:
        """Notes the pictures of a file; those that say nothing else are of `split`."""
        text, folder = read_text(path), self.folder
        rows = records(text, self.delimiter or find_delimiter(text))
        names = check_header(path, next(rows))
        columns = self._columns(path, names)
        objects: dict[str, list[Object]] = {}
        by_stem = images_by_stem(folder)  # some files name images without their suffix
        for line, cells, fault, _ in rows:
            place = f"{path} row {line}"
            problem = fault or (f"has {len(cells)} cells, the header {len(names)}" if len(cells) != len(names) else "")
            cell = {name: cells[column] for name, column in columns.items()} if not problem else {}
            problem = problem or ("" if cell["image"] else "names no image") or _wrong_split(cell.get("split", ""))
            if problem:
                found.loose.append(BadSample(place, problem))
                continue
            if cell["image"] not in objects:
                objects[cell["image"]] = []
                image = folder / cell["image"]
                picture = Picture(by_stem.get(image.name, image), objects[cell["image"]], place)
                of = SPLIT_FOLDERS[cell["split"].lower()] if cell.get("split") else split
                found.splits.setdefault(of, []).append(picture)
            objects[cell["image"]] += _objects(place, cell)
        if not objects:
            raise DataError(str(path), "has no rows that name an image", "give a file with rows")

    def _columns(self, path: Path, names: Sequence[str]) -> dict[str, int]:
        """Returns the place of each column that there is.

        Raises:
            OptionError: one that is needed is missing, or one that was named.
        """
        for option, name in self.columns.items():
            if name not in names:
                remedy = f"its columns are {', '.join(map(shown, names[:20]))}"
                raise OptionError(f"data.columns.{option}", f"{path} has no column {name}", remedy)
        plain = [name.lower().replace(" ", "").replace("_", "") for name in names]
        found: dict[str, int] = {}
        for option, spelled in _SPELLED.items():
            places = [names.index(self.columns[option])] if option in self.columns else []
            places += [plain.index(word) for word in spelled if word in plain]
            if places:
                found[option] = places[0]
        box = _CORNERS if all(name in found for name in _CORNERS) else _SIDES
        for option in ("image", "label", *box):
            if option not in found:
                problem = f"no column {' or '.join(_SPELLED[option])} found in {path}"
                raise OptionError(f"data.columns.{option}", problem, f"name it, of {', '.join(map(shown, names[:20]))}")
        return {name: found[name] for name in ("image", "label", *box, "split", "ignored") if name in found}


def _wrong_split(text: str) -> str:
    return (
        f"split {shown(text)} is none of {', '.join(SPLIT_FOLDERS)}"
        if text and text.lower() not in SPLIT_FOLDERS
        else ""
    )


def _objects(place: str, cell: Mapping[str, str]) -> Iterator[Object]:
    """Yields the object of a row; nothing where its cells are empty."""
    names = _CORNERS if "x1" in cell else _SIDES
    numbers = [cell[name] for name in names]
    if not any(numbers) and not cell["label"]:
        return
    ignored = cell.get("ignored", "").lower() in _TRUE
    if not cell["label"]:
        yield Object(place, fault="has a box but no class")
    elif wrong := next((name for name in names if not _is_number(cell[name])), None):
        what = f"is no number ({shown(cell[wrong])})" if cell[wrong] else "is empty"
        yield Object(place, cell["label"], fault=f"column {wrong} {what}")
    else:
        yield Object(place, cell["label"], _corners(names, [float(number) for number in numbers]), ignored)


def _is_number(text: str) -> bool:
    return (is_number(text) and "," not in text) or text.lower().lstrip("+-") in ("nan", "inf", "infinity")


def _corners(names: Sequence[str], numbers: Sequence[float]) -> Corners:
    one, two, three, four = numbers
    return (one, two, three, four) if names == _CORNERS else (one, two, one + three, two + four)
