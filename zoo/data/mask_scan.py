"""Images and their masks in folders: found in pairs, and looked at one by one before the first step."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from zoo.data.base import BadSample
from zoo.data.decode import (
    MEND_OR_SKIP,
    MOST_BAD,
    UNREADABLE,
    opened,
    orientation_of,
    reason,
    turned_upright,
    upright_size,
)
from zoo.data.image_scan import SPLIT_FOLDERS, SUFFIXES, check_file, files_below
from zoo.data.workers import batches_of, outlive_one_signal
from zoo.errors import DataError

log = logging.getLogger(__name__)

IMAGES, MASKS = "images", "masks"
_GREY = {"1", "L", "P", "I", "I;16", "I;16B", "I;16L"}
_FEW = 64  # pairs that are looked at without starting workers
_AT_ONCE = 8
_MOST_NAMED = 3


class Pair(NamedTuple):
    """An image and its mask, None where it has none and none is asked for."""

    image: Path
    mask: Path | None


class Look(NamedTuple):
    """What is wrong with a pair, empty where nothing is, and the values of its mask."""

    problem: str
    values: Sequence[int]


def find_pairs(root: Path) -> dict[str, list[Pair]]:
    """Finds images and names their masks; whether these are there is not looked at.

    Args:
        root: a folder with `images` and `masks`, or with such a folder for each split.

    Returns:
        Pairs in alphabetical order by split; those of a folder without splits are training ones.

    Raises:
        DataError: the folder is missing, or has no images.
    """
    if not root.is_dir():
        raise DataError(str(root), "no such folder", f"set data.root to the folder that holds {IMAGES}/ and {MASKS}/")
    if (root / IMAGES).is_dir():
        folders = {"train": root}
    else:
        folders = {split: root / name for name, split in SPLIT_FOLDERS.items() if (root / name / IMAGES).is_dir()}
    if not folders:
        remedy = f"put images into {IMAGES}/ and their masks into {MASKS}/, or into train/{IMAGES}/ and train/{MASKS}/"
        raise DataError(str(root), f"no folder {IMAGES}/ in it", remedy)
    found = {split: list(_pairs_below(folder)) for split, folder in folders.items()}
    for split, pairs in found.items():
        if not pairs:
            raise DataError(str(folders[split] / IMAGES), f"no images ({' '.join(sorted(SUFFIXES))})", "add some")
    return found


def _pairs_below(folder: Path) -> Iterator[Pair]:
    for image in files_below(folder / IMAGES, SUFFIXES):
        yield Pair(image, (folder / MASKS / image.relative_to(folder / IMAGES)).with_suffix(".png"))


def read_mask(path: Path) -> np.ndarray:
    """Reads the values of a mask: indices of a palette, levels of grey, or colours whose three channels are equal.

    Args:
        path: a PNG.

    Returns:
        Integers, (H, W), turned as the EXIF orientation says.

    Raises:
        UNREADABLE: it is no image, is in colour or was compressed as a photograph.
    """
    with opened(path) as image:
        if image.format == "JPEG":
            raise ValueError("a JPEG, whose compression changes the values")
        orientation = orientation_of(image)
        values = np.asarray(image)
        if image.mode not in _GREY:
            channels = values[..., : 1 if image.mode == "LA" else 3] if values.ndim == 3 else values[..., None]
            if image.mode not in ("LA", "RGB", "RGBA") or (channels != channels[..., :1]).any():
                raise ValueError(f"in colour ({image.mode}) and not of class indices")
            values = channels[..., 0]
    return np.asarray(turned_upright(Image.fromarray(values.astype(np.int32)), orientation))


def look_at(pair: Pair) -> Look:
    """Looks at an image and reads its mask."""
    assert pair.mask is not None
    if not pair.mask.is_file():
        return Look(f"has no mask {pair.mask.name} in {pair.mask.parent}", ())
    try:
        check_file(pair.image)
        with opened(pair.image) as image:
            width, height = upright_size(image)
            is_turned = (width, height) != image.size
    except UNREADABLE as error:
        return Look(f"cannot be read as an image ({reason(error)})", ())
    try:
        mask = read_mask(pair.mask)
    except UNREADABLE as error:
        return Look(f"its mask {pair.mask.name} cannot be read ({reason(error)})", ())
    if mask.shape != (height, width):
        size = f"{width}x{height}" + (", turned as its EXIF orientation says," if is_turned else "")
        return Look(f"is {size} but its mask {pair.mask.name} {mask.shape[1]}x{mask.shape[0]}", ())
    return Look("", np.unique(mask).tolist())


class _Looks(Dataset[Look]):
    """What is to be seen of each pair, for torch's loader."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, row: int) -> Look:
        return look_at(self.pairs[row])


def survey(pairs: Sequence[Pair], num_workers: int) -> Iterator[Look]:
    """Yields what is to be seen of each pair, in order.

    Args:
        pairs: with masks.
        num_workers: processes that read, where there are many.
    """
    loader = DataLoader(
        _Looks(pairs),
        batch_size=_AT_ONCE,
        num_workers=num_workers if len(pairs) > _FEW else 0,
        collate_fn=list,
        worker_init_fn=outlive_one_signal,
    )
    for batch in batches_of(loader):
        yield from batch


class MaskClasses(NamedTuple):
    """What the values of masks stand for.

    Attributes:
        names: of the K classes.
        values: the value of each class.
        binary: whether 255 stands for class 1.
    """

    names: list[str]
    values: list[int]
    binary: bool


def classes_of(
    found: set[int], *, names: Sequence[str] | None, ignore_index: int | None, binary: bool | None
) -> MaskClasses:
    """Decides what the values of masks stand for.

    Value k is class k where classes have names; without names each value that is found is a class. Masks of nothing but
    0 and 255 are binary: were 255 no class, there would be a single one, which nothing can be learned of.

    Args:
        found: all values of all masks.
        names: of the classes, or None.
        ignore_index: the value of pixels without a target; None for none.
        binary: whether 255 stands for class 1 beside 0; None to decide it by what is found.
    """
    others = found - {ignore_index}
    if binary is None:
        binary = (others | {255} if 255 in found else others) == {0, 255} and (names is None or len(names) == 2)
    if binary:
        return MaskClasses(list(names or ("background", "foreground")), [0, 255], True)
    if names is not None:
        return MaskClasses(list(names), list(range(len(names))), False)
    return MaskClasses([str(value) for value in sorted(others)], sorted(others), False)


def usable(looks: Mapping[Pair, Look], on_bad_sample: Literal["error", "skip"]) -> list[Pair]:
    """Leaves out, with one warning, pairs that something is wrong with.

    Raises:
        DataError: there are such, but not to be left out, or too many would be.
    """
    bad = [BadSample(str(pair.image), look.problem) for pair, look in looks.items() if look.problem]
    if not bad:
        return list(looks)
    listed = ", ".join(f"{name} {problem}" for name, problem in bad[1:_MOST_NAMED])
    more = f" and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
    others = f", and {listed}{more}" if listed else ""
    if on_bad_sample == "error":
        raise DataError(bad[0].name, f"{bad[0].problem}{others}", MEND_OR_SKIP)
    if len(bad) > MOST_BAD * len(looks):
        problem = f"{bad[0].problem}{others}: {len(bad)} of {len(looks)}"
        raise DataError(bad[0].name, problem, f"mend or remove them: more than {MOST_BAD:.0%} are not left out")
    log.warning("left out %d bad of %d images: %s %s%s", len(bad), len(looks), *bad[0], others)
    return [pair for pair, look in looks.items() if not look.problem]
