"""The lock of a run's directory: at any moment one process at most trains in it.

The file `.lock` names host, process and the start of both. The lock of a process that is dead is taken over; whether a
process on another host is dead cannot be seen from here, so that its lock is only named.
"""

import atexit
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zoo.errors import OptionError

NAME = ".lock"


def lock(directory: Path) -> None:
    """Takes the lock of a directory; it is given back by `unlock`, or when the process ends.

    Args:
        directory: of a run; it exists.

    Raises:
        OptionError: another process that lives, or one on another host, has it.
        OSError: it cannot be written.
    """
    path = directory / NAME
    own = _myself()
    with _guarded(directory):
        owner = _owner(path)
        if owner is not None and owner != own and _may_live(owner, own):
            who = f"process {owner.get('pid')} on {owner.get('host')}"
            remedy = "wait for it, or choose another output_dir"
            if owner.get("host") != own["host"]:
                remedy += f"; if it is dead, delete {path}"
            raise OptionError("output_dir", f"{directory} is in use by {who}", remedy)
        try:
            path.write_text(json.dumps(own) + "\n")
        except OSError:  # the disk is full
            path.unlink(missing_ok=True)
            raise
    atexit.register(unlock, directory)


def unlock(directory: Path) -> None:
    """Gives the lock of a directory back, if this process has it.

    Args:
        directory: of a run.
    """
    path = directory / NAME
    if _owner(path) == _myself():
        with suppress(OSError):
            path.unlink()


@contextmanager
def _guarded(directory: Path) -> Iterator[None]:
    """Lets one process at a time look at the lock; some network file systems cannot, and go without."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _owner(path: Path) -> dict[str, Any] | None:
    try:
        owner = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) else None


def _myself() -> dict[str, Any]:
    return {"host": socket.gethostname(), "boot": _boot(), "pid": os.getpid(), "started": _started(os.getpid())}


def _may_live(owner: dict[str, Any], own: dict[str, Any]) -> bool:
    if owner.get("host") != own["host"]:
        return True
    if owner.get("boot") != own["boot"]:
        return False
    pid = owner.get("pid")
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # it lives, but belongs to someone else
    return _started(pid) == owner.get("started")


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _started(pid: int) -> str:
    """When a process started, in ticks since the boot, so that a number that is used again is told apart."""
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if status[0] == "Z" else status[19]
    return ""
