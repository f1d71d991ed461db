"""How a verdict is kept: as text in TensorBoard, and as plain values in a checkpoint."""

from typing import Any

from lightning.pytorch import Trainer

from zoo.callbacks.tensorboard import TensorBoard
from zoo.diagnosis.verdict import Verdict


def log_verdict(trainer: Trainer, verdict: Verdict) -> None:
    """Shows a verdict in TensorBoard, as `diagnosis`."""
    remedies = "\n".join(f"- `{remedy}`" for remedy in verdict.remedies)
    tried = f". Try:\n\n{remedies}" if remedies else ""
    text = f"**{verdict.name}** (epoch {verdict.epoch}, step {verdict.step:,}): {verdict.finding}{tried}"
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoard):
            logger.log_text("diagnosis", text, verdict.step)


def plain_verdict(verdict: Verdict) -> dict[str, Any]:
    """Returns a verdict as plain values."""
    return {**vars(verdict), "remedies": list(verdict.remedies)}
