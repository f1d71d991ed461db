"""The nearest name to one that was mistyped."""

import difflib
from collections.abc import Iterable


def nearest(name: str, options: Iterable[str]) -> str | None:
    """Returns the option that reads most like `name`, or None where nothing comes near.

    Args:
        name: what the user wrote.
        options: the names there are.
    """
    names = list(options)
    folded = {option.lower().replace("-", "_"): option for option in names}
    matches = difflib.get_close_matches(name.lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


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
