"""Whether labels say what samples show, and whether a classifier tells more than one of them."""

from zoo.diagnosis.recorded import History, Validation, lasts

COLLAPSED = 0.95  # share of one class among predictions
REALLY = 0.9  # true share of a class, from which on a classifier may well name it alone
SUSPECT = 0.05  # share of samples of which another class is almost sure
MOST_MISTAKES = 0.5  # beyond, the model is wrong rather than the labels
MEMORISED = 0.97  # training accuracy, from which on the surest mistakes are overfitting
CHANCE = 1.5  # times the accuracy of guessing
ABOVE_CHANCE = 3.0


def one_class(history: History) -> str:
    """All samples taken for one class."""
    if not lasts(history.validations, _names_one):
        return ""
    last = history.validations[-1]
    number = _named(last)
    share = f"{last.predicted_shares[number]:.1%} of validation are taken for class {number} (limit {COLLAPSED:.0%})"
    return f"{share}, which {last.true_shares[number]:.1%} of it are"


def noise(history: History) -> str:
    """Samples of which a model that has not learned them by heart is sure that they are another class."""
    if history.facts.num_classes < 2 or not history.validations:
        return ""
    last, guessing = history.validations[-1], 1 / history.facts.num_classes

    def by_heart(seen: Validation) -> bool:
        return seen.train_accuracy > ABOVE_CHANCE * guessing and seen.val_accuracy < CHANCE * guessing

    if lasts(history.validations, by_heart):
        learned = (
            f"{last.train_accuracy:.1%} of the training samples are right, but {last.val_accuracy:.1%} of validation"
        )
        return f"{learned}, as by guessing ({guessing:.1%}): labels have nothing to do with samples"

    def is_suspect(seen: Validation) -> bool:
        mistakes = 1 - seen.val_accuracy
        if mistakes > MOST_MISTAKES:
            return False
        return SUSPECT < seen.confident_mistakes > mistakes / 2 and seen.train_accuracy < MEMORISED

    if not lasts(history.validations, is_suspect):
        return ""
    suspects = f"{last.confident_mistakes:.1%} of validation (limit {SUSPECT:.0%})"
    return f"the model is above 90 % sure that {suspects} are another class than they are labelled"


def _named(seen: Validation) -> int:
    return max(range(len(seen.predicted_shares)), key=seen.predicted_shares.__getitem__)


def _names_one(seen: Validation) -> bool:
    if len(seen.predicted_shares) < 2:
        return False
    number = _named(seen)
    return seen.predicted_shares[number] > COLLAPSED and seen.true_shares[number] < REALLY
