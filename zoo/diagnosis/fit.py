"""Whether a run learns what holds beyond its own samples, and whether it can learn these."""

import math

from zoo.diagnosis.recorded import PERSISTENCE, History, lasts

RISEN = 1.1  # times the lowest validation loss
GAP = 0.15  # of accuracies
MASTERED = 0.9  # training accuracy from which a gap is overfitting
POOR = 0.5  # share of the loss at the start
STANDS_STILL = 0.02
LEARNED_BATCH = 0.1  # share of the loss at the start, below which a batch is learned
BATCH_STEPS = 50


def overfitting(history: History) -> str:
    """Validation that gets worse while training gets better; or that stays far below it."""
    seen = history.validations
    if history.facts.overfits_batches or not seen:
        return ""
    known = [each for each in seen if not math.isnan(each.val_loss)]
    best = min(known, key=lambda each: each.val_loss, default=seen[0])
    last, since = seen[-1], [each for each in known if each.step > best.step]
    better = last.train_loss < best.train_loss
    if better and lasts(since, lambda each: each.val_loss > RISEN * best.val_loss):
        losses = f"from {best.val_loss:.3g} to {last.val_loss:.3g} (limit {RISEN:g} times)"
        falls = f"while the training loss fell from {best.train_loss:.3g} to {last.train_loss:.3g}"
        return f"since epoch {best.epoch} the validation loss rose {losses}, {falls}"
    if lasts(seen, lambda each: each.train_accuracy >= MASTERED and each.train_accuracy - each.val_accuracy > GAP):
        first = next(each for each in seen if each.train_accuracy - each.val_accuracy > GAP)
        accuracies = (
            f"{last.train_accuracy:.1%} of the training samples are right, {last.val_accuracy:.1%} of validation"
        )
        gap = f"a gap of {last.train_accuracy - last.val_accuracy:.1%} (limit {GAP:.0%})"
        return f"{accuracies}: {gap}, since epoch {first.epoch}"
    return ""


def underfitting(history: History) -> str:
    """A training loss that no longer falls, at a height at which little was learned, and no gap to validation."""
    recent = history.validations[-PERSISTENCE - 1 :]
    if len(recent) <= PERSISTENCE or not history.steps:
        return ""
    start, losses = history.steps[0].loss, [each.train_loss for each in recent]
    still = losses[0] - min(losses[1:]) < STANDS_STILL * losses[0]
    gap = recent[-1].train_accuracy - recent[-1].val_accuracy
    if not still or not losses[-1] > POOR * start or gap > GAP:
        return ""
    share = f"{losses[-1] / start:.0%} of {start:.3g} at the start (limit {POOR:.0%})"
    return (
        f"the training loss stays at {losses[-1]:.3g}, {share}, and validation at {recent[-1].val_loss:.3g} is no worse"
    )


def unlearned_batch(history: History) -> str:
    """A few batches, seen again and again, that are not learned by heart: a defect of the model or of its recipe."""
    if not history.facts.overfits_batches or not history.steps or history.steps[-1].step < BATCH_STEPS:
        return ""
    start, recent = history.steps[0].loss, [step.loss for step in history.steps[-PERSISTENCE:]]
    if min(recent) <= LEARNED_BATCH * start:
        return ""
    share = f"{min(recent) / start:.0%} of {start:.3g} at the start (limit {LEARNED_BATCH:.0%})"
    return f"after {history.steps[-1].step} steps on the same batches their loss is {min(recent):.3g}, {share}"
