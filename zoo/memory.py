"""Freed memory is kept for the next step.

glibc gives each freed block of more than 128 KB back to the kernel, and a training step frees and asks for the same
blocks again: a ResNet-18 at 32x32 spent a fifth of its CPU time in page faults (`benchmarks/training_step.py`).
"""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_BLOCK = 1 << 30  # larger blocks still come from the kernel, and go back to it
_HEAP = (1 << 31) - 1  # the largest number that mallopt takes


def keep_freed_memory() -> bool:
    """Lets this process keep what it frees, up to 2 GB; True where the C library is glibc, which can."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, _BLOCK) and mallopt(_M_TRIM_THRESHOLD, _HEAP))
