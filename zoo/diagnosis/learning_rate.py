"""Whether the steps have the right size, as the course of the loss and the updates say.

An update is measured by the weights that it changes, which optimizers, models and batch sizes have in common. In their
largest steps, 17 healthy runs of the zoo changed the middle one of their layers by 0.4 to 8 % of its weights,
most by 1 to 3 %, with SGD, AdamW and Muon alike; 21 with a hundred times the learning rate of theirs by 7 % and
more, most by over 20 %; 20 with a hundredth by 0.004 to 0.2 %. What large updates do is up to the loss to tell.
"""

import math
from statistics import median

from zoo.diagnosis.recorded import (
    FAR_TOO_LARGE,
    LARGE_UPDATE,
    PERSISTENCE,
    STILL,
    History,
    fallen,
    lasts,
    stands_still,
    worst,
)

SMALL_UPDATE = 3e-3  # of any layer, in the largest step of the run
LEARNED = 0.02  # of the loss at the start, by which it must fall before anything is learned
THROWN = 1.5  # times the loss at the start, of two validations
BLOWN = 3.0  # of a single one
RISEN = 0.3  # of the loss at the start, by which two training losses are above the lowest
BOUNCES = 0.02  # change of the training loss, as a share, that updates far too large leave it
HALF = 0.5
SLOW = 0.3  # of the loss at the start, by which it has fallen where steps do what they should
STANDS_STILL = 0.01  # change of the training loss, as a share
NEAR_END = 0.9  # of the loss at the start, by which it has fallen where standing still is the end


def too_high(history: History) -> str:
    """Updates that throw the loss up, or by which it does not fall."""
    update = history.largest_update
    changed = f"steps have changed half of the layers by {update:.1%} or more (limit {LARGE_UPDATE:.0%})"
    harm = _harm(history)
    if not history.typical_updates and not history.not_finite:  # of no layer are updates known
        return f"{_at(history)} {harm}" if harm and _stays_thrown(history) else ""
    if history.not_finite and (harm or update > LARGE_UPDATE):
        return f"{harm or changed}, and then {history.not_finite}"
    if not harm or update <= LARGE_UPDATE:
        return ""
    return f"{_at(history)} {changed}, and {harm}"


def too_low(history: History) -> str:
    """Updates so small that the loss hardly falls, though the schedule does not rise any more."""
    ratios, seen = history.largest("update_ratio"), history.validations
    if len(seen) < PERSISTENCE or not ratios or history.lr_rises:
        return ""
    name, ratio = worst(ratios)
    loss, start = seen[-1].train_loss, history.start
    if ratio >= SMALL_UPDATE or not fallen(loss, start) < SLOW or not (history.facts.untrained or _falls_on(history)):
        return ""
    update = f"no step has changed a layer by more than {ratio:.1e} of its weights ({name}; limit {SMALL_UPDATE:g})"
    return f"{_at(history)} {update}, and the training loss is {loss:.3g}, from {start:.3g} at the start"


def plateau(history: History) -> str:
    """A loss that stands still long before it is learned, at a learning rate that does not fall."""
    steps, seen = history.steps, history.validations
    if not steps or history.lr_rises or steps[-1].lr < max(step.lr for step in steps) / 2:
        return ""
    # Where there are no classes, a loss of any height may be all that can be learned.
    if not history.facts.num_classes or not stands_still(seen, STANDS_STILL):
        return ""
    if not LEARNED < fallen(seen[-1].train_loss, history.start) < NEAR_END:
        return ""
    within = f"within {STANDS_STILL:.0%} of it for {STILL} validations"
    return f"the training loss stays at {seen[-1].train_loss:.3g}, {within}, at a learning rate of {steps[-1].lr:g}"


def not_finite(history: History) -> str:
    """A loss or gradients that ended the run, with no sign that the steps were too large."""
    return history.not_finite


def wrong_start(history: History) -> str:
    """A loss of untrained weights that is far from that of guessing all K classes alike."""
    facts, loss = history.facts, history.start
    if facts.num_classes < 2 or not facts.untrained or math.isnan(loss):
        return ""
    guessing = math.log(facts.num_classes)
    if guessing / 2 <= loss <= guessing + max(1.0, guessing / 2):
        return ""
    limits = f"limits {guessing / 2:.3g} and {guessing + max(1.0, guessing / 2):.3g}"
    return f"the first loss is {loss:.3g}; guessing {facts.num_classes} classes alike has {guessing:.3g} ({limits})"


def _at(history: History) -> str:
    return f"at a learning rate of {max(step.lr for step in history.steps):.2g}"


def _harm(history: History) -> str:
    """Returns what large updates have done to the loss: it was thrown up, in training or in validation, or stays."""
    start, seen = history.start, history.validations
    if not seen or math.isnan(start):
        return ""
    high = start + (THROWN - 1) * abs(start)
    course = seen[-1].losses
    if course and course[-1] > high:
        return f"the training loss is {course[-1]:.3g}, from {start:.3g} at the start"
    losses = [each.train_loss for each in seen[-2:]]
    if len(losses) == 2 and max(fallen(loss, start) for loss in losses) < LEARNED:
        return f"the training loss is {losses[-1]:.3g}, from {start:.3g} at the start"
    lowest = min(each.train_loss for each in seen)
    if min(losses) > lowest + RISEN * abs(start):
        return f"the training loss rose from {lowest:.3g} to {losses[-1]:.3g}, which was {start:.3g} at the start"
    recent = [each.train_loss for each in seen[-PERSISTENCE:]]
    still = len(recent) == PERSISTENCE and max(recent) - min(recent) < BOUNCES * abs(recent[-1])
    if still and history.largest_update > FAR_TOO_LARGE and fallen(losses[-1], start) < HALF:
        return f"the training loss stays at {losses[-1]:.3g}, from {start:.3g} at the start"
    thrown = [each.val_loss for each in seen[-PERSISTENCE:] if each.val_loss > high]
    blown = any(loss > start + (BLOWN - 1) * abs(start) for loss in thrown)
    updates = history.typical_updates[-PERSISTENCE:]  # overfitting throws the validation loss up, too
    if not updates or median(updates) < LARGE_UPDATE / 2:
        return ""
    if (blown or len(thrown) >= 2) and fallen(losses[-1], start) < NEAR_END:
        return f"the validation loss was {max(thrown):.3g}, where the first training loss was {start:.3g}"
    return ""


def _stays_thrown(history: History) -> bool:
    """Whether the training loss was far above the start in the last validations, which no other fault does."""
    high = history.start + (THROWN - 1) * abs(history.start)
    return lasts(history.validations, lambda seen: seen.train_loss > high)


def _falls_on(history: History) -> bool:
    """Whether the training loss falls about as fast as all the time: where little is left to learn, it levels off."""
    losses = [seen.train_loss for seen in history.validations]
    usual = (losses[0] - losses[-1]) / (len(losses) - 1)
    return losses[-2] - losses[-1] > max(usual, 0.0) / 2
