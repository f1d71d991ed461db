"""Sound files looked at before they are used: WAV against its header, FLAC against its checksum."""

import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import soundfile

SUFFIXES = {".wav", ".flac"}
_BLOCK = 1 << 16


def check_file(path: Path) -> str:
    """Reads a WAV or FLAC file completely.

    Args:
        path: the file.

    Returns:
        What is wrong with it; empty where nothing is.
    """
    try:
        if not path.is_file():
            return "a folder" if path.is_dir() else "no regular file"
        if not path.stat().st_size:
            return "the file is empty"
        return _missing_bytes(path) or _unreadable_samples(path)
    except soundfile.LibsndfileError as error:
        return f"no sound can be read ({error.error_string.rstrip('.')})"
    except OSError as error:
        return error.strerror or str(error)


def _missing_bytes(path: Path) -> str:
    """Compares the size that each chunk of a WAV file claims with what is there; libsndfile reads on in silence."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if file.read(4) != b"RIFF":  # RF64, for more than 4 GB, has its sizes elsewhere
            return ""
        place = 12
        while place + 8 <= size:
            file.seek(place)
            name, claimed = struct.unpack("<4sI", file.read(8))
            if place + 8 + claimed > size:
                kind = name.decode("ascii", "replace").strip()
                return f"cut off: its {kind} chunk claims {claimed:,} bytes, but {size - place - 8:,} are there"
            if name == b"data":
                return "" if claimed else "it holds no samples"
            place += 8 + claimed + claimed % 2
    return "cut off: it has no data chunk"


def _unreadable_samples(path: Path) -> str:
    """Decodes every sample."""
    bits, checksum = _flac_checksum(path)
    digest, frames = hashlib.md5(usedforsecurity=False), 0
    with soundfile.SoundFile(path) as sound:
        while len(block := sound.read(_BLOCK, dtype="int32" if checksum else "float64", always_2d=True)):
            frames += len(block)
            if checksum:
                digest.update(_packed(block, bits))
            elif not np.isfinite(block).all():
                return f"a sample within {frames / sound.samplerate:.1f} s is NaN or infinite"
        claimed = sound.frames
    if not frames:
        return "it holds no samples"
    if frames < claimed:
        return f"cut off: {frames:,} of {claimed:,} samples can be read"
    return "damaged: its samples do not have its checksum" if checksum and digest.digest() != checksum else ""


def _flac_checksum(path: Path) -> tuple[int, bytes]:
    """Returns the bits of a sample and the MD5 of all samples that a FLAC file states; nothing where it states none."""
    with path.open("rb") as file:
        start = file.read(42)  # the mark, and the block that describes the stream
    if len(start) < 42 or not start.startswith(b"fLaC"):
        return 0, b""
    bits = ((start[20] & 1) << 4 | start[21] >> 4) + 1
    return bits, start[26:] if any(start[26:]) else b""


def _packed(block: np.ndarray, bits: int) -> bytes:
    """Returns samples, which fill 32 bits, as the checksum counts them: in as many whole bytes as they need."""
    samples = np.ascontiguousarray(block >> (32 - bits)).astype("<i4")
    return samples.view(np.uint8).reshape(-1, 4)[:, : -(-bits // 8)].tobytes()
