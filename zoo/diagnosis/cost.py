"""What holds a run up: its data, or its memory."""

from zoo.diagnosis.recorded import History, lasts

MOST_WAITING = 0.3
WORTHWHILE = 0.005  # seconds a batch: below, it may be the loop around the steps, on a machine that others use
MOST_MEMORY = 0.92


def loader_bound(history: History) -> str:
    """Steps that wait for their batch."""
    if not lasts(history.validations, lambda seen: seen.waiting > MOST_WAITING and seen.waited > WORTHWHILE):
        return ""
    last = history.validations[-1]
    share, each = f"{last.waiting:.0%} of the time of training", f"{1000 * last.waited:.1f} ms a batch"
    return f"{share} is spent waiting for data, {each} (limit {MOST_WAITING:.0%})"


def memory_bound(history: History) -> str:
    """Memory that is almost full, so that the next larger batch ends the run."""
    if not history.validations or not history.validations[-1].memory > MOST_MEMORY:
        return ""
    return f"{history.validations[-1].memory:.0%} of the memory of the device was taken (limit {MOST_MEMORY:.0%})"
