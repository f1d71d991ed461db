"""Checkpoints are written off the training thread, which only copies what is to be saved."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor

from zoo.checkpoint import load_checkpoint, write_checkpoint


class BackgroundCheckpointIO(CheckpointIO):
    """Writes one checkpoint at a time in a thread of its own; a failure is raised with the next call.

    Args:
        loaded: checkpoints that were read already, by their path, which saves reading them again.

    Attributes:
        keep: how many files of a name are kept; of all others one.
    """

    def __init__(self, loaded: dict[str, dict[str, Any]] | None = None) -> None:
        self.loaded = loaded or {}
        self.keep: dict[str, int] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Copies a checkpoint and starts to write it, once the one before is written.

        Raises:
            StorageError: the checkpoint before this one could not be written.
        """
        self.wait()
        target = Path(path)
        self._writing = self._thread.submit(
            write_checkpoint, _copy(checkpoint, {}), target, keep=self.keep.get(target.name, 1)
        )

    def wait(self) -> None:
        """Waits until everything is on the disk.

        Raises:
            StorageError: it could not be written.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def load_checkpoint(
        self, path: Any, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Returns a checkpoint on the CPU; plain values and tensors alone, whatever is asked."""
        return self.loaded.pop(str(path), None) or load_checkpoint(Path(path), option="resume")

    def remove_checkpoint(self, path: Any) -> None:
        """Removes a file."""
        self.wait()
        Path(path).unlink(missing_ok=True)

    def teardown(self) -> None:
        """Waits until everything is on the disk."""
        self.wait()


def _copy(value: Any, copies: dict[int, Tensor]) -> Any:
    """Copies all tensors to the CPU, one that stands in two places once."""
    if isinstance(value, Tensor):
        if id(value) not in copies:
            copies[id(value)] = torch.empty_like(value, device="cpu").copy_(value.detach())
        return copies[id(value)]
    if isinstance(value, Mapping):
        return {key: _copy(item, copies) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return (
            [_copy(item, copies) for item in value]
            if isinstance(value, list)
            else tuple(_copy(v, copies) for v in value)
        )
    return value
