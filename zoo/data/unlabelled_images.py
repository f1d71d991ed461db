"""A user's own images without classes, for models that learn what images look like."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.data.image_folder import ImageFolder
from zoo.data.image_scan import scan_unlabelled
from zoo.data.splits import SplitData
from zoo.errors import OptionError

_NO_CLASS = "images"


class UnlabelledImages(ImageFolder):
    """Images at any depth below `root`, or below `root/train`, `root/val` and `root/test`, whatever else folders mean.

    What is said of `ImageFolder` holds but for classes: images are resized and cropped to `image_size`, and looked at
    before the first step.
    """

    def load(self) -> dict[str, Any]:
        """Finds the images of each split and looks at each file."""
        labels = super().load()
        self.class_names = []
        return labels

    def _found(self) -> tuple[Path, dict[str, dict[str, list[Path]]]]:
        """Returns the folder, and its files by split as if they were of one class; does not look into them."""
        if self.root is None:
            raise OptionError("data.root", "no folder of images given", "add data.root=FOLDER")
        return self.root, {split: {_NO_CLASS: files} for split, files in scan_unlabelled(self.root).items()}

    def found_facts(self) -> dict[str, Any]:
        """Returns the preprocessing: there are no classes."""
        return self.preprocessing()

    def align_classes(self, class_names: Sequence[str]) -> None:
        """Does nothing: there are no classes."""

    def summary(self) -> list[str]:
        """Returns lines on the size of each split, and the facts that are single values."""
        return SplitData.summary(self)
