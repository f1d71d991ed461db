"""Whether activations still let gradients through."""

from zoo.diagnosis.recorded import History, listed, worst

MOST_DEAD = 0.5
MOST_SATURATED = 0.5


def dead(history: History) -> str:
    """Units of ReLU that are 0 for every sample, so that no gradient ever moves them."""
    return _above(history, "dead", "of the units of {name} are 0 for all samples of a batch", MOST_DEAD)


def saturated(history: History) -> str:
    """Sigmoid or tanh at their bounds, where they are flat."""
    return _above(history, "saturated", "of the outputs of {name} lie at their bounds", MOST_SATURATED)


def _above(history: History, figure: str, sentence: str, limit: float) -> str:
    lowest = {name: min(values) for name, values in history.recent(figure).items()}
    found = {name: value for name, value in lowest.items() if value > limit}
    if not found:
        return ""
    name, share = worst(found)
    others = [other for other in found if other != name]
    more = f"; so it is with {listed(others)}" if others else ""
    return f"{share:.0%} {sentence.format(name=name)} (limit {limit:.0%}){more}"
