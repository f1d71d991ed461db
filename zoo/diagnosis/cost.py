"""What holds a run up: its data, or its memory."""

from zoo.diagnosis.recorded import History, lasts

MOST_WAITING = 0.3
MOST_MEMORY = 0.92


def loader_bound(history: History) -> str:
    """Steps that wait for their batch."""
    if not lasts(history.validations, lambda seen: seen.waiting > MOST_WAITING):
        return ""
    share = f"{history.validations[-1].waiting:.0%} of the time of training"
    return f"{share} is spent waiting for data (limit {MOST_WAITING:.0%})"


def memory_bound(history: History) -> str:
    """Memory that is almost full, so that the next larger batch ends the run."""
    if not history.validations or not history.validations[-1].memory > MOST_MEMORY:
        return ""
    return f"{history.validations[-1].memory:.0%} of the memory of the device was taken (limit {MOST_MEMORY:.0%})"
