"""Files from the internet: only with a checksum, whole or not at all; what was cut off goes on where it stopped.

Free of torch.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without a byte
_ATTEMPTS = 3
_FORM = "https://HOST/FILE#sha256=64_HEX_DIGITS"


class DownloadError(OSError):
    """A file that could not be downloaded, or is not what its checksum says."""


def local_file(source: str) -> Path | None:
    """Returns the file that an option means: one on disk, or one downloaded by an address with its SHA-256.

    Args:
        source: a path, or such as "https://host/weights.pth#sha256=5c106cde...".

    Returns:
        The path, whether there is such a file or not; None where the text is neither, such as the name of weights.

    Raises:
        ValueError: an address without a SHA-256, or what it leads to cannot be downloaded.
    """
    if "://" not in source:
        return Path(source).expanduser() if "/" in source or Path(source).expanduser().exists() else None
    address, _, digest = source.partition("#sha256=")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ValueError(f"{source}: an address is taken only with the SHA-256 of its file; write {_FORM}")
    name = re.sub(r"[^\w.-]+", "_", Path(parts.path).name).lstrip(".") or "file"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "zoo"
    try:
        return fetch([address], folder / f"{digest[:16].lower()}-{name}", checksum=f"sha256:{digest.lower()}")
    except OSError as error:
        raise ValueError(f"{source}: {error}; download it by hand and give its path") from error


def fetch(addresses: Sequence[str], path: Path, *, checksum: str) -> Path:
    """Makes sure that a file is there and is the right one, and returns its path.

    What was downloaded before is compared as well: a damaged file is replaced when the right one has come. The part of
    a download that was cut off lies beside the file until it is whole.

    Args:
        addresses: where it is to be had, tried in order.
        path: where to put it.
        checksum: such as "md5:f68b..."; of a SHA-256 the first digits suffice.

    Raises:
        DownloadError: it cannot be had from anywhere.
    """
    if path.is_file() and _matches(path, checksum):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two processes must not write into one part
        if path.is_file() and _matches(path, checksum):
            part.unlink(missing_ok=True)
            return path
        problems = []
        for address in addresses:
            for _ in range(_ATTEMPTS):
                resumed = file.seek(0, os.SEEK_END) > 0
                try:
                    _receive(address, file)
                    _accept(part, path, file, checksum)
                    return path
                except OSError as error:  # also of a connection that was cut off
                    problems.append(f"{address}: {error}")
                    if isinstance(error, HTTPError) or (isinstance(error, DownloadError) and not resumed):
                        break  # it would say or send the same again
        if not part.stat().st_size:
            part.unlink()
    raise DownloadError(", ".join(dict.fromkeys(problems)))


def _receive(address: str, file: BinaryIO) -> None:
    """Appends to a file what is missing in it.

    Raises:
        OSError: the connection was refused or cut off; the file keeps what has come.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise OSError("no address of the web")
    done = file.seek(0, os.SEEK_END)
    headers = {"User-Agent": "zoo"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        response = urlopen(Request(address, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        if error.code == 416 and done:  # nothing is missing: the checksum decides
            return
        raise
    with response:
        if done and response.status != 206:  # the server sends it all again
            file.truncate(0)
            done = file.seek(0)
        size = response.headers.get("Content-Length")
        while chunk := response.read(_CHUNK):
            file.write(chunk)
        file.flush()
        received = file.tell() - done
    if size is not None and received < int(size):
        raise OSError(f"cut off after {done + received:,} of {done + int(size):,} bytes; start again to go on")


def _accept(part: Path, path: Path, file: BinaryIO, checksum: str) -> None:
    file.flush()
    os.fsync(file.fileno())
    if not _matches(part, checksum):
        file.truncate(0)
        raise DownloadError(f"what came is not the right file, its {checksum.partition(':')[0]} differs")
    part.replace(path)


def _matches(path: Path, checksum: str) -> bool:
    algorithm, _, expected = checksum.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest().startswith(expected)
