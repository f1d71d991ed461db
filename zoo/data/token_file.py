"""Tokens of a text in a file that is mapped into memory: a corpus of any size, of which only what is read is loaded.

The file is NumPy's own format (`.npy`), 16 bits a token where the vocabulary allows it, 32 otherwise. It is written
whole or not at all, under a name that is a function of text and tokenizer, and read again by every later run.
"""

import fcntl
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from zoo.data.token_cache import cannot_cache
from zoo.files import replacing

Tokens = np.ndarray[Any, np.dtype[Any]]  # (N,), mapped into memory


def token_type(vocab_size: int) -> np.dtype[Any]:
    """Returns the smallest type that holds every token."""
    return np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)


def token_file(path: Path, pieces: Iterable[Tokens], *, vocab_size: int) -> Tokens:
    """Opens a file of tokens; where it is not there, writes it first, one process at a time.

    Args:
        path: the file; its folder is made if need be.
        pieces: the tokens, of which one piece at a time is in memory; not asked for where the file is there.
        vocab_size: number of tokens that there are.

    Returns:
        The tokens (N,), which stay on the disk until they are read.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        if (found := _opened(path)) is not None:
            return found
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (found := _opened(path)) is None:  # no other process has written it meanwhile
                with replacing(path) as file:
                    _write(file, pieces, token_type(vocab_size))
        return _opened(path) if found is None else found  # type: ignore[return-value]
    except OSError as error:
        raise cannot_cache(path.parent, error) from error


def _opened(path: Path) -> Tokens | None:
    """The tokens of a file; None where there is none, or where it was cut off."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (FileNotFoundError, ValueError, EOFError):
        return None


def _write(file: BinaryIO, pieces: Iterable[Tokens], dtype: np.dtype[Any]) -> None:
    _write_header(file, 0, dtype)
    count = 0
    for piece in pieces:
        tokens = np.ascontiguousarray(piece, dtype)
        file.write(tokens.data)
        count += len(tokens)
    file.seek(0)
    _write_header(file, count, dtype)


def _write_header(file: BinaryIO, count: int, dtype: np.dtype[Any]) -> None:
    """Writes a header, whose length is the same for any count: NumPy leaves room for the digits."""
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": (count,)}
    npy.write_array_header_1_0(file, header)
