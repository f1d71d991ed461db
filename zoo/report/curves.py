"""The curves of a run: losses, what is monitored, and the learning rate."""

from typing import TYPE_CHECKING

from zoo.callbacks.figures import ACCENT, INK, WARNING, new_figure
from zoo.report.files import RunFiles

if TYPE_CHECKING:
    import numpy as np


def draw_curves(run: RunFiles) -> "np.ndarray | None":
    """Draws training and validation of each metric together, by the step.

    Args:
        run: a run.

    Returns:
        8-bit picture (H, W, 3); None where nothing was logged.
    """
    panels = _panels(run)
    if not panels:
        return None
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    with new_figure(4.2 * columns + 0.2, 2.5 * rows) as (figure, images):
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel in axes[len(panels) :]:
            panel.set_axis_off()
        for panel, (title, names) in zip(axes, panels.items(), strict=False):
            for name, label, colour in names:
                steps, values = run.curves[name]
                few = "o" if len(steps) < 40 else None
                width = 1.0 if label == "train" else 1.6
                panel.plot(steps, values, color=colour, linewidth=width, marker=few, markersize=3, label=label)
            panel.set(title=title, xlabel="step")
            panel.grid(axis="y", color="#e4e4e4", linewidth=0.7)
            if len(names) > 1:
                panel.legend(frameon=False, fontsize=8)
    return images[0]


def _panels(run: RunFiles) -> dict[str, list[tuple[str, str, str]]]:
    """Returns by title the curves of a panel, each with its label and colour."""
    monitor = str(run.option("task.monitor") or "").rpartition("/")[2]
    logged = dict.fromkeys(name.partition("/")[2] for name in run.curves if name.startswith(("train/", "val/")))
    first = [name for name in ("loss", monitor) if name in logged]
    others = [name for name in logged if name not in first and f"val/{name}" in run.curves]
    both = {"train": ACCENT, "val": WARNING}
    panels: dict[str, list[tuple[str, str, str]]] = {}
    pair = {"generator": WARNING, "discriminator": ACCENT}
    losses = [(f"train/{net}_loss", net, colour) for net, colour in pair.items() if f"train/{net}_loss" in run.curves]
    if losses:
        panels["training losses"] = losses
        others = [name for name in others if name != "discriminator_loss"]
    for name in [*dict.fromkeys(first), *others][: 5 - len(panels)]:
        found = [(f"{s}/{name}", s, colour) for s, colour in both.items() if f"{s}/{name}" in run.curves]
        panels[name.replace("_", " ")] = found
    rates = [name for name in run.curves if name == "lr" or name.startswith("lr/")]
    if rates:
        colours = [INK, ACCENT, WARNING]
        names = [(name, name.removeprefix("lr/"), colours[place % 3]) for place, name in enumerate(rates[:6])]
        panels["learning rate"] = names
    return panels
