"""The size of images as YAML gives it: one number, or [height, width]."""

from collections.abc import Sequence


def height_and_width(image_size: int | Sequence[int]) -> tuple[int, int]:
    """Both sides of an image.

    Args:
        image_size: the side of a square image in pixels, or [height, width], each at least 1.

    Returns:
        Height and width in pixels.

    Raises:
        ValueError: if there are not one or two sides, or one is below 1.
    """
    sides = [image_size, image_size] if isinstance(image_size, int) else list(image_size)
    if not sides:
        raise ValueError("image_size []: rows of a table have no sides, and this model needs images; set model=mlp")
    if len(sides) == 1:
        raise ValueError(f"image_size {sides}: a waveform has one side, this model needs two; set data.features=mel")
    if len(sides) != 2 or min(sides) < 1:
        raise ValueError(f"image_size {image_size}: must be one positive number or [height, width]")
    return sides[0], sides[1]
