"""Whether activations still let gradients through."""

from zoo.diagnosis.recorded import LARGE_UPDATE, History, listed, worst

MOST = 0.5
MOST_DIED = 0.8  # where training has switched them off: half of the units often is more than data need


def dead(history: History) -> str:
    """Units of ReLU that are 0 for every sample, so that no gradient ever moves them."""
    return _above(history, "dead", "of the units of {name} are 0 for all samples of a batch", later=MOST_DIED)


def saturated(history: History) -> str:
    """Sigmoid or tanh at their bounds, where they are flat."""
    return _above(history, "saturated", "of the outputs of {name} lie at their bounds", later=MOST)


def _above(history: History, figure: str, sentence: str, *, later: float) -> str:
    lowest = {name: min(values) for name, values in history.recent(figure).items()}
    first = history.steps[0].layers if history.steps else {}
    born = {name for name in lowest if name in first and getattr(first[name], figure) > MOST}
    found = {name: value for name, value in lowest.items() if value > (MOST if name in born else later)}
    at_start = {name: value for name, value in found.items() if name in born}
    if not found or (history.largest_update > LARGE_UPDATE and not at_start):
        return ""  # steps that large have thrown them there, and what these do is said by the loss
    name, share = worst(at_start or found)
    others = [other for other in found if other != name]
    more = f"; so it is with {listed(others)}" if others else ""
    since = "from the first step on " if at_start else ""
    return f"{since}{share:.0%} {sentence.format(name=name)} (limit {MOST if at_start else later:.0%}){more}"
