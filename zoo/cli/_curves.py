"""The curves of groups of runs, drawn together."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zoo.comparison.runs import Run

if TYPE_CHECKING:
    import numpy as np

_MOST_PANELS = 6
_COLOURS = ("#2a6fb0", "#d9822b", "#4b9a5f", "#8a5aa8", "#222222", "#b5485d", "#7f7f7f", "#3aa6a6")
_LINES = ("-", "--", "-.", ":")


def shared_curves(runs: Sequence[Run], monitor: str) -> list[str]:
    """Returns the curves that every run has: that which is monitored first, then losses, then the others."""
    names = [name for name in runs[0].curves if all(name in run.curves for run in runs)]
    names.sort(key=lambda name: (name != monitor, not name.endswith("/loss"), name.startswith("train/"), name))
    return names[:_MOST_PANELS]


def draw_curves(groups: Mapping[str, Sequence[Run]], names: Sequence[str]) -> "np.ndarray":
    """Draws metrics over the steps: the mean of each group, and a band of one standard deviation around it.

    Args:
        groups: runs by the name of their group.
        names: of the metrics, each in every run.

    Returns:
        8-bit picture (H, W, 3).
    """
    import numpy as np

    from zoo.callbacks.figures import new_figure, shorten

    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    with new_figure(3.6 * columns + 0.4, 2.7 * rows + 0.4 + 0.22 * len(groups)) as (figure, images):
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        for panel, name in zip(panels, names, strict=False):
            for index, (label, runs) in enumerate(groups.items()):
                colour, line = _COLOURS[index % len(_COLOURS)], _LINES[index // len(_COLOURS) % len(_LINES)]
                curves = [run.curves[name] for run in runs]
                steps = sorted(set(curves[0]).intersection(*curves))
                values = np.array([[curve[step] for step in steps] for curve in curves])  # (R, S)
                mean = values.mean(axis=0)
                marker = "o" if len(steps) < 30 else None
                style = {"color": colour, "linestyle": line, "linewidth": 1.4, "marker": marker, "markersize": 2.5}
                panel.plot(steps, mean, label=shorten(label, 110), **style)
                if len(curves) > 1:
                    std = values.std(axis=0, ddof=1)
                    panel.fill_between(steps, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)
            panel.set(title=name, xlabel="step")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=1)
    return images[0]
