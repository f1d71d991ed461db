"""Whether labels say what samples show, and whether a classifier tells more than one of them."""

from statistics import mean

from zoo.diagnosis.recorded import STILL, History, Validation, lasts

COLLAPSED = 0.95  # share of one class among predictions
REALLY = 0.9  # true share of a class, from which on a classifier may well name it alone
AS_SURE = 0.32  # share of pairs in which a mistake is surer than a right prediction: 0.5 of wrong labels
FEWEST_MISTAKES = 0.05  # share of validation
MOST_MISTAKES = 0.5  # of those of naming the most frequent class: beyond, the model is wrong rather than the labels
CHANCE = 1.6  # times the accuracy of guessing
NEAR = 0.08  # of what is between guessing and all
ABOVE_CHANCE = 0.25  # likewise, of what was learned by heart
LEAST_STEPS = 10  # of an epoch, from which on there are samples enough to learn from
FIRST_STEPS = 100  # of a run, in which any classifier may name one class
USUAL_UPDATE = 1e-3  # of the weights of half of the layers, in one step


def one_class(history: History) -> str:
    """All samples taken for one class."""
    if history.facts.overfits_batches or history.lr_rises or not lasts(history.validations, _names_one):
        return ""
    last = history.validations[-1]
    if last.step < FIRST_STEPS or _is_learned(last, max(last.true_shares)):
        return ""
    number = _named(last)
    share = f"{last.predicted_shares[number]:.1%} of validation are taken for class {number} (limit {COLLAPSED:.0%})"
    return f"{share}, which {last.true_shares[number]:.1%} of it are"


def noise(history: History) -> str:
    """Labels that have nothing to do with samples; or mistakes of which a model is as sure as of the rest."""
    facts, seen = history.facts, history.validations
    if facts.num_classes < 2 or facts.overfits_batches or not seen:
        return ""
    last, guessing = seen[-1], 1 / facts.num_classes
    chance = min(CHANCE * guessing, guessing + NEAR * (1 - guessing))
    right = f"{last.train_accuracy:.1%} of the training samples are right"
    guessed = f"{last.val_accuracy:.1%} of validation, as by guessing ({guessing:.1%})"

    def by_heart(each: Validation) -> bool:
        return _is_learned(each, guessing) and each.val_accuracy < chance and not _names_one(each)

    # Of few samples, guessing at others is what overfitting looks like.
    if lasts(seen, by_heart) and last.step >= LEAST_STEPS * last.epoch:
        return f"{right}, but {guessed}: labels have nothing to do with samples"
    if _at_chance(history, chance):
        reached = f"though steps change half of the layers by up to {history.largest_update:.1%}"
        cause = "labels have nothing to do with samples, or inputs do not tell this model"
        return f"{right} and {guessed}, {reached}: {cause}"

    if not lasts(seen, _are_as_sure):
        return ""
    others = f"{1 - last.val_accuracy:.1%} of validation are taken for another class than they are labelled"
    sure = f"in {last.sure_mistakes:.0%} of pairs surer than of one that is right (limit {AS_SURE:.0%})"
    return f"{others}, {sure}: mistakes of a model are doubtful, wrong labels are not"


def _is_learned(seen: Validation, guessing: float) -> bool:
    """Whether training samples are told clearly better than by guessing, which gets a share of them right."""
    return seen.train_accuracy > guessing + ABOVE_CHANCE * (1 - guessing)


def _are_as_sure(seen: Validation) -> bool:
    """Whether mistakes are told from right predictions hardly by how sure they are, of a model that has learned."""
    mistakes, guessing = 1 - seen.val_accuracy, 1 - max(seen.true_shares, default=1)
    return FEWEST_MISTAKES < mistakes < MOST_MISTAKES * guessing and seen.sure_mistakes > AS_SURE


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
