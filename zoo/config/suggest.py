"""The nearest name to one that was mistyped."""

import difflib
from collections.abc import Iterable


def nearest(name: str, options: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Returns the option that reads most like `name`, or None where nothing comes near.

    Args:
        name: what the user wrote.
        options: the names there are.
        cutoff: the least likeness, from 0 to 1.
    """

    def likeness(option: str) -> tuple[float, float]:
        folded = difflib.SequenceMatcher(a=_folded(name), b=_folded(option)).ratio()
        return folded, difflib.SequenceMatcher(a=name, b=option).ratio()  # Adam before adam for Adm

    best = max(options, key=likeness, default=None)
    return best if best is not None and likeness(best)[0] >= cutoff else None


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def suggestion(name: str, options: Iterable[str], what: str = "options") -> str:
    """Returns a remedy for a wrong name: the nearest one, if any, then all there are.

    Args:
        name: what the user wrote.
        options: the names there are.
        what: what to call them, such as "choices".
    """
    names = sorted(set(options))
    listing = f"{what}: {', '.join(names)}" if names else f"there are no {what}"
    match = nearest(name, names)
    return f"did you mean {match}? ({listing})" if match else listing
