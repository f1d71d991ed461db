"""What a GPU can compute at most, and what it has taken of the socket.

Peaks are those of the makers' data sheets for dense matrices (half of what they print "with sparsity").
"""

import ctypes
import functools
from typing import Any

import torch

# Part of the name, floating-point operations a second in 1e12: 16 bits, TensorFloat-32, float32.
_PEAKS: tuple[tuple[str, float, float, float], ...] = (
    ("B200", 2250, 1100, 75),
    ("H200", 989, 495, 67),
    ("GH200", 989, 495, 67),
    ("H100 PCIe", 756, 378, 51),
    ("H100 NVL", 835, 418, 60),
    ("H100", 989, 495, 67),
    ("A100", 312, 156, 19.5),
    ("A800", 312, 156, 19.5),
    ("A30", 165, 82, 10.3),
    ("A10G", 70, 35, 31.5),
    ("A10", 125, 62.5, 31.2),
    ("A40", 150, 75, 37.4),
    ("RTX A6000", 155, 77, 38.7),
    ("L40S", 362, 183, 91.6),
    ("L40", 181, 90.5, 90.5),
    ("L4", 121, 60, 30.3),
    ("V100", 125, 15.7, 15.7),
    ("T4", 65, 8.1, 8.1),
    ("RTX 4090", 165, 82.6, 82.6),
    ("RTX 4080", 97.5, 48.7, 48.7),
    ("RTX 3090", 71, 35.6, 35.6),
    ("RTX 3080", 59.5, 29.8, 29.8),
)
_NVML = "libnvidia-ml.so.1"


def peak_flops(device_name: str, *, half: bool, tensor_float: bool) -> float | None:
    """Returns the most floating-point operations a second of a GPU; None of one that is not in the table.

    Args:
        device_name: as torch names it, such as "NVIDIA H100 80GB HBM3".
        half: whether matrices are multiplied in 16 bits.
        tensor_float: whether those of float32 may be rounded to TensorFloat-32.
    """
    words = device_name.replace("-", " ").split()
    for name, *peaks in _PEAKS:
        parts = name.split()
        if any(words[at : at + len(parts)] == parts for at in range(len(words))):
            return 1e12 * peaks[0 if half else 1 if tensor_float else 2]
    return None


def peak_of(device: torch.device, precision: str) -> float | None:
    """Returns the most that a device computes in a second in a precision of Lightning; None where it is not known."""
    if device.type != "cuda":
        return None
    half = "16" in str(precision)
    rounded = torch.backends.cuda.matmul.allow_tf32
    return peak_flops(torch.cuda.get_device_name(device), half=half, tensor_float=rounded)


def joules(device: torch.device) -> float | None:
    """Returns what a GPU has taken since its driver was loaded, for all who use it; None where it does not tell."""
    if device.type != "cuda":
        return None
    try:
        library, handle = _nvml(str(torch.cuda.get_device_properties(device).uuid))
    except (OSError, AttributeError, RuntimeError):
        return None
    value = ctypes.c_ulonglong()
    failed = library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(value))
    return None if failed else value.value / 1000


@functools.cache
def _nvml(uuid: str) -> tuple[Any, Any]:
    library, handle = ctypes.CDLL(_NVML), ctypes.c_void_p()
    name = f"GPU-{uuid}".encode()
    if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByUUID(name, ctypes.byref(handle)):
        raise RuntimeError("no such GPU")
    return library, handle
