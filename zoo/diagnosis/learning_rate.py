"""Whether the steps have the right size, as the loss and the updates say."""

import itertools
import math
from statistics import median

from zoo.diagnosis.recorded import PERSISTENCE, History, worst

LARGE_UPDATE = 0.03  # of a layer's weights, in one step; 0.001 is usual
SMALL_UPDATE = 1e-4
FALLEN = 0.98  # share of the loss at the start, below which something was learned
SLOW = 0.9
STANDS_STILL = 0.01  # change of the training loss, as a share
PLATEAU = 5  # validations running
LEARNED = 0.1  # share of the loss at the start, below which standing still is the end


def too_high(history: History) -> str:
    """Large updates by which the loss does not fall."""
    start, ratios = _start(history), history.medians("update_ratio")
    recent = [seen.train_loss for seen in history.validations[-2:]]
    if len(recent) < 2 or not ratios or not min(recent) > FALLEN * start:
        return ""
    ratio = median(ratios.values())  # of a single layer it may be that all others have no gradients
    if ratio <= LARGE_UPDATE:
        return ""
    name, most = worst(ratios)
    update = (
        f"a step changes half of the layers by {ratio:.1%} or more (limit {LARGE_UPDATE:.0%}), {name} by {most:.1%}"
    )
    loss = f"the training loss is {recent[-1]:.3g}, from {start:.3g} at the start"
    return f"at {history.steps[-1].lr:g} {update}, and {loss}"


def too_low(history: History) -> str:
    """Updates so small that the loss hardly falls, though the schedule does not rise any more."""
    start, ratios = _start(history), history.medians("update_ratio")
    if len(history.validations) < PERSISTENCE or not ratios or _rises(history):
        return ""
    loss = history.validations[-1].train_loss
    name, ratio = worst(ratios)
    highest = max(step.lr for step in history.steps)
    if not SLOW * start < loss or ratio >= SMALL_UPDATE or history.steps[-1].lr < highest / 2:
        return ""
    update = f"no step changes the weights of a layer by more than {ratio:.1e}, that is {name} (limit {SMALL_UPDATE:g})"
    return f"at {history.steps[-1].lr:g} {update}; the training loss is {loss:.3g}, from {start:.3g} at the start"


def plateau(history: History) -> str:
    """A loss that stands still long before it is learned, at a learning rate that does not fall."""
    losses = [seen.train_loss for seen in history.validations[-PLATEAU - 1 :]]
    start, steps = _start(history), history.steps
    if len(losses) <= PLATEAU or _rises(history) or steps[-1].lr < max(step.lr for step in steps) / 2:
        return ""
    still = (max(losses) - min(losses)) < STANDS_STILL * max(losses)
    if not still or not losses[-1] < FALLEN * start or losses[-1] < LEARNED * start:
        return ""
    within = f"within {STANDS_STILL:.0%} of it for {PLATEAU} validations"
    return f"the training loss stays at {losses[-1]:.3g}, {within}, at a learning rate of {steps[-1].lr:g}"


def wrong_start(history: History) -> str:
    """A loss of untrained weights that is far from that of guessing all K classes alike."""
    facts = history.facts
    if facts.num_classes < 2 or not facts.untrained or not history.steps or history.steps[0].step:
        return ""
    loss, guessing = history.steps[0].loss, math.log(facts.num_classes)
    if guessing / 2 <= loss <= guessing + max(1.0, guessing / 2):
        return ""
    limits = f"limits {guessing / 2:.3g} and {guessing + max(1.0, guessing / 2):.3g}"
    return f"the first loss is {loss:.3g}; guessing {facts.num_classes} classes alike has {guessing:.3g} ({limits})"


def _start(history: History) -> float:
    return history.steps[0].loss if history.steps else math.nan


def _rises(history: History) -> bool:
    recent = [step.lr for step in history.steps[-PERSISTENCE:]]
    return any(after > before for before, after in itertools.pairwise(recent))
