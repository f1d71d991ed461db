"""The sizes of images that generators make by doubling a small one."""

from collections.abc import Sequence

from zoo.layers.image import height_and_width

STARTS = range(4, 8)
DOUBLINGS = range(1, 7)


def start_and_doublings(image_size: int | Sequence[int], start: int | None = None) -> tuple[int, int]:
    """Returns the side of the smallest image and how often it is doubled.

    Args:
        image_size: side of the images in pixels, or height and width.
        start: side of the smallest image; None for that of 4 to 7 pixels which leads there.

    Raises:
        ValueError: it cannot become an image of that size; the sizes that can are listed.
    """
    height, width = height_and_width(image_size)
    starts = STARTS if start is None else [start]
    reached = {start * 2**count: (start, count) for count in DOUBLINGS for start in starts}
    if height == width and height in reached:
        return reached[height]
    sizes = ", ".join(str(side) for side in sorted(reached) if side <= 256)
    raise ValueError(f"image_size {image_size}: it makes squares of side {sizes}; set data.image_size to one of them")


def check_attention(side: int | None, start: int, doublings: int) -> None:
    """Refuses attention within images of a size that does not occur in a network.

    Args:
        side: of the image in pixels, None for no attention.
        start: side of the smallest image.
        doublings: how often it is doubled.

    Raises:
        ValueError: there is no image of that size, or it is the whole one; those that there are are listed.
    """
    sides = [start * 2**power for power in range(doublings)]
    if side is not None and side not in sides:
        raise ValueError(
            f"attention {side}: no image within it has that side; choose {', '.join(map(str, sides))} or null"
        )
