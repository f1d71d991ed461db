"""Whether labels say what samples show, and whether a classifier tells more than one of them."""

from statistics import mean

from zoo.diagnosis.recorded import STILL, History, Validation, lasts

COLLAPSED = 0.95  # share of one class among predictions
REALLY = 0.9  # true share of a class, from which on a classifier may well name it alone
SUSPECT = 0.05  # share of samples of which another class is almost sure
MOST_MISTAKES = 0.5  # beyond, the model is wrong rather than the labels
SOUND = 0.05  # gap of the accuracies, below which the surest mistakes are no overfitting
CHANCE = 1.6  # times the accuracy of guessing
NEAR = 0.08  # of what is between guessing and all
ABOVE_CHANCE = 0.25  # likewise, of what was learned by heart
LEAST_STEPS = 10  # of an epoch, from which on there are samples enough to learn from
USUAL_UPDATE = 1e-3  # of the weights of half of the layers, in one step


def one_class(history: History) -> str:
    """All samples taken for one class."""
    if history.facts.overfits_batches or history.lr_rises or not lasts(history.validations, _names_one):
        return ""
    last = history.validations[-1]
    number = _named(last)
    share = f"{last.predicted_shares[number]:.1%} of validation are taken for class {number} (limit {COLLAPSED:.0%})"
    return f"{share}, which {last.true_shares[number]:.1%} of it are"


def noise(history: History) -> str:
    """Labels that have nothing to do with samples; or samples of which a sound model is sure that they are others."""
    facts, seen = history.facts, history.validations
    if facts.num_classes < 2 or facts.overfits_batches or not seen:
        return ""
    last, guessing = seen[-1], 1 / facts.num_classes
    chance = min(CHANCE * guessing, guessing + NEAR * (1 - guessing))
    right = f"{last.train_accuracy:.1%} of the training samples are right"
    guessed = f"{last.val_accuracy:.1%} of validation, as by guessing ({guessing:.1%})"

    def by_heart(each: Validation) -> bool:
        return each.train_accuracy > guessing + ABOVE_CHANCE * (1 - guessing) and each.val_accuracy < chance

    # Of few samples, guessing at others is what overfitting looks like.
    if lasts(seen, by_heart) and last.step >= LEAST_STEPS * last.epoch:
        return f"{right}, but {guessed}: labels have nothing to do with samples"
    if _at_chance(history, chance):
        reached = f"though steps change half of the layers by up to {history.largest_update:.1%}"
        return f"{right} and {guessed}, {reached}: labels have nothing to do with samples, or inputs do not tell"

    def is_suspect(each: Validation) -> bool:
        mistakes = 1 - each.val_accuracy
        sound = mistakes < MOST_MISTAKES and each.train_accuracy - each.val_accuracy < SOUND
        return sound and SUSPECT < each.confident_mistakes > mistakes / 2

    if not lasts(seen, is_suspect):
        return ""
    suspects = f"{last.confident_mistakes:.1%} of validation (limit {SUSPECT:.0%})"
    return f"the model is above 90 % sure that {suspects} are another class than they are labelled"


def _at_chance(history: History, chance: float) -> bool:
    """Whether steps of the usual size have taught nothing, of classes that are equally frequent."""
    recent = history.validations[-STILL:]
    if history.lr_rises or len(recent) < STILL or history.largest_update < USUAL_UPDATE:
        return False
    shares = recent[-1].true_shares
    if not shares or max(shares) > chance or any(map(_names_one, recent)):
        return False
    accuracies = [each.train_accuracy for each in recent], [each.val_accuracy for each in recent]
    return all(mean(values) < chance for values in accuracies)  # single ones are above it by luck


def _named(seen: Validation) -> int:
    return max(range(len(seen.predicted_shares)), key=seen.predicted_shares.__getitem__)


def _names_one(seen: Validation) -> bool:
    if len(seen.predicted_shares) < 2:
        return False
    number = _named(seen)
    return seen.predicted_shares[number] > COLLAPSED and seen.true_shares[number] < REALLY
