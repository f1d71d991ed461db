"""What a model has written, beside what was to be written: a table for a file, and a few rows in TensorBoard.

A task takes part by returning `{"texts": {"name of a decoder": (B, L) tokens}, "index": (B,)}` from its step, the one
that is judged first, and data by methods `text_of(tokens)`, `target_text(split, index)` and, where the source is a
text, too, `source_text(split, index)`.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.callbacks.final_report import FinalReport, gather
from zoo.callbacks.tensorboard import TensorBoard
from zoo.files import replacing
from zoo.ranges import PositiveInt

Row = dict[str, str]


class TextPredictions(Callback):
    """Shows a few texts in TensorBoard after each validation of a fit, as `report/texts`.

    Args:
        num_texts: how many; those of the last batch, whose samples are the longest where data sort them.
    """

    def __init__(self, num_texts: PositiveInt = 10) -> None:
        self.num_texts = num_texts
        self._last: list[Row] = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keeps texts of the last batch."""
        if trainer.state.fn == "fit" and _takes_part(trainer, outputs) and batch_idx + 1 == _num_batches(trainer):
            self._last = list(rows_of(trainer, outputs, "val", limit=self.num_texts).values())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows them."""
        if self._last and not trainer.sanity_checking:
            show(trainer, "val/report/texts", self._last)
        self._last = []


class TextPredictionReport(FinalReport):
    """Writes `predictions.csv` after a test, or a validation that is not part of a fit, and shows some mistakes.

    Args:
        directory: where the file is written; made if need be.
        num_mistakes: how many mistakes are shown in TensorBoard, as `report/mistakes`.
    """

    def __init__(self, directory: str | Path, *, num_mistakes: PositiveInt = 30) -> None:
        self.directory, self.num_mistakes = Path(directory), num_mistakes
        self._rows: dict[int, Row] = {}

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Keeps what was written."""
        if _takes_part(trainer, outputs):
            self._rows |= rows_of(trainer, outputs, stage)

    def report(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes the report."""
        shards, self._rows = gather(self._rows, trainer.world_size), {}
        rows = {index: row for shard in shards for index, row in shard.items()}
        if not trainer.is_global_zero or not rows:
            return
        ordered = [{"index": str(index), **rows[index]} for index in sorted(rows)]
        self.directory.mkdir(parents=True, exist_ok=True)
        with replacing(self.directory / "predictions.csv") as file:
            file.write(_as_csv(ordered).encode())
        mistakes = [row for row in ordered if row["correct"] == "false"][: self.num_mistakes]
        if mistakes:
            show(trainer, f"{stage}/report/mistakes", mistakes)


def rows_of(trainer: Trainer, outputs: Mapping[str, Any], split: str, *, limit: int | None = None) -> dict[int, Row]:
    """Returns a row of a table for each sample of a batch, by its index.

    Args:
        trainer: whose data know the texts.
        outputs: of the step.
        split: which split the samples are of.
        limit: how many rows at most, from the end; None for all.
    """
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    first = 0 if limit is None else -limit
    index = outputs["index"][first:].tolist()
    written = {name: tokens[first:].tolist() for name, tokens in outputs["texts"].items()}
    judged = next(iter(written))
    rows = {}
    for place, sample in enumerate(index):
        source = {"source": data.source_text(split, sample)} if hasattr(data, "source_text") else {}
        target = data.target_text(split, sample)
        texts = {name: data.text_of([token for token in tokens[place] if token]) for name, tokens in written.items()}
        correct = "true" if texts[judged] == target else "false"
        rows[sample] = {
            "name": data.sample_name(split, sample),
            **source,
            "target": target,
            **texts,
            "correct": correct,
        }
    return rows


def show(trainer: Trainer, name: str, rows: Sequence[Row]) -> None:
    """Shows rows as a table in TensorBoard."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoard):
            logger.log_text(name, _as_markdown(rows), trainer.global_step)


def _takes_part(trainer: Trainer, outputs: Any) -> bool:
    texts = outputs.get("texts") if isinstance(outputs, Mapping) else None
    named = isinstance(texts, Mapping) and all(isinstance(tokens, Tensor) for tokens in texts.values())
    return named and hasattr(getattr(trainer, "datamodule", None), "text_of")


def _num_batches(trainer: Trainer) -> int:
    return int(sum(trainer.num_val_batches))


def _as_csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _as_markdown(rows: Sequence[Row]) -> str:
    names = [name for name in rows[0] if name not in ("index", "name", "correct")]
    lines = [names, ["---"] * len(names), *([_escaped(row[name]) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _escaped(text: str) -> str:
    for character in "\\|*_`<[":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", " ")
