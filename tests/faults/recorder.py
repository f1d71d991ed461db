"""Notes what every step of a run did, to the last bit."""

import json
from pathlib import Path
from typing import Any

import lightning
import torch


class Recorder(lightning.Callback):
    """Appends a line for each training step: its number, loss, learning rate and samples.

    Args:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        line = {
            "epoch": trainer.current_epoch,
            "batch": batch_idx,
            "loss": float(loss).hex(),
            "lr": [group["lr"].hex() for optimizer in trainer.optimizers for group in optimizer.param_groups],
            "index": batch["index"].tolist(),
            "input": float(batch.get("input", batch.get("features")).double().sum()).hex(),
        }
        self._write(line)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        metrics = {name: float(value).hex() for name, value in trainer.callback_metrics.items() if "val/" in name}
        self._write({"epoch": trainer.current_epoch, "batch": -trainer.global_step, "validation": metrics})

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        parts = [float(tensor.double().sum()).hex() for tensor in pl_module.state_dict().values()]
        self._write({"epoch": trainer.current_epoch, "batch": 0, "weights": parts, "threads": torch.get_num_threads()})

    def _write(self, line: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line, sort_keys=True) + "\n")


def steps(path: Path) -> dict[str, str]:
    """Returns the lines by step; one that was repeated must have been the same.

    Raises:
        AssertionError: a step that was repeated came out differently.
    """
    found: dict[str, str] = {}
    for text in path.read_text().splitlines():
        line = json.loads(text)
        key = f"{line['epoch']}/{line['batch']}/{'validation' in line}/{'weights' in line}"
        assert found.setdefault(key, text) == text, f"step {key} was\n{found[key]}\nand then\n{text}"
    return found
