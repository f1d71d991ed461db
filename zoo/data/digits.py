"""The handwritten digits that scikit-learn carries: 1,797 grey images of 8 x 8 pixels, no download.

E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.data.order import complement, generator, stratified
from zoo.errors import DataError


class Digits:
    """Reads the digits from scikit-learn's folder, without the seconds that importing scikit-learn takes.

    The set has no official test split: a fixed fifth of it, stratified by class, is the test split of every run.
    """

    class_names = tuple("0123456789")

    def prepare(self) -> None:
        """Does nothing: the file comes with scikit-learn."""

    def load(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Returns 1,438 training and 359 test images.

        Raises:
            DataError: scikit-learn is not installed.
        """
        spec = find_spec("sklearn")
        if spec is None or spec.origin is None:
            raise DataError("data=digits", "scikit-learn, which carries the images, is not installed", "install it")
        with gzip.open(Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz") as file:
            table = torch.from_numpy(np.loadtxt(file, delimiter=","))
        images = (table[:, :-1] * (255 / 16)).round().to(torch.uint8).view(-1, 1, 8, 8)
        labels = table[:, -1].long()
        test = stratified(labels, round(0.2 * len(labels)), generator("digits test split"))
        train = complement(test, len(labels))
        return {"train": (images[train], labels[train]), "test": (images[test], labels[test])}
