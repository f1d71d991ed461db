"""What people have written about objects in pictures, as readers of files hand it on, and what can be used of it."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from zoo.data.base import BadSample
from zoo.data.csv_file import shown
from zoo.data.decode import MOST_BAD, UNREADABLE, opened, orientation_of, reason, turned, upright_size
from zoo.data.image_scan import check_file
from zoo.errors import DataError

log = logging.getLogger(__name__)

_SLACK = 1.0  # pixels that a box may reach out of the image without a word: conventions differ by as much

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2


class Object(NamedTuple):
    """An object as it is written down.

    Attributes:
        place: file and line.
        name: its class.
        box: x1, y1, x2, y2 in pixels of the upright image, or as shares of its sides where the picture says so.
        ignored: whether it counts neither as found nor as missed.
        fault: why it cannot be used; empty where nothing is known yet.
    """

    place: str
    name: str = ""
    box: Corners = (0, 0, 0, 0)
    ignored: bool = False
    fault: str = ""


@dataclass
class Picture:
    """A picture as it is written down.

    Attributes:
        path: its file.
        objects: what is to be seen on it, which may be nothing.
        place: what names it: file and line.
        size: width and height, as written down; None where they are not.
        shares: whether boxes are shares of the sides.
        fault: why it cannot be used; empty where nothing is known yet.
    """

    path: Path
    objects: Sequence[Object] = ()
    place: str = ""
    size: tuple[int, int] | None = None
    shares: bool = False
    fault: str = ""


@dataclass
class Found:
    """What a reader has found.

    Attributes:
        class_names: in the order of their numbers.
        splits: pictures by split.
        loose: what is wrong and belongs to no picture.
    """

    class_names: Sequence[str]
    splits: dict[str, list[Picture]]
    loose: list[BadSample] = field(default_factory=list)


class Sample(NamedTuple):
    """A picture that can be used.

    Attributes:
        image: its file, or its pixels, uint8 (H, W) or (H, W, 3).
        boxes: x1, y1, x2, y2 in pixels of the upright image, within it, float32, (M, 4).
        labels: class of each, int64, (M,).
        ignored: which objects count neither as found nor as missed, bool, (M,).
    """

    image: Path | np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray


@dataclass
class Judged:
    """What can be used of what was found, and what not.

    Attributes:
        splits: samples by split.
        bad_pictures: those that cannot be used.
        bad_objects: on other pictures.
        clipped: objects that reached out of their picture, with how many pixels.
    """

    splits: dict[str, list[Sample]] = field(default_factory=dict)
    bad_pictures: list[BadSample] = field(default_factory=list)
    bad_objects: list[BadSample] = field(default_factory=list)
    clipped: list[tuple[str, float]] = field(default_factory=list)

    @property
    def bad(self) -> list[BadSample]:
        """All that cannot be used."""
        return [*self.bad_pictures, *self.bad_objects]


def judge(found: Found) -> Judged:
    """Looks at each picture, which is not decoded, and at each box."""
    judged = Judged(bad_objects=list(found.loose))
    numbers = {name: number for number, name in enumerate(found.class_names)}
    for split, pictures in found.splits.items():
        judged.splits[split] = []
        for picture in pictures:
            try:
                raster = _open(picture)
            except (*UNREADABLE, _Unusable) as error:
                judged.bad_pictures.append(BadSample(picture.place or str(picture.path), _why(error, picture)))
                continue
            objects = list(_usable(picture.objects, raster, numbers, judged))
            judged.splits[split].append(_sample(picture.path, objects))
    return judged


class _Unusable(Exception):
    """A picture that cannot be used, although its file may be whole."""


@dataclass
class _Raster:
    """What boxes refer to.

    Attributes:
        width: of the upright image.
        height: of the upright image.
        shares: whether boxes are shares of its sides.
        orientation: by the EXIF data, where boxes refer to the image as it is stored; None where they do not.
    """

    width: int
    height: int
    shares: bool
    orientation: int | None = None

    def to_pixels(self, box: Corners) -> Corners:
        """Returns a box in pixels of the upright image."""
        if self.shares:
            return box[0] * self.width, box[1] * self.height, box[2] * self.width, box[3] * self.height
        if self.orientation is not None:
            return turned(box, self.height, self.width, self.orientation)
        return box


def _open(picture: Picture) -> _Raster:
    """Opens a picture.

    Annotations are taken to be of the upright image, as tools show it; where a size is written down that is only that
    of the image as it is stored, boxes are turned with it.

    Raises:
        UNREADABLE: it is no image.
        _Unusable: something else is wrong with it.
    """
    if picture.fault:
        raise _Unusable(picture.fault)
    check_file(picture.path)
    with opened(picture.path) as image:
        width, height = upright_size(image)
        if picture.size is None or picture.size == (width, height):
            return _Raster(width, height, picture.shares)
        if picture.size == image.size:
            return _Raster(width, height, picture.shares, orientation_of(image))
    written = "x".join(map(str, picture.size))
    raise _Unusable(f"{picture.path} has {width}x{height} pixels, but {written} are written down")


def _why(error: BaseException, picture: Picture) -> str:
    if isinstance(error, _Unusable):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"the image {picture.path} is missing"
    return f"{picture.path} cannot be read as an image ({reason(error)})"


def _usable(
    objects: Sequence[Object], raster: _Raster, numbers: dict[str, int], judged: Judged
) -> Iterator[tuple[Corners, int, bool]]:
    """Yields box, class and whether it is ignored, of each object that can be used; notes the others."""
    width, height = raster.width, raster.height
    for place, name, written, ignored, fault in objects:
        box = written if fault else raster.to_pixels(written)
        problem = fault or _problem(box, width, height)
        if not problem and name not in numbers:
            problem = f"class {shown(name)} is none of {', '.join(numbers)}"
        if problem:
            judged.bad_objects.append(BadSample(place, problem))
            continue
        outside = max(-box[0], -box[1], box[2] - width, box[3] - height)
        if outside > _SLACK:
            judged.clipped.append((place, outside))
        yield (max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)), numbers[name], ignored


def _problem(box: Corners, width: int, height: int) -> str:
    """Returns what is wrong with a box in pixels; empty where nothing is."""
    shown = " ".join(f"{value:g}" for value in box)
    if not all(map(math.isfinite, box)):
        return f"box {shown} is not finite"
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        return f"box {shown} has no {'width' if x2 <= x1 else 'height'}"
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        return f"box {shown} lies outside the image, which has {width}x{height} pixels"
    return ""


def _sample(image: Path | np.ndarray, objects: Sequence[tuple[Corners, int, bool]]) -> Sample:
    boxes, labels, ignored = zip(*objects, strict=True) if objects else ((), (), ())
    return Sample(
        image,
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(labels, dtype=np.int64),
        np.array(ignored, dtype=bool),
    )


def leave_out(judged: Judged, on_bad_sample: Literal["error", "skip"]) -> None:
    """Warns of what is left out, or clipped; does nothing where nothing is.

    Raises:
        DataError: it is not to be left out, or too much would be.
    """
    if judged.clipped:
        place, most = max(judged.clipped, key=lambda clipped: clipped[1])
        log.warning(
            "clipped to their images %d of the boxes, which reach out by more than a pixel, most %s by %g pixels",
            *(len(judged.clipped), place, round(most, 1)),
        )
    if not judged.bad:
        return
    first = judged.bad[0]
    others = len(judged.bad) - 1
    more = f", and {others:,} more problem{'s' if others > 1 else ''}" if others else ""
    samples = [sample for split in judged.splits.values() for sample in split]
    parts = (
        ("images", judged.bad_pictures, len(samples)),
        ("objects", judged.bad_objects, sum(len(sample.labels) for sample in samples)),
    )
    if on_bad_sample == "error":
        remedy = "mend it, or set data.on_bad_sample=skip; `python -m zoo check` with the same options lists all"
        raise DataError(first.name, f"{first.problem}{more}", remedy)
    for kind, bad, good in parts:
        if len(bad) > MOST_BAD * (len(bad) + good):
            problem = f"{first.problem}{more}: {len(bad):,} of {len(bad) + good:,} {kind} are bad"
            raise DataError(first.name, problem, f"mend them, since at most {MOST_BAD:.0%} are left out")
    counts = " and ".join(f"{len(bad):,} of {len(bad) + good:,} {kind}" for kind, bad, good in parts if bad)
    log.warning("left out %s: %s: %s%s", counts, *first, more)
