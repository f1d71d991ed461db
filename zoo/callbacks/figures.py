"""Pictures of how a classifier does, as 8-bit arrays that PIL and TensorBoard take.

matplotlib is imported when the first picture is drawn (it takes a second), and without pyplot, which would keep every
figure and look for a display.

Calibration: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 144
INK, ACCENT, WARNING = "#222222", "#2a6fb0", "#d9822b"  # blue and orange: apart for colour-blind eyes and in grey
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 11,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a class may be named "$5 bill"
}
SHARES = {0: "0", 0.01: "1 %", 0.1: "10 %", 0.25: "25 %", 0.5: "50 %", 1: "100 %"}
MAX_LABELLED = 100
MAX_COUNTED = 30
# Of axes that show an image: to make their ticks takes longer than all else.
NO_TICKS: dict[str, Any] = {"xticks": (), "yticks": ()}


def save_png(image: np.ndarray, path: Path) -> None:
    """Writes a picture.

    Args:
        image: 8-bit, (H, W, 3).
        path: the file, whose folder exists.
    """
    from PIL import Image

    Image.fromarray(image).save(path, dpi=(DPI, DPI))


def confusion_matrix(counts: np.ndarray, class_names: Sequence[str], *, title: str = "Confusion matrix") -> np.ndarray:
    """Draws how often each class is taken for each other one: counts as numbers, shares of the true class as colour.

    Args:
        counts: (K, K), row the true class, column the predicted one.
        class_names: K names.
        title: heading.

    Returns:
        8-bit picture (H, W, 3). From 31 classes on the largest confusions stand beside it instead of numbers within.
    """
    num_classes = len(class_names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [shorten(name, 18) for name in class_names]
    side = float(np.clip(0.46 * num_classes, 2.2, 12.0))  # inches
    with new_figure(side + 1.8, side + 1.2) as (figure, images):
        from matplotlib.colors import PowerNorm

        axes = figure.add_subplot()
        # The square root of the share: a few per cent of mistakes are seen, too.
        picture = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
        axes.set(title=title, xlabel="predicted", ylabel="true")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if num_classes <= MAX_LABELLED:
            size = float(np.clip(45 * side / num_classes, 4.5, 9))
            level = num_classes <= 10 and max(map(len, names)) <= 3
            axes.set_xticks(range(num_classes), names, fontsize=size, rotation=0 if level else 90)
            axes.set_yticks(range(num_classes), names, fontsize=size)
        bar = figure.colorbar(picture, ax=axes, aspect=max(18, 4.5 * side), pad=0.02, ticks=list(SHARES))
        bar.ax.set_yticklabels(SHARES.values(), fontsize=8)
        bar.ax.tick_params(length=0)
        bar.outline.set_visible(False)
        bar.set_label("share of the true class", fontsize=8)
        if num_classes <= MAX_COUNTED:
            _write_counts(axes, counts, shares, side / num_classes)
        else:
            bar.ax.text(6, 1, _largest_confusions(counts, names), transform=bar.ax.transAxes, va="top")
    return images[0]


def _write_counts(axes: "Axes", counts: np.ndarray, shares: np.ndarray, cell: float) -> None:
    lines = np.arange(len(counts) - 1) + 0.5
    axes.set_xticks(lines, minor=True)
    axes.set_yticks(lines, minor=True)
    axes.grid(which="minor", color="#dddddd", linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    digits = max(2, len(str(int(counts.max(initial=0)))))
    size = min(9.0, 94 * cell / digits)  # points, for a cell in inches
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.35 else INK
        axes.text(column, row, str(int(counts[row, column])), ha="center", va="center", color=colour, fontsize=size)


def _largest_confusions(counts: np.ndarray, names: Sequence[str], *, limit: int = 20) -> str:
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = [np.unravel_index(position, wrong.shape) for position in order]
    lines = [f"{int(wrong[i, j]):>4}  {names[i]} → {names[j]}" for i, j in pairs if wrong[i, j] > 0]
    return "\n".join(["Largest confusions", "", *lines]) if lines else "No mistakes"


def worst_mistakes(
    images: Sequence[np.ndarray],
    captions: Sequence[tuple[str, str, float]],
    *,
    columns: int = 6,
    title: str = "Most confident mistakes",
) -> np.ndarray:
    """Draws the images a model is most confidently wrong about.

    Args:
        images: 8-bit, each (H, W, 1) or (H, W, 3), of any size; at least one.
        captions: the true class, the predicted one, and its probability, for each image.
        columns: images in a row.
        title: heading.

    Returns:
        8-bit picture (H, W, 3).
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height = 0.4 + 1.45 * min(1.0, max(image.shape[0] / image.shape[1] for image in images))  # with its caption
    with new_figure(max(1.45 * columns, 3.0), height * rows + 0.5) as (figure, drawn):
        figure.suptitle(f"{title} (true → predicted)", fontsize=11)
        grid = figure.subplots(rows, columns, squeeze=False, subplot_kw=NO_TICKS)
        for axes in grid.flat:
            axes.axis("off")
        for axes, image, (target, prediction, confidence) in zip(grid.flat, images, captions, strict=False):
            enlarged = max(image.shape[:2]) < 96
            axes.imshow(
                image[..., 0] if image.shape[2] == 1 else image,
                cmap="gray",
                vmin=0,
                vmax=255,
                interpolation="nearest" if enlarged else "antialiased",
            )
            line_break = " " if len(target) + len(prediction) <= 10 else "\n"
            caption = f"{shorten(target, 20)}{line_break}→ {shorten(prediction, 14)}  {100 * confidence:.0f} %"
            axes.set_title(caption, fontsize=8, linespacing=1.3, pad=3, y=1.0)
    return drawn[0]


def reliability_diagram(
    confidence: np.ndarray, correct: np.ndarray, *, num_bins: int = 15, title: str = "Reliability"
) -> np.ndarray:
    """Draws whether a stated probability of 80 % is right in 80 % of the cases.

    Args:
        confidence: (N,), the predicted class's probability.
        correct: (N,), whether the prediction is right.
        num_bins: bins of equal width.
        title: heading; the expected calibration error is added.

    Returns:
        8-bit picture (H, W, 3).
    """
    edges = np.linspace(0, 1, num_bins + 1)
    bins = np.clip(np.digitize(confidence, edges[1:-1], right=True), 0, num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    share = counts / max(len(confidence), 1)
    accuracy = np.bincount(bins, weights=correct, minlength=num_bins) / np.maximum(counts, 1)
    stated = np.bincount(bins, weights=confidence, minlength=num_bins) / np.maximum(counts, 1)
    error = float(np.sum(share * np.abs(accuracy - stated)))
    centres, width, filled = (edges[:-1] + edges[1:]) / 2, 1 / num_bins, counts > 0
    with new_figure(4.2, 5.0) as (figure, images):
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        upper.bar(centres[filled], accuracy[filled], width * 0.94, color=ACCENT, label="share that is right")
        upper.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label="well calibrated")
        upper.plot(stated[filled], accuracy[filled], "o", color=WARNING, markersize=4, label="mean confidence")
        upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy", title=f"{title}: calibration error {error:.3f}")
        figure.legend(
            loc="outside lower center", ncols=3, frameon=False, fontsize=7.5, handlelength=1.4, columnspacing=1
        )
        lower.bar(centres, share, width * 0.94, color="#9a9a9a")
        lower.set(ylabel="share of samples", xlabel="confidence")
        for axes in (upper, lower):
            axes.grid(axis="y", color="#e4e4e4", linewidth=0.7)
            axes.set_axisbelow(True)
    return images[0]


@contextmanager
def new_figure(width: float, height: float) -> Iterator[tuple["Figure", list[np.ndarray]]]:
    """An empty figure in the common style, drawn when the block ends.

    Args:
        width: in inches.
        height: in inches.

    Yields:
        The figure, and the list to which its picture (H, W, 3) is added.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from PIL import Image

    images: list[np.ndarray] = []
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # boxes for what the font lacks
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
        yield figure, images
        png = io.BytesIO()  # only a saved figure is cut to what is drawn, no label lost and no margin left
        figure.savefig(png, format="png", bbox_inches="tight", pad_inches=0.12, pil_kwargs={"compress_level": 1})
        images.append(np.asarray(Image.open(png).convert("RGB")))


def shorten(text: str, length: int) -> str:
    """Text of at most `length` characters, the last an ellipsis where something is left out."""
    return text if len(text) <= length else text[: length - 1] + "…"
