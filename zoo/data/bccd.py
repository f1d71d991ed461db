"""BCCD: 364 microscope images of blood, 640x480, with 4,888 boxes around red and white cells and platelets.

Shenggan, "BCCD Dataset", 2017, https://github.com/Shenggan/BCCD_Dataset, MIT licence; its own split: 205, 87 and 72.
"""

from pathlib import Path
from typing import Any

from zoo.data.annotations import Found
from zoo.data.voc import VOCDetection
from zoo.errors import DataError

_ADDRESS = "https://github.com/Shenggan/BCCD_Dataset"


class BCCD(VOCDetection):
    """Blood cells in the layout of Pascal VOC. Two of the boxes have no area, so bad ones are left out by its YAML.

    Args:
        data_dir: the folder that holds `bccd`; `~` stands for the home folder.
        root: the folder that holds JPEGImages, Annotations and ImageSets; None for `bccd` in `data_dir`.
        options: see `zoo.data.detection.DetectionData`.
    """

    def __init__(self, *, data_dir: str, root: str | None = None, **options: Any) -> None:
        super().__init__(root=root or str(Path(data_dir) / "bccd"), classes=["Platelets", "RBC", "WBC"], **options)

    def read(self) -> Found:
        """Reads the XML files of each split.

        Raises:
            DataError: the folder is not there, which is published without a checksum and so is not downloaded.
        """
        assert self.root is not None
        if not (self.root / "Annotations").is_dir():
            remedy = f"copy the folder BCCD of {_ADDRESS} there, or name the folder that holds it by paths.data_dir="
            raise DataError(str(self.root), "there is no such data set", remedy)
        return super().read()
