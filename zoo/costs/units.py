"""Numbers as people read them: 1.2 M, 34.5 MB, 12 min. Free of torch."""

_STEPS = ("", "K", "M", "G", "T", "P", "E")


def short(value: float, unit: str = "") -> str:
    """Returns three digits and a prefix: 11,173,962 is "11.2 M"."""
    step = 0
    while abs(value) >= 999.5 and step < len(_STEPS) - 1:
        value, step = value / 1000, step + 1
    digits = 0 if value == int(value) and not step else max(0, 3 - len(str(int(abs(value)))))
    return f"{value:.{digits}f} {_STEPS[step]}{unit}".rstrip()


def megabytes(size: float) -> str:
    """Returns bytes as "34.5 MB" or "1.23 GB", of 2**20 and 2**30 bytes."""
    value = size / 2**20
    return f"{value / 1024:.2f} GB" if value >= 1000 else f"{value:.{0 if value >= 100 else 1}f} MB"


def duration(seconds: float) -> str:
    """Returns "34 ms", "0.42 s", "12.3 s", "4.5 min" or "3.2 h"."""
    if seconds < 0.1:
        return f"{1000 * seconds:.{0 if seconds > 0.01 else 1}f} ms"
    if seconds < 90:
        return f"{seconds:.{2 if seconds < 10 else 1}f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
