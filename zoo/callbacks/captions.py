"""Words on pictures, in a font that has most alphabets."""

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

INK, PAPER = "#222222", "#ffffff"
_SMALLEST_WIDTH = 160  # pixels that a caption has room in


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Returns the font that matplotlib brings.

    Args:
        size: in pixels.
    """
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def captioned(picture: Image.Image, text: str, *, longest_side: int = 1024) -> Image.Image:
    """Puts a line of text under a picture, which is made smaller where it is larger than asked, and a tiny one larger.

    Args:
        picture: in colour.
        text: the line; its end is left out where there is no room.
        longest_side: of the picture, in pixels.
    """
    picture = fitted(picture, longest_side=longest_side)
    size = max(12, round(0.04 * max(picture.size)))
    result = Image.new("RGB", (picture.width, picture.height + round(1.7 * size)), PAPER)
    result.paste(picture)
    face = font(size)
    while text and face.getlength(text) > picture.width - size:
        text = text[:-2] + "…" if len(text) > 2 else ""
    ImageDraw.Draw(result).text((size / 2, picture.height + 0.25 * size), text, fill=INK, font=face)
    return result


def fitted(picture: Image.Image, *, longest_side: int = 1024) -> Image.Image:
    """Returns a picture that is neither too large to keep nor too small to write on."""
    scale = min(1.0, longest_side / max(picture.size))
    if max(picture.size) < _SMALLEST_WIDTH:
        scale = _SMALLEST_WIDTH / max(picture.size)
    if scale == 1.0:
        return picture
    size = (max(1, round(scale * picture.width)), max(1, round(scale * picture.height)))
    return picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)
