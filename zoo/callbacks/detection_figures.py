"""Curves of precision against recall of a detector, a panel for each class."""

from collections.abc import Sequence

import numpy as np

from zoo.callbacks.figures import ACCENT, WARNING, new_figure, shorten
from zoo.metrics.detection_matching import Matches, average_precision

MOST_PANELS = 24
_STYLES = {0.5: (ACCENT, "-"), 0.75: (WARNING, "--")}


def precision_recall(
    curves: Sequence[tuple[str, dict[float, Matches]]], *, title: str = "Precision and recall"
) -> np.ndarray:
    """Draws the curves of each class that has objects, or of the worst where there are many.

    Args:
        curves: the name of each class, and its detections as judged at each overlap, 0.5 and 0.75.
        title: heading.

    Returns:
        8-bit picture (H, W, 3).
    """
    shown = [(name, judged) for name, judged in curves if judged[0.5].num_objects]
    if len(shown) > MOST_PANELS:
        shown = sorted(shown, key=lambda curve: average_precision(curve[1][0.5]))[:MOST_PANELS]
        title += f", the {MOST_PANELS} worst classes"
    columns = min(4, max(1, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    with new_figure(max(2.3 * columns, 3.6), 2.3 * rows + 0.7) as (figure, images):
        figure.suptitle(title, fontsize=11)
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes in grid.flat[len(shown) :]:
            axes.axis("off")
        for axes, (name, judged) in zip(grid.flat, shown, strict=False):
            for overlap, matches in judged.items():
                colour, line = _STYLES[overlap]
                label = f"IoU {overlap:.2f}"
                recall, precision = np.r_[0.0, matches.recall], np.r_[1.0, matches.precision]
                axes.plot(recall, precision, line, color=colour, linewidth=1.4, label=label)
            value = average_precision(judged[0.5])
            axes.set_title(f"{shorten(name, 20)}  AP {value:.3f}", fontsize=9)
            axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
            axes.grid(color="#e4e4e4", linewidth=0.7)
        for axes in grid[-1]:
            axes.set_xlabel("recall")
        for axes in grid[:, 0]:
            axes.set_ylabel("precision")
        if shown:
            handles, labels = grid.flat[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return images[0]
