"""Images with boxes that are written down in files: found, judged before the first step, decoded by workers."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo.data.annotations import Found, Picture, Sample, judge, leave_out
from zoo.data.base import BadSample, Split, Watch, unwatched
from zoo.data.detection import DetectionData
from zoo.data.image_scan import SPLIT_FOLDERS, SUFFIXES
from zoo.errors import DataError, OptionError


class DetectionFiles(DetectionData):
    """Images and annotations in files; what is wrong with them is named by file and line before the first step.

    Boxes refer to the image as its EXIF data turn it, which is how tools show it; they are clipped to it. A picture
    without objects is one to learn from, too.

    Args:
        root: the folder; `~` stands for the home folder.
        classes: names of the classes in the order of their numbers; None for what the data show.
        options: see `zoo.data.detection.DetectionData`.
    """

    def __init__(self, *, root: str | None, classes: Sequence[str] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.root, self.classes = None if root is None else Path(root).expanduser(), classes
        if classes is not None and len(set(classes)) < len(classes):
            raise OptionError("data.classes", "a name is given twice", "give each class a name of its own")

    @abstractmethod
    def read(self) -> Found:
        """Reads what is written down.

        Raises:
            RunError: nothing that could be used.
        """

    @property
    def folder(self) -> Path:
        """The folder.

        Raises:
            OptionError: none is given.
            DataError: it is none.
        """
        if self.root is None:
            raise OptionError("data.root", "no folder of images given", "add data.root=FOLDER")
        if not self.root.is_dir():
            raise DataError(str(self.root), "no such folder", "set data.root to the folder of images and annotations")
        return self.root

    def find(self) -> dict[str, list[Sample]]:
        """Reads what is written down and leaves out what cannot be used, or refuses it."""
        found = self.read()
        if not found.class_names:
            problem = f"no class of an object on any of {sum(map(len, found.splits.values()))} images"
            raise DataError(str(self.root), problem, "annotate some, or name the classes by data.classes=[NAME,...]")
        judged = judge(found)
        leave_out(judged, self.on_bad_sample)
        self.class_names = list(found.class_names)
        return judged.splits

    def scan(self, watch: Watch = unwatched) -> Iterator[BadSample]:
        """Decodes every image completely and looks at every box; if all can be used, looks at the batches."""
        from zoo.data.image_check import problems  # torchvision is not imported for a run

        judged = judge(self.read())
        files = [sample.image for samples in judged.splits.values() for sample in samples]
        images = [image for image in files if isinstance(image, Path)]
        looked_at = watch(zip(images, problems(images, self.num_workers), strict=True), "images", len(images))
        bad = [*judged.bad, *(BadSample(str(path), problem) for path, problem in looked_at if problem)]
        yield from bad or super().scan(watch)

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the file, relative to the root where it lies there."""
        image = self.samples[split][index].image
        assert isinstance(image, Path)
        return str(image.relative_to(self.root) if self.root and image.is_relative_to(self.root) else image)

    def place_of_class(self, name: str) -> str:
        """Returns the first image that shows a class, for errors."""
        number = list(self.class_names).index(name)
        samples = (sample for found in self.samples.values() for sample in found)
        return next((str(sample.image) for sample in samples if number in sample.labels), str(self.root))


def names_found(splits: dict[str, list[Picture]]) -> list[str]:
    """Returns the classes of the training objects in alphabetical order, or of all where there are none."""
    pictures = splits.get("train") or [picture for split in splits.values() for picture in split]
    return sorted({entry.name for picture in pictures for entry in picture.objects if entry.name})


def images_by_stem(folder: Path) -> dict[str, Path]:
    """Returns the images that lie in a folder by their names without suffix.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        files = sorted(folder.iterdir(), reverse=True)
    except OSError as error:
        raise DataError(str(folder), f"cannot be listed ({error.strerror})", "make it readable") from error
    return {path.stem: path for path in files if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")}


def lines_of(path: Path) -> list[str]:
    """Returns the lines of a text file without the blanks around them.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return [line.strip() for line in path.read_text(errors="replace").splitlines()]
    except OSError as error:
        raise DataError(str(path), f"cannot be read ({error.strerror})", "make it readable") from error


def folders_of_splits(root: Path) -> dict[str, Path]:
    """Returns the folders that are named like splits."""
    folders = {split: root / name for name, split in SPLIT_FOLDERS.items() if (root / name).is_dir()}
    return {split: folders[split] for split in ("train", "val", "test") if split in folders}
