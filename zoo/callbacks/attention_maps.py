"""Where a decoder looks while it writes: attention to the source as pictures, in TensorBoard and in the report.

A model takes part by a method `attention_weights(source, decoder_input)`, which gives (B, T, S), or None where it has
none; a task by returning `{"texts": {name: (B, L) tokens}, "index": (B,)}` from its step; and data by tokenizers,
`source_tokenizer` and `target_tokenizer`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn

from zoo.callbacks import figures
from zoo.callbacks.examples import Examples, show
from zoo.ranges import PositiveInt

_MOST_TOKENS = 60  # of either side, in a picture that can be read
_END = "⏎"


class AttentionMap(NamedTuple):
    """Attention of one text.

    Attributes:
        weights: (T, S), of what was written to what was read.
        source: S tokens as text.
        written: T tokens as text.
    """

    weights: np.ndarray
    source: Sequence[str]
    written: Sequence[str]


class AttentionMaps(Examples):
    """Draws attention after the first, second, fourth, eighth ... validation of a fit, and after a test.

    Args:
        directory: where `attention.png` is written after a test, or a validation that is not part of a fit; None for
            TensorBoard alone, as `report/attention`, during a fit.
        num_texts: how many texts are drawn, of batches that are spread over the split.
    """

    def __init__(self, directory: str | Path | None = None, *, num_texts: PositiveInt = 6) -> None:
        super().__init__(directory)
        self.num_texts = num_texts
        self._samples: list[tuple[Tensor, Tensor]] = []

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Keeps a text of the batch."""
        texts = outputs.get("texts") if isinstance(outputs, Mapping) else None
        data, model = getattr(trainer, "datamodule", None), getattr(pl_module, "model", None)
        whole = isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)  # the others have it in parts
        takes_part = hasattr(model, "attention_weights") and hasattr(data, "source_tokenizer")
        if not (texts and takes_part and whole):
            return
        source, written = batch["input"][0], next(iter(texts.values()))[0]
        source, written = source[source != 0], written[written != 0]
        if len(source) <= _MOST_TOKENS and len(written) <= _MOST_TOKENS:
            self._samples.append((source, written))

    def draw(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Draws."""
        samples, self._samples = self._samples, []
        if not samples:
            return
        places = np.linspace(0, len(samples) - 1, min(self.num_texts, len(samples))).round().astype(int)
        found = [attention_map(pl_module, trainer, *samples[place]) for place in dict.fromkeys(places.tolist())]
        maps = [each for each in found if each is not None]
        if not maps:
            return
        show(trainer, stage, {"attention": attention_figure(maps)}, directory=self.directory)


def attention_map(module: LightningModule, trainer: Trainer, source: Tensor, written: Tensor) -> AttentionMap | None:
    """Returns the attention with which a text was written; None where the model has none.

    Args:
        module: the task.
        trainer: whose data have the tokenizers.
        source: tokens that were read, (S,).
        written: tokens that were written, the one at the end among them, (T,).
    """
    data, model = trainer.datamodule, cast(nn.Module, module.model)  # type: ignore[attr-defined]
    started = torch.cat([written.new_tensor([data.boundary]), written[:-1]])
    training = model.training
    model.eval()
    with torch.no_grad(), trainer.precision_plugin.forward_context():
        weights = model.attention_weights(source[None], started[None])  # type: ignore[operator]
    model.train(training)
    if weights is None:
        return None
    read = [data.source_tokenizer.decode([token]) for token in source.tolist()]
    ends = [_END if token == data.boundary else data.target_tokenizer.decode([token]) for token in written.tolist()]
    return AttentionMap(weights[0].float().cpu().numpy(), read, ends)


def attention_figure(maps: Sequence[AttentionMap], *, columns: int = 2) -> np.ndarray:
    """Draws attention: a column for each token that was read, a row for each that was written.

    Args:
        maps: at least one.
        columns: maps in a row.

    Returns:
        8-bit picture (H, W, 3).
    """
    columns = min(columns, len(maps))
    rows = -(-len(maps) // columns)
    width = max(2.2, 0.19 * max(len(each.source) for each in maps) + 0.6)
    height = max(1.2, 0.19 * max(len(each.written) for each in maps) + 0.5)
    with figures.new_figure(width * columns, height * rows + 0.4) as (figure, images):
        figure.suptitle("Attention: what is read across, what is written down", fontsize=10)
        grid = figure.subplots(rows, columns, squeeze=False, subplot_kw=figures.NO_TICKS)
        for axes in grid.flat[len(maps) :]:
            axes.axis("off")
        for axes, each in zip(grid.flat, maps, strict=False):
            axes.imshow(each.weights, cmap="Blues", vmin=0, vmax=1, aspect="equal", interpolation="nearest")
            axes.set_xticks(range(len(each.source)), [_shown(token) for token in each.source], fontsize=7)
            axes.set_yticks(range(len(each.written)), [_shown(token) for token in each.written], fontsize=7)
            axes.tick_params(length=0, pad=1.5, top=True, labeltop=True, bottom=False, labelbottom=False)
            if max(map(len, each.source)) > 1:
                axes.tick_params(axis="x", rotation=90)
            axes.spines[:].set_color("#cccccc")
    return images[0]


def _shown(token: str) -> str:
    """Returns a token so that a blank is seen, too."""
    return figures.shorten(token.replace(" ", "␣").replace("\n", _END), 12)
