"""Samples that two splits share: what is learned by heart must not be what is judged by.

Found are samples in memory that are equal to the last bit, and files of equal content. Samples that are only alike,
such as a picture that was compressed anew, are not.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

_MOST_BYTES = 2**28  # of samples in memory, and of files that are read as a whole
_MOST_FILES = 50_000
_END = 1024  # bytes at the end of a file, in which files of equal size differ


def duplicates(loaders: Mapping[str, Iterable[Any]]) -> tuple[dict[str, int], dict[str, int]]:
    """Returns how many samples of each other split the training split has, too, and the sizes of these splits.

    Args:
        loaders: of each split; others than of tensors in memory and of files are not looked at, nor too many of these.
    """
    tensors = {split: getattr(loader, "inputs", None) for split, loader in loaders.items()}
    held = {split: inputs for split, inputs in tensors.items() if isinstance(inputs, Tensor)}
    if len(held) == len(loaders):
        fits = "train" in held and sum(inputs.nbytes for inputs in held.values()) <= _MOST_BYTES
        return _shared({split: _rows(inputs) for split, inputs in held.items()}) if fits else ({}, {})
    files = {split: _files(loader) for split, loader in loaders.items()}
    if not files.get("train") or sum(map(len, files.values())) > _MOST_FILES:
        return {}, {}
    try:
        return _shared_files(files)
    except OSError:  # one has gone meanwhile: whoever decodes it will say so
        return {}, {}


def _rows(inputs: Tensor) -> list[Hashable]:
    return [hash(row.tobytes()) for row in inputs.cpu().contiguous().numpy()]


def _files(loader: Any) -> list[Path]:
    files: Any = getattr(loader, "files", None)
    if not hasattr(files, "place") or not len(files):
        return []
    places = [Path(files.place(row)) for row in range(len(files))]
    return places if places[0].is_file() else []


def _shared_files(files: Mapping[str, list[Path]]) -> tuple[dict[str, int], dict[str, int]]:
    """Reads as little as tells files apart: sizes, the ends of those of equal size, then the whole of what is left."""
    keys: dict[Path, tuple[Hashable, ...]] = {path: () for paths in files.values() for path in paths}
    readers: tuple[Callable[[Path], Hashable], ...] = (lambda path: path.stat().st_size, _end, _content)
    left = list(keys)
    for read in readers:
        if read is _content and sum(path.stat().st_size for path in left) > _MOST_BYTES:
            return {}, {}
        for path in left:
            keys[path] += (read(path),)
        known = {keys[path] for path in files["train"]}
        others = {keys[path] for split, paths in files.items() if split != "train" for path in paths}
        left = [path for path in left if keys[path] in known and keys[path] in others]
    return _shared({split: [keys[path] for path in paths] for split, paths in files.items()})


def _end(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-min(_END, path.stat().st_size), 2)
        return file.read()


def _content(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes()).digest()


def _shared(keys: Mapping[str, list[Hashable]]) -> tuple[dict[str, int], dict[str, int]]:
    known, others = set(keys["train"]), {split: found for split, found in keys.items() if split != "train"}
    shared = {split: sum(key in known for key in found) for split, found in others.items()}
    return shared, {split: len(found) for split, found in others.items()}
