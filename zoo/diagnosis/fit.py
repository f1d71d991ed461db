"""Whether a run learns what holds beyond its own samples, and whether it can learn these."""

import math
from collections.abc import Sequence

from zoo.diagnosis.recorded import PERSISTENCE, History, Validation, fallen, lasts, stands_still

RISEN = 1.1  # times the lowest validation loss
NOTICEABLE = 0.03  # of the loss at the start, which a loss near zero must rise by, too
FALLEN = 0.95  # times the training loss of then, which has fallen meanwhile
GAP = 0.15  # of accuracies
GAPS = {0.5: 0.35, 0.9: GAP, 0.99: 0.06}  # of accuracies, from a training accuracy on: the last is by heart
FEWEST_MISTAKES = 5  # of validation: how often fewer are made is chance
POOR = 0.5  # of the loss at the start, by which that of a classifier must fall
ANYTHING = 0.02  # by which any loss must fall: how low it can get is not known without classes
STANDS_STILL = 0.02
LEARNED_BATCH = 0.1  # share of the loss at the start, below which a batch is learned
BATCH_STEPS = 100


def overfitting(history: History) -> str:
    """Validation that gets worse while training gets better; or that stays far below it."""
    seen = history.validations
    if history.facts.overfits_batches or history.lr_rises or not seen or seen[-1].mistakes < FEWEST_MISTAKES:
        return ""
    known = [each for each in seen if not math.isnan(each.val_loss)]
    best = min(known, key=lambda each: each.val_loss, default=seen[0])
    last, first = seen[-1], max(best.step, history.risen_until)  # steps that grow throw the validation loss up, too
    since = [each for each in known if each.step > first]
    better = last.train_loss < best.train_loss - (1 - FALLEN) * abs(best.train_loss)
    limit = best.val_loss + max((RISEN - 1) * abs(best.val_loss), NOTICEABLE * abs(history.start))
    rises = lasts(since, lambda each: each.val_loss > limit)
    if better and rises and _is_steady(since[-PERSISTENCE:]):
        losses = f"from {best.val_loss:.3g} to {last.val_loss:.3g} (limit {RISEN:g} times)"
        falls = f"while the training loss fell from {best.train_loss:.3g} to {last.train_loss:.3g}"
        return f"since epoch {best.epoch} the validation loss rose {losses}, {falls}"
    for learned, gap in GAPS.items():
        apart = [each.train_accuracy >= learned and _gap(each) > gap for each in seen]
        if len(apart) >= PERSISTENCE and all(apart[-PERSISTENCE:]):
            right = (
                f"{last.train_accuracy:.1%} of the training samples are right, {last.val_accuracy:.1%} of validation"
            )
            return f"{right}: a gap of {_gap(last):.1%} (limit {gap:.0%}), since epoch {seen[apart.index(True)].epoch}"
    return ""


def underfitting(history: History) -> str:
    """A training loss that no longer falls, at a height at which little was learned, and no gap to validation."""
    seen, start = history.validations, history.start
    if history.lr_rises or not stands_still(seen, STANDS_STILL):
        return ""
    last, limit = seen[-1], POOR if history.facts.num_classes else ANYTHING
    if not fallen(last.train_loss, start) < limit or _gap(last) > GAP:
        return ""
    share = f"{fallen(last.train_loss, start):.0%} below {start:.3g} at the start (limit {limit:.0%})"
    return (
        f"the training loss stays at {last.train_loss:.3g}, {share}, and validation at {last.val_loss:.3g} is no worse"
    )


def unlearned_batch(history: History) -> str:
    """A few batches, seen again and again, that are not learned by heart: a defect of the model or of its recipe."""
    seen = history.validations
    if not history.facts.overfits_batches or not seen or seen[-1].step < BATCH_STEPS or not seen[-1].losses:
        return ""
    start, loss = history.start, min(seen[-1].losses[-PERSISTENCE:])
    if loss <= LEARNED_BATCH * start:
        return ""
    share = f"{loss / start:.0%} of {start:.3g} at the start (limit {LEARNED_BATCH:.0%})"
    return f"after {seen[-1].step} steps on the same batches their loss is {loss:.3g}, {share}"


def _is_steady(seen: Sequence[Validation]) -> bool:
    """Whether validation losses do not swing to the double, as where averages of batch norm lag behind large steps."""
    losses = [each.val_loss for each in seen]
    return max(losses) - min(losses) <= abs(min(losses))


def _gap(seen: Validation) -> float:
    return seen.train_accuracy - seen.val_accuracy
