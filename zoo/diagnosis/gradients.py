"""Whether gradients reach the first layers, and in what size."""

from statistics import median

from zoo.diagnosis.recorded import LARGE_UPDATE, PERSISTENCE, History, fallen, known

VANISHED = 1e-4  # root mean square at the first layer, as a share of that at the last; five sigmoid layers have it
LEARNS = 0.25  # of the loss at the start: where it has fallen by so much, gradients do what they should
EXPLODED = 1e3
GROWN = 100.0  # times the median norm of before


def vanishing(history: History) -> str:
    """Gradients that get lost on their way from the last layer to the first, so that little is learned."""
    found = history.medians("gradient_rms")
    if len(found) < 3 or _learns(history):
        return ""
    (first, at_first), *_, (last, at_last) = found.items()
    if at_last == 0 or at_first > VANISHED * at_last:
        return ""
    share = f"{at_first / at_last:.1g} times that at {last}, {at_last:.1e} (limit {VANISHED:g})"
    place = f"{first}, the first of {len(found)} layers,"
    return f"the root mean square of the gradients at {place} is {at_first:.1e}, {share}"


def exploding(history: History) -> str:
    """Gradients that grow on their way to the first layer, or from step to step."""
    found = history.medians("gradient_rms")
    if len(found) >= 3 and not _learns(history):
        (first, at_first), *_, (last, at_last) = found.items()
        if at_last > 0 and at_first > EXPLODED * at_last:
            times = f"{at_first / at_last:.1g} times that at {last} (limit {EXPLODED:g})"
            return f"the root mean square of the gradients at {first} is {at_first:.1e}, {times}"
    norms = [max(known(step, "gradient_norm"), default=0.0) for step in history.steps]
    before, recent = norms[:-PERSISTENCE], norms[-PERSISTENCE:]
    if history.largest_update > LARGE_UPDATE:
        return ""  # the learning rate throws the weights to where gradients are large
    rises = len(before) >= PERSISTENCE and history.steps[-1].loss > history.steps[0].loss
    if not rises or min(recent) <= GROWN * median(before):
        return ""
    grown = f"{median(recent):.2g}, {median(recent) / median(before):.2g} times what it was before (limit {GROWN:g})"
    return f"the largest norm of a layer's gradients is {grown}, and the loss of {history.steps[-1].loss:.3g} rises"


def _learns(history: History) -> bool:
    return bool(history.validations) and fallen(history.validations[-1].train_loss, history.start) > LEARNS
