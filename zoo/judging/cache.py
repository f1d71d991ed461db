"""What was computed once of data is kept for the runs that follow: a small classifier, features of real images."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.checkpoint import UnreadableFileError, load_file
from zoo.data.order import rank_and_world_size, whole_splits
from zoo.files import replacing, user_cache


def cached(key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Returns what is kept below `zoo/features` in the user's cache, or makes it; a folder that is full keeps nothing.

    Of several processes the first one makes it, of all samples, while the others wait for what it keeps.

    Args:
        key: says all that it depends on, by `key_of`.
        make: computes it, plain values and tensors.
    """
    path = user_cache("features") / f"{key}.pt"
    rank, world_size = rank_and_world_size()
    if rank > 0:
        torch.distributed.barrier()
    try:
        return _kept(path) or _made(path, make)
    finally:
        if rank == 0 and world_size > 1:
            torch.distributed.barrier()


def _kept(path: Path) -> dict[str, Any] | None:
    if path.is_file():
        with suppress(UnreadableFileError):
            found: dict[str, Any] = load_file(path)
            return found
    return None


def _made(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    with whole_splits():
        made = make()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            torch.save(made, file)
    return made


def key_of(*parts: object) -> str:
    """Returns a digest of plain values."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def digest_of(state: Mapping[str, Tensor]) -> str:
    """Returns a digest of tensors by name."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in state.items():
        digest.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
