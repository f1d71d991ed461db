"""Image files to arrays of bytes: decoded no larger than needed, upright, cropped and resized in one step."""

import random
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from zoo.seeds import counted_seed

# What PIL and its libraries raise over a file that is no image, or a damaged or an enormous one.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
# No other: PIL would hand an EPS file to Ghostscript. AVIF is what many a .jpg of the web is.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF")
MEND_OR_SKIP = "mend it, remove it, or set data.on_bad_sample=skip"
MOST_BAD = 0.1  # share of samples that may be left out

Box = tuple[float, float, float, float]
_EXIF_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)  # orientations that swap width and height
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@contextmanager
def opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    """Opens an image file, which is not decoded yet, and keeps PIL's warnings of odd but harmless files to itself.

    Args:
        path: the file.

    Raises:
        UNREADABLE: it is no file, or none of an image.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for its other end
        raise OSError("a folder" if path.is_dir() else "no regular file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with path.open("rb") as file:
            try:
                image = Image.open(file, formats=FORMATS)
            except UnidentifiedImageError:
                file.seek(0)
                raise OSError(_no_image(file.read(64))) from None
            with image:
                yield image


def _no_image(start: bytes) -> str:
    """Returns what a file seems to be that is no image."""
    if not start:
        return "the file is empty"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "it is a web page"
    readable = start.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in start)
    return "it is text" if readable else f"no image begins with the bytes {start[:8].hex(' ')}"


def reason(error: BaseException) -> str:
    """Returns why an image cannot be read, in a few words without its path."""
    if isinstance(error, Image.DecompressionBombError):
        return f"more pixels than the {2 * (Image.MAX_IMAGE_PIXELS or 0):,} that are safe to decode"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def centre_box(width: int, height: int, size: Sequence[int], share: float) -> Box:
    """Returns the largest box of the wanted aspect ratio in the middle, times a share: left, top, right, bottom."""
    scale = share * min(width / size[1], height / size[0])
    across, down = scale * size[1], scale * size[0]
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, left + across, top + down


def random_box(width: int, height: int, size: Sequence[int], min_share: float, counters: tuple[int | str, ...]) -> Box:
    """Draws a box as "Inception" crops do: a share of the area, an aspect ratio from 3:4 to 4:3, a place.

    C. Szegedy et al., "Going Deeper with Convolutions", 2014, arXiv 1409.4842.

    Args:
        width: of the image.
        height: of the image.
        size: height and width wanted.
        min_share: smallest share of the area.
        counters: what the draw is a function of.

    Returns:
        Left, top, right, bottom; the middle of the image where no box fits in ten attempts.
    """
    draw = random.Random(counted_seed(*counters))
    for _ in range(10):
        area = width * height * draw.uniform(min_share, 1.0)
        aspect = size[1] / size[0] * (4 / 3) ** draw.uniform(-1, 1)
        across, down = (area * aspect) ** 0.5, (area / aspect) ** 0.5
        if across <= width and down <= height:
            left, top = draw.uniform(0, width - across), draw.uniform(0, height - down)
            return left, top, left + across, top + down
    return centre_box(width, height, size, 1.0)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Returns width and height once the image is turned as its EXIF orientation says."""
    width, height = image.size
    return (height, width) if orientation_of(image) in _TURNED else (width, height)


def turned(box: Box, width: int, height: int, orientation: int | None) -> Box:
    """Returns a box in pixels of the upright image.

    Args:
        box: in pixels of the image as it is stored.
        width: of that.
        height: of that.
        orientation: as its EXIF data say.
    """
    left, top, right, bottom = box
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if orientation in _TURNED else (left, top, right, bottom)


def orientation_of(image: Image.Image) -> int | None:
    """Returns the EXIF orientation; where the EXIF data are damaged there is none, but the image may be whole."""
    try:
        return image.getexif().get(_EXIF_ORIENTATION)
    except (*UNREADABLE, TypeError, AttributeError):
        return None


def decode(image: Image.Image, box: Box, size: Sequence[int], in_channels: int) -> np.ndarray:
    """Decodes a box of an opened image.

    Args:
        image: as `PIL.Image.open` returns it, not decoded yet.
        box: left, top, right, bottom in pixels of the upright image.
        size: height and width of the result.
        in_channels: 1 or 3.

    Returns:
        Bytes, (C, H, W).

    Raises:
        OSError: the file is damaged.
    """
    mode = "RGB" if in_channels == 3 else "L"
    width, height = upright_size(image)
    # A JPEG is decoded at a half, a quarter or an eighth of its size if the box still has the pixels that are needed.
    shrink = max(1.0, min((box[2] - box[0]) / size[1], (box[3] - box[1]) / size[0]))
    image.draft(mode, (int(-(-image.width // shrink)), int(-(-image.height // shrink))))
    orientation = orientation_of(image)
    image = turned_upright(to_mode(image, mode), orientation)
    ratio_x, ratio_y = image.width / width, image.height / height
    left, top = max(box[0] * ratio_x, 0.0), max(box[1] * ratio_y, 0.0)  # rounding may lead over the edge
    box = (left, top, min(box[2] * ratio_x, image.width), min(box[3] * ratio_y, image.height))
    image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    pixels = np.array(image)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)) if in_channels == 3 else pixels[None]


def upright(path: Path) -> Image.Image | None:
    """Decodes an image in full, in colour and turned as its EXIF orientation says; None if that is not possible."""
    try:
        with opened(path) as image:
            orientation = orientation_of(image)
            picture = to_mode(image, "RGB")
    except UNREADABLE:
        return None
    return turned_upright(picture, orientation)


def turned_upright(image: Image.Image, orientation: int | None) -> Image.Image:
    """Returns an image turned as an EXIF orientation says."""
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Converts any image to colour or grey; what is transparent becomes white, 16 bits become 8."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 256).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
