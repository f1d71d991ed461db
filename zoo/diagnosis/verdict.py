"""What a diagnosis says: a sentence with the measured figures, and what to type to mend it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One finding of a run.

    Attributes:
        name: what is wrong, in the field's term, such as "mode collapse".
        finding: a sentence with where it is and the figures it was found by.
        remedies: overrides to try, each as typed on the command line, the likeliest first; or none.
        step: optimizer steps taken when it was found.
        epoch: epochs begun then, from 1.
    """

    name: str
    finding: str
    remedies: Sequence[str]
    step: int
    epoch: int

    def __str__(self) -> str:
        """One line for a console."""
        remedies = f"; try {' or '.join(self.remedies)}" if self.remedies else ""
        return f"{self.name} (epoch {self.epoch}, step {self.step:,}): {self.finding}{remedies}"
