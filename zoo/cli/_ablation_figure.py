"""The picture of an ablation: a dot for each seed, and the interval of their mean."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zoo.comparison.statistics import summarized

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes


def draw_ablation(values: Mapping[str, Sequence[float]], metric: str) -> "np.ndarray":
    """Draws a metric of each variant, and beside it its difference from the first, seed by seed.

    Args:
        values: for each variant the metric of every seed, in the same order; first the run as it is.
        metric: its name.

    Returns:
        8-bit picture (H, W, 3).
    """
    from zoo.callbacks.figures import INK, new_figure

    first, *_ = values.values()
    differences = {name: [b - a for a, b in zip(first, each, strict=True)] for name, each in values.items()}
    with new_figure(8.6, 1.3 + 0.34 * len(values)) as (figure, images):
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_rows(left, list(values.values()))
        _draw_rows(right, [[], *list(differences.values())[1:]])
        left.axvline(summarized(first).mean, color="#bbbbbb", linewidth=0.8, zorder=0)
        right.axvline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
        left.set_yticks(range(len(values)), list(values))
        left.invert_yaxis()
        left.set_ylim(len(values) - 0.5, -0.5)
        left.set(xlabel=metric)
        right.set(xlabel=f"difference of {metric}, seed by seed")
        for panel in (left, right):
            panel.tick_params(axis="y", length=0)
            panel.grid(axis="y", color="#eeeeee", zorder=-1)
        many = len(first) > 1
        caption = f"dots: {len(first)} seeds; bars: mean and 95 % interval" if many else "dots: one seed"
        figure.text(1, -0.02, caption, ha="right", va="top", fontsize=8, color=INK)
    return images[0]


def _draw_rows(axes: "Axes", rows: Sequence[Sequence[float]]) -> None:
    from zoo.callbacks.figures import ACCENT, WARNING

    for row, values in enumerate(rows):
        if not values:
            continue
        _, mean, _, interval = summarized(values)
        heights = [row + 0.1 + 0.24 * (seed + 1) / (len(values) + 1) for seed in range(len(values))]  # none hides one
        axes.plot(values, heights, "o", color=WARNING, markersize=3.5)
        axes.errorbar(mean, row - 0.12, xerr=interval, fmt="s", color=ACCENT, markersize=4, capsize=3, linewidth=1.4)
