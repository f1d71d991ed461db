"""Pictures of the doctor's record: what happens in the layers, and which classes are taken for which, over time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from zoo.callbacks import figures
from zoo.callbacks.history_state import kinds_of
from zoo.diagnosis.recorded import Layer, Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ROWS = 40  # layers that can be told apart
_MOST_PAIRS = 6
_ABSENT = "#eeeeee"


class Panel(NamedTuple):
    """What one heat map shows.

    Attributes:
        title: its heading.
        figures: names of figures of a layer; the largest of those that it has is shown.
        decimal: whether it is the power of ten that is shown.
        limits: of the colours; None for those of the values.
    """

    title: str
    figures: Sequence[str]
    decimal: bool = False
    limits: tuple[float, float] | None = None


FLOW = [
    Panel("gradients, root mean square", ["gradient_rms"], decimal=True),
    Panel("update / weight", ["update_ratio"], decimal=True),
]
ACTIVATIONS = [
    Panel("mean", ["mean"]),
    Panel("standard deviation", ["std"], decimal=True),
    Panel("dead or saturated", ["dead", "saturated"], limits=(0, 1)),
    Panel("attention entropy", ["entropy"], limits=(0, 1)),
]


def gradient_flow(steps: Sequence[Step]) -> np.ndarray | None:
    """Draws size of gradients and of updates, a row for each layer, a column for each step that was looked at.

    Args:
        steps: in the order of time.

    Returns:
        8-bit picture (H, W, 3); None where no layer had gradients.
    """
    return _heat_maps(steps, FLOW, "Gradient flow: layers from input (top) to output, over steps")


def activations(steps: Sequence[Step]) -> np.ndarray | None:
    """Draws what layers gave, a row for each layer, a column for each step that was looked at.

    Args:
        steps: in the order of time.

    Returns:
        8-bit picture (H, W, 3); None where no layer was seen.
    """
    return _heat_maps(steps, ACTIVATIONS, "Activations: layers from input (top) to output, over steps")


def effective_rank(ranks: Mapping[str, float]) -> np.ndarray | None:
    """Draws how many of its directions each layer uses.

    Args:
        ranks: share of the full rank, 0 to 1, by layer.

    Returns:
        8-bit picture (H, W, 3); None where there are none.
    """
    names = _some(list(ranks))
    if not names:
        return None
    with figures.new_figure(5.6, 0.17 * len(names) + 1.1) as (figure, images):
        axes = figure.add_subplot()
        axes.barh(range(len(names)), [ranks[name] for name in names], color=figures.ACCENT, height=0.7)
        axes.set(title="Effective rank of the weights", xlabel="share of the full rank", xlim=(0, 1))
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), [_named(name) for name in names], fontsize=7)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e4e4e4", linewidth=0.7)
        axes.set_axisbelow(True)
    return images[0]


def confusion_over_time(frames: Sequence[tuple[int, Tensor]], class_names: Sequence[str]) -> np.ndarray | None:
    """Draws the most frequent confusions, as shares of the true class, over validations.

    Args:
        frames: step and counts (K, K), row the true class, in the order of time.
        class_names: K names; numbers stand in where there are fewer.

    Returns:
        8-bit picture (H, W, 3); None of fewer than two validations, and where nothing is confused.
    """
    if len(frames) < 2:
        return None
    counts = np.stack([counts.numpy() for _, counts in frames]).astype(float)  # (N, K, K)
    size = counts.shape[1]
    names = list(class_names) if len(class_names) == size else [str(number) for number in range(size)]
    shares = counts / counts.sum(2, keepdims=True).clip(1)
    shares[:, range(size), range(size)] = 0
    often = shares.mean(0)
    pairs = [divmod(int(place), size) for place in np.argsort(-often, axis=None, kind="stable")[:_MOST_PAIRS]]
    pairs = [pair for pair in pairs if often[pair] > 0]
    if not pairs:
        return None
    steps = [step for step, _ in frames]
    with figures.new_figure(6.4, 3.4) as (figure, images):
        axes = figure.add_subplot()
        for true, taken in pairs:
            name = f"{figures.shorten(names[true], 16)} → {figures.shorten(names[taken], 16)}"
            axes.plot(steps, 100 * shares[:, true, taken], marker=".", linewidth=1.4, label=name)
        axes.set(title="What is taken for what: the most frequent confusions", xlabel="step")
        axes.set_ylabel("% of the true class")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color="#e4e4e4", linewidth=0.7)
        figure.legend(loc="outside right upper", frameon=False, fontsize=8, title="true → predicted", title_fontsize=8)
    return images[0]


def _heat_maps(steps: Sequence[Step], panels: Sequence[Panel], title: str) -> np.ndarray | None:
    names = list(kinds_of(steps))
    tables = {panel.title: _table(steps, names, panel.figures) for panel in panels}
    seen = [name for row, name in enumerate(names) if any(np.isfinite(table[row]).any() for table in tables.values())]
    rows = [names.index(name) for name in _some(seen)]
    shown = [panel for panel in panels if np.isfinite(tables[panel.title]).any()]
    if not shown:
        return None
    height = float(np.clip(0.17 * len(rows) + 1.3, 2.0, 9.0))
    with figures.new_figure(1.6 + 2.6 * len(shown), height) as (figure, images):
        figure.suptitle(title, fontsize=10)
        grid = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
        for axes, panel in zip(grid, shown, strict=True):
            _heat_map(axes, tables[panel.title][rows], panel, [step.step for step in steps])
        grid[0].set_yticks(range(len(rows)), [_named(names[row]) for row in rows], fontsize=7)
    return images[0]


def _heat_map(axes: "Axes", table: np.ndarray, panel: Panel, steps: Sequence[int]) -> None:
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    values = np.log10(table.clip(1e-12)) if panel.decimal else table
    colours = colormaps["viridis"].with_extremes(bad=_ABSENT)
    low, high = panel.limits or (None, None)
    picture = axes.imshow(values, aspect="auto", cmap=colours, interpolation="nearest", vmin=low, vmax=high)
    axes.set_title(panel.title, fontsize=8.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    places = np.unique(np.linspace(0, len(steps) - 1, 4).round().astype(int))
    axes.set_xticks(places, [f"{steps[place]:,}" for place in places], fontsize=7)
    bar = axes.figure.colorbar(picture, ax=axes, orientation="horizontal", pad=0.02, aspect=30)
    bar.locator = MaxNLocator(4, steps=[1, 2, 5, 10])
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_visible(False)
    if panel.decimal:
        bar.ax.xaxis.set_major_formatter(lambda value, _: f"{10**value:.2g}")


def _table(steps: Sequence[Step], names: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Returns the largest of some figures, (layers, steps); NaN where a layer has none of them."""
    absent = Layer("")
    found = [[[getattr(step.layers.get(name, absent), each) for each in wanted] for step in steps] for name in names]
    values = np.array(found, dtype=float).reshape(len(names), len(steps), len(wanted))
    largest: np.ndarray = np.where(np.isnan(values), -np.inf, values).max(2)
    return np.where(np.isfinite(largest), largest, np.nan)


def _some(names: Sequence[str]) -> list[str]:
    """Returns names that are spread evenly, the first and the last among them, no more than can be read."""
    places = np.linspace(0, len(names) - 1, min(_MOST_ROWS, len(names))).round().astype(int)
    return [names[place] for place in places]


def _named(name: str) -> str:
    """Returns the end of a layer's name, which tells it from its neighbours."""
    return name if len(name) <= 30 else "…" + name[-29:]
