"""Overrides made of the options that a run has, as they are typed on its command line."""

from collections.abc import Mapping
from typing import Any


class Overrides:
    """Reads the options of a run, and writes overrides of those that are there.

    Args:
        config: the resolved config of the run, as plain values.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config

    def get(self, path: str) -> Any:
        """Returns an option by its dotted name; None where there is none."""
        value: Any = self.config
        for part in path.split("."):
            if not isinstance(value, Mapping):
                return None
            value = value.get(part)
        return value

    def number(self, path: str) -> float | None:
        """Returns an option that is a number; None where it is none."""
        value = self.get(path)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def has(self, path: str) -> bool:
        """Whether there is such an option, be it null."""
        parent, _, name = path.rpartition(".")
        section = self.get(parent) if parent else self.config
        return isinstance(section, Mapping) and name in section

    def is_null(self, path: str) -> bool:
        """Whether there is such an option, and it is null."""
        return self.has(path) and self.get(path) is None

    def scaled(self, path: str, factor: float) -> str | None:
        """Returns the override that multiplies a number, to two digits; None where it is 0 or none."""
        value = self.number(path)
        if not value:
            return None
        scaled = float(f"{value * factor:.2g}")
        return f"{path}={round(value * factor) if isinstance(value, int) and factor >= 1 else scaled:g}"

    def raised(self, path: str, first: float, most: float) -> str | None:
        """Returns the override that raises a number to `first`, or by half up to `most`; None from there on."""
        value = self.number(path)
        if value is None or value >= most:
            return None
        return f"{path}={min(most, max(first, 1.5 * value)):g}"

    def switched_on(self, path: str) -> str | None:
        """Returns the override that switches on what is off."""
        return f"{path}=true" if self.get(path) is False else None


def some(*remedies: str | None) -> list[str]:
    """Returns those that there are, each once."""
    return list(dict.fromkeys(remedy for remedy in remedies if remedy is not None))
