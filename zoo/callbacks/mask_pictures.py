"""Classes of pixels as colours over an image, for a person to look at."""

import colorsys
from collections.abc import Sequence

import numpy as np

from zoo.callbacks import figures

_BACKGROUND = {"background", "bg", "0"}  # how the first class is called where everything else lies on it
_NO_TARGET_GREY = 128
_GOLDEN = 0.618034
_LARGEST_LEGEND = 20


def class_colours(class_names: Sequence[str]) -> np.ndarray:
    """Returns a colour for each class, apart from those of its neighbours, uint8 (K, 3); the background is black."""
    colours = np.zeros((len(class_names), 3))
    for place in range(len(class_names)):
        hue, value = (0.02 + place * _GOLDEN) % 1, 0.95 if place % 2 else 0.75
        colours[place] = colorsys.hsv_to_rgb(hue, 0.85, value)
    if has_background(class_names):
        colours[0] = 0
    return (255 * colours).round().astype(np.uint8)


def overlay(image: np.ndarray, classes: np.ndarray, class_names: Sequence[str], *, opacity: float = 0.6) -> np.ndarray:
    """Lays the colours of classes over an image; its background stays as it is, pixels without a class become grey.

    Args:
        image: 8-bit, (H, W, 3) or (H, W, 1).
        classes: class indices, negative where there is none, (H, W).
        class_names: K names.
        opacity: of the colours, from 0 to 1.

    Returns:
        8-bit picture (H, W, 3).
    """
    colours = np.concatenate((class_colours(class_names), np.full((1, 3), _NO_TARGET_GREY, dtype=np.uint8)))
    place = np.where(classes < 0, len(class_names), classes)
    is_shown = (classes != 0) if has_background(class_names) else np.ones_like(classes)
    share = opacity * is_shown[..., None]
    picture: np.ndarray = ((1 - share) * image + share * colours[place]).round().astype(np.uint8)
    return picture


def comparison(
    images: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    preds: Sequence[np.ndarray],
    class_names: Sequence[str],
    *,
    captions: Sequence[str],
    title: str,
) -> np.ndarray:
    """Draws images, what is true of them and what was predicted, side by side.

    Args:
        images: 8-bit, each (H, W, 1) or (H, W, 3); at least one.
        targets: true classes of each, (H, W), negative where there is none.
        preds: predicted classes of each, (H, W).
        class_names: K names.
        captions: what stands over each prediction.
        title: heading.

    Returns:
        8-bit picture (H, W, 3).
    """
    across = 2 if len(images) > 1 else 1
    rows = -(-len(images) // across)
    height = 0.25 + 1.6 * min(1.5, max(image.shape[0] / image.shape[1] for image in images))
    with figures.new_figure(1.65 * 3 * across, height * rows + 0.9) as (figure, drawn):
        from matplotlib.patches import Patch

        figure.suptitle(title, fontsize=11)
        grid = figure.subplots(rows, 3 * across, squeeze=False, subplot_kw=figures.NO_TICKS)
        for axes in grid.flat:
            axes.axis("off")
        triples = grid.reshape(rows * across, 3)
        for axes, image, target, pred, caption in zip(triples, images, targets, preds, captions, strict=False):
            shown = image.repeat(3, axis=2) if image.shape[2] == 1 else image
            views = (shown, overlay(shown, target, class_names), overlay(shown, pred, class_names))
            for place, view, heading in zip(axes, views, ("", "true", caption), strict=True):
                place.imshow(view, interpolation="nearest" if max(view.shape) < 200 else "antialiased")
                place.set_title(heading, fontsize=8, pad=3, y=1.0)
        found = np.unique(np.concatenate([part.ravel() for part in (*targets, *preds)])).tolist()
        seen = [place for place in found if place >= has_background(class_names)]
        colours = class_colours(class_names) / 255
        names = [Patch(color=colours[place], label=figures.shorten(class_names[place], 18)) for place in seen]
        if names:
            columns = min(len(names), 6 * across)
            handles = names[:_LARGEST_LEGEND]
            figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=7.5)
    return drawn[0]


def has_background(class_names: Sequence[str]) -> bool:
    """Whether the first class is what everything else lies on."""
    return class_names[0].strip("_ ").lower() in _BACKGROUND
