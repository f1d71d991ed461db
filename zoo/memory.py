"""Memory of this process: what is kept, what is left, and how to tell that there was too little.

Freed memory is kept for the next step. glibc gives each freed block of more than 128 KB back to the kernel, and a
training step frees and asks for the same blocks again: a ResNet-18 at 32x32 spent a fifth of its CPU time in page
faults (`benchmarks/training_step.py`).
"""

import ctypes
import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_BLOCK = 1 << 30  # larger blocks still come from the kernel, and go back to it
_HEAP = (1 << 31) - 1  # the largest number that mallopt takes
# How errors that are no class of their own say that memory ran out, on the CPU and on CUDA.
_PHRASES = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "out of memory",
    "_STATUS_ALLOC_FAILED",
)
_LIMITS = ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData"))
_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def keep_freed_memory() -> bool:
    """Lets this process keep what it frees, up to 2 GB; True where the C library is glibc, which can."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, _BLOCK) and mallopt(_M_TRIM_THRESHOLD, _HEAP))


def give_back_memory() -> None:
    """Returns freed memory that is kept, by the C library and by torch's cache on CUDA, to the system."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that memory ran out: torch's, Python's, C++'s or the system's."""
    if error is None:
        return False
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower() if isinstance(error, RuntimeError | OSError) else ""
    return any(phrase.lower() in text for phrase in _PHRASES) or is_out_of_memory(error.__cause__)


def available_memory(device: torch.device) -> int:
    """Returns how many bytes this process can still take.

    Args:
        device: on CUDA, what is free beside what torch's cache holds unused; on the CPU, the least of what the system
            can give without swapping, and what limits of the control group and of the process leave.
    """
    if device.type == "cuda":
        reserved, allocated = torch.cuda.memory_reserved(device), torch.cuda.memory_allocated(device)
        free, total = torch.cuda.mem_get_info(device)
        share = torch.cuda.get_per_process_memory_fraction(device)  # that torch may take, 1 unless it was lowered
        return max(0, min(free + reserved, int(share * total)) - allocated)
    give_back_memory()
    return max(0, min(_free_on_machine(), *_left_by_groups(_PROC, _CGROUPS), *_left_by_limits()))


@contextmanager
def limited_memory(device: torch.device) -> Iterator[None]:
    """Lets what goes beyond the memory that is available now end in an error, where the kernel would kill the process.

    Args:
        device: on CUDA, whose driver maps memory as it likes, nothing is limited.
    """
    used = _status("VmData")
    if device.type != "cpu" or used is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = used + available_memory(device)
    resource.setrlimit(resource.RLIMIT_DATA, (most if soft == resource.RLIM_INFINITY else min(most, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def resident_memory() -> int:
    """Returns the bytes of main memory that this process takes now; its highest so far where the system is no Linux."""
    return _status("VmRSS") or peak_resident_memory()


def peak_resident_memory() -> int:
    """Returns the most bytes of main memory that this process took, since `reset_peak_memory` where that can be."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _status("VmHWM") or (peak if platform.system() == "Darwin" else peak * 2**10)


def reset_peak_memory() -> bool:
    """Counts the peak of resident memory anew; False where the system cannot."""
    try:
        (_PROC / "self" / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status(name: str) -> int | None:
    """Returns a line of the kernel's account of this process, in bytes; None where there is none."""
    return _kilobytes(_PROC / "self" / "status", name)


def _kilobytes(path: Path, name: str) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 2**10 for line in lines if line.startswith(f"{name}:")), None)


def _free_on_machine() -> int:
    available = _kilobytes(_PROC / "meminfo", "MemAvailable")
    if available is not None:
        return available
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") - peak_resident_memory()


def _left_by_groups(proc: Path, root: Path) -> Iterator[int]:
    """Yields what each limit of this process's control group, or of one above it, leaves; version 1 or 2."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "memory" if controllers else root
        limits = ["memory.limit_in_bytes"] if controllers else ["memory.max", "memory.high"]
        usage, unused = ("usage_in_bytes", "total_inactive_file") if controllers else ("current", "inactive_file")
        own = top / path.lstrip("/")  # a container sees its own group as the top, whatever the path says
        for group in {own, *own.parents, top}:
            if not group.is_relative_to(top):
                continue
            used = _number(group / f"memory.{usage}") - _number(
                group / "memory.stat", unused
            )  # files are read again at need
            yield from (most - used for limit in limits if (most := _number(group / limit)))


def _number(path: Path, name: str = "") -> int:
    """Returns the number that a file holds, in the line of that name if one is given; 0 where there is none."""
    try:
        words = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return 0
    numbers = [line[-1] for line in words if line and (not name or line[0] == name)]
    return int(numbers[0]) if numbers and numbers[0].isdigit() else 0


def _left_by_limits() -> Iterator[int]:
    """Yields what each limit of the process leaves.

    Half of what is freed but kept counts as left: it lies in holes, and those that the steps of a small batch leave
    are too small for the blocks of a large one.
    """
    for limit, name in _LIMITS:
        most, used = resource.getrlimit(limit)[0], _status(name)
        if most != resource.RLIM_INFINITY and used is not None:
            yield most - used + _freed() // 2


class _Heap(ctypes.Structure):
    """The C library's `struct mallinfo2`."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names.split()]
    fordblks: int


def _freed() -> int:
    """Returns the bytes that are freed but kept by the C library; 0 where it does not tell (before glibc 2.33)."""
    mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo2 is None:
        return 0
    mallinfo2.restype = _Heap
    return int(mallinfo2().fordblks)
