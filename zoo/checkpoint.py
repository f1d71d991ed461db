"""Checkpoints are found and read here alone, always with `weights_only=True`."""

import pickle
from pathlib import Path
from typing import Any

import torch

from zoo.errors import OptionError


def find_checkpoint(path: str | Path, *, option: str, prefer: str = "best.ckpt") -> Path:
    """Returns the checkpoint file that a path means.

    Args:
        path: a checkpoint, or the directory of a run.
        option: the option that named the path, for the error.
        prefer: the checkpoint taken from a run that has several.

    Raises:
        OptionError: there is no checkpoint.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return path
    folder = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    for candidate in (folder / prefer, folder / "best.ckpt", folder / "last.ckpt"):
        if candidate.is_file():
            return candidate
    problem = f"no checkpoint in {folder}" if path.is_dir() else f"{path} does not exist"
    raise OptionError(option, problem, "give a checkpoint file or the directory of a run")


def load_checkpoint(path: Path, *, option: str) -> dict[str, Any]:
    """Reads a checkpoint that this project has written: plain values and tensors, on the CPU.

    Raises:
        OptionError: the file cannot be read, or holds more than plain values and tensors, or is none of ours.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OptionError(option, f"{path} is no readable checkpoint ({reason[:120]})", "take another one") from error
    if not isinstance(checkpoint, dict) or "zoo" not in checkpoint:
        raise OptionError(option, f"{path} was not written by zoo", "load plain weights with pretrained=PATH")
    return checkpoint
