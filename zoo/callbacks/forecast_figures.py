"""Pictures of forecasts: what was seen, what came, and what was forecast, with the interval of its quantiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.callbacks.figures import ACCENT, INK, WARNING, new_figure, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TARGETS = 3
_GREY = "#8a8a8a"
_STYLES = {"seasonal naive": (WARNING, "-"), "naive": (_GREY, "--"), "drift": (_GREY, ":")}


@dataclass
class Window:
    """A window in the units of the data.

    Attributes:
        title: what stands over it.
        times: when each row is, (L + H).
        seen: (L, N).
        true: (H, N), empty where it is still to come.
        forecast: (H, N).
        quantiles: (H, N, Q); None where points are forecast.
    """

    title: str
    times: Sequence[str]
    seen: np.ndarray
    true: np.ndarray
    forecast: np.ndarray
    quantiles: np.ndarray | None = None


def forecast_windows(
    windows: Sequence[Window], targets: Sequence[str], *, levels: Sequence[float] | None = None
) -> np.ndarray:
    """Draws windows below each other, and their first targets beside each other.

    Args:
        windows: at least one.
        targets: names of the targets, N.
        levels: the quantiles that are forecast; None for points.

    Returns:
        8-bit picture (H, W, 3).
    """
    columns = min(len(targets), MOST_TARGETS)
    with new_figure(max(4.2 * columns, 7.0), 2.3 * len(windows) + 0.6) as (figure, images):
        grid = figure.subplots(len(windows), columns, squeeze=False)
        for row, window in zip(grid, windows, strict=True):
            for column, axes in enumerate(row):
                _draw_window(axes, window, column, levels)
                axes.set_title(f"{shorten(targets[column], 24)}, {window.title}", fontsize=9)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    return images[0]


def _draw_window(axes: "Axes", window: Window, column: int, levels: Sequence[float] | None) -> None:
    # Three horizons of the past are enough to judge by; more would press the forecast into a corner.
    num_seen = min(len(window.seen), 3 * len(window.forecast) + 8)
    past = np.arange(-num_seen, 0)
    future = np.arange(len(window.forecast))
    marker = "." if len(future) == 1 else None
    axes.axvline(-0.5, color="#cccccc", linewidth=0.8)
    axes.plot(past, window.seen[-num_seen:, column], color=_GREY, linewidth=1, label="seen")
    if len(window.true):
        axes.plot(future, window.true[:, column], color=INK, linewidth=1, marker=marker, label="came")
    if window.quantiles is not None and levels is not None:
        low, high = window.quantiles[:, column, 0], window.quantiles[:, column, -1]
        name = f"{100 * (levels[-1] - levels[0]):.0f} % interval"
        axes.fill_between(future, low, high, color=ACCENT, alpha=0.2, linewidth=0, label=name)
    axes.plot(future, window.forecast[:, column], color=ACCENT, linewidth=1.4, marker=marker, label="forecast")
    places = [-num_seen, 0]  # a third date, at the end, would cover the second
    axes.set_xticks(places, [window.times[len(window.seen) + place] for place in places], fontsize=7)
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.7)


def errors(
    by_step: Mapping[str, np.ndarray], by_origin: Mapping[str, np.ndarray], origins: Sequence[str], *, model: str
) -> np.ndarray:
    """Draws how the error grows with the horizon, and when it was large.

    Args:
        by_step: mean absolute error of each step, (H,), in standard deviations, by forecaster.
        by_origin: mean absolute error of each window, (W,), likewise.
        origins: when each window begins to be forecast, (W,).
        model: name of the forecaster that is the model.

    Returns:
        8-bit picture (H, W, 3).
    """
    with new_figure(9.0, 3.4) as (figure, images):
        left, right = figure.subplots(1, 2)
        for name, values in by_step.items():
            colour, line = _STYLES.get(name, (ACCENT, "-"))
            width = 1.8 if name == model else 1.1
            marker = "o" if len(values) == 1 else None
            steps = np.arange(1, len(values) + 1)
            left.plot(steps, values, line, color=colour, linewidth=width, marker=marker, label=name)
        left.set(xlabel="steps ahead", ylabel="mean absolute error (standard deviations)", title="By step")
        for name, values in by_origin.items():
            if name in (model, "seasonal naive", "naive") and not (name == "naive" and "seasonal naive" in by_origin):
                colour = ACCENT if name == model else _STYLES[name][0]
                right.plot(np.arange(len(values)), values, color=colour, linewidth=1, label=name)
        places = sorted({0, len(origins) // 2, len(origins) - 1})
        right.set_xticks(places, [origins[place] for place in places], fontsize=7)
        right.set(title="By the first step that is forecast", xlabel="")
        for axes in (left, right):
            axes.set_ylim(bottom=0)
            axes.grid(axis="y", color="#e4e4e4", linewidth=0.7)
            axes.legend(frameon=False, fontsize=8)
    return images[0]
