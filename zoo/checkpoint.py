"""Checkpoint files: written whole or not at all, sealed with a SHA-256, found, verified and read.

A checkpoint is the zip file that `torch.save` writes, whose comment holds the SHA-256 of all that stands before it. So
a file that was copied elsewhere still proves itself, and any other reader of zip files and of torch's reads it as well.
This is the one place that unpickles tensors, always with `weights_only=True`.
"""

import hashlib
import os
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from zoo.download import local_file
from zoo.errors import OptionError, StorageError, explained_option
from zoo.files import replacing

FORMAT = 1  # of what a run goes on from; to be raised with each change that an older file cannot follow
_MARK = b"sha256:"
_DIGEST = 64  # characters
_SEAL = len(_MARK) + _DIGEST  # the zip file's comment; before it stand two bytes of its length
_LAST_RECORD = 22  # bytes at the end of a zip file without comment
_CHUNK = 1 << 22


class UnreadableFileError(ValueError):
    """A file that is damaged, or holds more than plain values and tensors."""


class _Sealed:
    """A file that is hashed as it is written, and whose last two bytes are held back for the seal.

    torch's writer ends the process over an error while it unwinds, so that errors wait here until it is done.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest, self.tail = file, hashlib.sha256(), b""
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if self.error is None:
            try:
                self._write(view)
            except OSError as error:
                self.error = error
        return len(view)

    def _write(self, view: memoryview) -> None:
        if len(view) < 2:
            joined = self.tail + view.tobytes()
            ready, self.tail = memoryview(joined[:-2]), joined[-2:]
            self._pass_on(ready)
        else:
            self._pass_on(memoryview(self.tail))
            self._pass_on(view[:-2])
            self.tail = view[-2:].tobytes()

    def _pass_on(self, view: memoryview) -> None:
        self.digest.update(view)
        self.file.write(view)

    def flush(self) -> None:
        """Does nothing; the file is flushed when it is sealed."""

    def seal(self) -> None:
        """Ends the zip file with a comment that holds the hash.

        Raises:
            OSError: something could not be written.
        """
        if self.error is not None:
            raise self.error
        assert self.tail == b"\0\0", "a zip file without comment ends with a length of 0"
        self._pass_on(memoryview(_SEAL.to_bytes(2, "little") + _MARK))
        self.file.write(self.digest.hexdigest().encode())


def write_checkpoint(checkpoint: Mapping[str, Any], path: Path, *, keep: int = 1) -> None:
    """Writes a checkpoint beside its target and renames it, so that at every moment a whole file is there.

    Args:
        checkpoint: plain values and tensors.
        path: the target, such as `last.ckpt`; a file that is there becomes `last-1.ckpt`, and that one `last-2.ckpt`.
        keep: how many files there are in the end.

    Raises:
        StorageError: it could not be written; what was there before is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, sync=True, before=lambda: _rotate(path, keep)) as file:
            sealed = _Sealed(file)
            torch.save(checkpoint, sealed)  # type: ignore[arg-type]  # it asks for no more than write and flush
            sealed.seal()
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error}); the checkpoints before it are intact"
        raise StorageError(str(path), problem, "make room or choose another output_dir, then go on") from error


def _rotate(path: Path, keep: int) -> None:
    """Gives each older file the next number; the newest keeps its own name beside the new one until it is replaced."""
    if not path.exists():
        return
    older = [path, *(path.with_name(f"{path.stem}-{age}{path.suffix}") for age in range(1, keep))]
    for newer, target in zip(older[-2::-1], older[:0:-1], strict=True):
        if newer == path:
            linked = target.with_name(f".{target.name}.{os.getpid()}.tmp")
            try:
                os.link(path, linked)
                linked.replace(target)
                linked.unlink(missing_ok=True)  # it stays where both are one file, after a kill at this place
            except OSError:  # a file system without links
                path.replace(target)
        elif newer.exists():
            newer.replace(target)


def verify(path: Path) -> bool:
    """Compares a checkpoint with its seal; True where it has one and matches, False where it was never sealed.

    Raises:
        UnreadableFileError: it was sealed, but its content has changed, or it is no complete zip file.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if file.read(4) != b"PK\x03\x04":
            raise UnreadableFileError("no checkpoint: it is empty, damaged or of another format")
        file.seek(max(0, size - _DIGEST))
        seal = file.read()
        file.seek(max(0, size - _LAST_RECORD))
        if (last := file.read()).startswith(b"PK\x05\x06") and last.endswith(b"\0\0"):
            return False
        file.seek(0)
        digest, left = hashlib.sha256(), size - _DIGEST
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    if digest.hexdigest().encode() != seal:
        raise UnreadableFileError("damaged or cut off: its content does not match its SHA-256")
    return True


def load_file(path: Path) -> Any:
    """Reads plain values and tensors from a file that `torch.save` has written, on the CPU.

    Raises:
        UnreadableFileError: it is damaged, cannot be read, or holds more than plain values and tensors.
    """
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)  # beside its opposite it makes torch refuse every file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's guesses about a file that it then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        problem = "it holds more than plain values and tensors, or is damaged; such a file could run any program"
        raise UnreadableFileError(problem) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if path.is_file() and path.stat().st_size and not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                reason = "damaged or cut off" if file.read(4) == b"PK\x03\x04" else reason
        raise UnreadableFileError(reason[:160]) from error


def find_checkpoint(path: str | Path, *, option: str, prefer: str = "best.ckpt") -> Path:
    """Returns the checkpoint file that a path means.

    Args:
        path: a checkpoint, or the directory of a run, or an address with `#sha256=`, whose file is downloaded.
        option: the option that named the path, for the error.
        prefer: the checkpoint taken from a run that has several.

    Raises:
        OptionError: there is no checkpoint.
    """
    if "://" in str(path):
        try:
            path = local_file(str(path)) or path
        except ValueError as error:
            raise explained_option(option, error) from error
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
    """Verifies and reads a checkpoint that this project has written: plain values and tensors, on the CPU.

    Raises:
        OptionError: the file cannot be read, or holds more than plain values and tensors, or is none of ours.
    """
    try:
        return _load(path)
    except UnreadableFileError as error:
        problem = str(error)
        remedy = "load plain weights with pretrained=PATH" if "written by zoo" in problem else "take another one"
        raise OptionError(option, f"{path}: {problem}", remedy) from error


def _load(path: Path) -> dict[str, Any]:
    try:
        verify(path)
    except OSError as error:
        raise UnreadableFileError(f"cannot be read ({error.strerror or error})") from error
    checkpoint = load_file(path)
    if not isinstance(checkpoint, dict) or "zoo" not in checkpoint:
        raise UnreadableFileError("it was not written by zoo")
    return checkpoint


def newest_checkpoint(folder: Path, first: Path | None = None) -> tuple[Path, dict[str, Any], list[str]] | None:
    """Returns the newest valid checkpoint of a folder: its path, its content, and what is wrong with newer ones.

    Args:
        folder: where a run keeps its checkpoints.
        first: the one to prefer, None for `last.ckpt`.

    Returns:
        None where there are no checkpoints at all.

    Raises:
        StorageError: there are some, but none is valid.
    """
    first = first or folder / "last.ckpt"
    others = sorted((path for path in folder.glob("*.ckpt") if path != first), key=_modified, reverse=True)
    refused: list[str] = []
    for path in [first, *others] if first.is_file() else others:
        try:
            return path, _load(path), refused
        except UnreadableFileError as error:
            refused.append(f"{path}: {error}")
    if not refused:
        return None
    problem = f"no valid checkpoint: {'; '.join(refused)}"
    raise StorageError(str(folder), problem, "start anew with another output_dir, or restore a copy")


def _modified(path: Path) -> float:
    return path.stat().st_mtime
