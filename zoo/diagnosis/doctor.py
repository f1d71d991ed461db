"""What is wrong with a run, said by cause: `zoo.diagnosis.recorded` tells what is read, and how."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from zoo.diagnosis import activations, cost, data, fit, gradients, labels, learning_rate
from zoo.diagnosis.recorded import History, Step, Validation
from zoo.diagnosis.remedies import Remedies
from zoo.diagnosis.verdict import Verdict

_NOTHING_LEARNED = ("learning rate too low", "label noise", "one class predicted", "underfitting", "plateau")
_NO_GRADIENTS = (*_NOTHING_LEARNED, "vanishing gradients")


class Question(NamedTuple):
    """What is asked of a history.

    Attributes:
        find: returns the finding, or "".
        remedies: of the run's options.
        explains: findings that only follow from this one.
    """

    find: Callable[[History], str]
    remedies: Callable[[Remedies], list[str]]
    explains: Collection[str] = ()


QUESTIONS: dict[str, Question] = {  # causes before their symptoms
    "leak": Question(data.leak, Remedies.of_leak),
    "unlearned batch": Question(fit.unlearned_batch, Remedies.of_unlearned_batch, _NOTHING_LEARNED),
    "loss not at ln(K)": Question(learning_rate.wrong_start, Remedies.of_wrong_start),
    "learning rate too high": Question(
        learning_rate.too_high,
        Remedies.of_too_high,
        (*_NO_GRADIENTS, "not finite", "exploding gradients", "dead ReLU", "saturation", "overfitting"),
    ),
    "dead ReLU": Question(activations.dead, Remedies.of_dead, _NO_GRADIENTS),
    "saturation": Question(activations.saturated, Remedies.of_saturated, _NO_GRADIENTS),
    "vanishing gradients": Question(gradients.vanishing, Remedies.of_vanishing, _NOTHING_LEARNED),
    "exploding gradients": Question(gradients.exploding, Remedies.of_exploding, ("not finite",)),
    "not finite": Question(learning_rate.not_finite, Remedies.of_not_finite),
    "learning rate too low": Question(learning_rate.too_low, Remedies.of_too_low, _NOTHING_LEARNED),
    "label noise": Question(
        labels.noise, Remedies.of_noise, ("overfitting", "one class predicted", "underfitting", "plateau")
    ),
    "one class predicted": Question(
        labels.one_class, Remedies.of_one_class, ("label noise", "underfitting", "plateau")
    ),
    "plateau": Question(learning_rate.plateau, Remedies.of_plateau, ("underfitting", "label noise")),
    "overfitting": Question(fit.overfitting, Remedies.of_overfitting),
    "underfitting": Question(fit.underfitting, Remedies.of_underfitting, ("plateau",)),
    "loader-bound": Question(cost.loader_bound, Remedies.of_loader),
    "memory-bound": Question(cost.memory_bound, Remedies.of_memory),
}


def diagnose(history: History, config: Mapping[str, Any], *, known: Collection[str] = ()) -> list[Verdict]:
    """Returns what is wrong and was not said before.

    Args:
        history: all that was recorded so far.
        config: the resolved config of the run, whose options remedies are made of.
        known: names of the verdicts so far.
    """
    remedies, found = Remedies(config, history), []
    explained = {name for verdict in known for name in QUESTIONS[verdict].explains}
    records: list[Step | Validation] = [*history.steps[-1:], *history.validations[-1:]]
    step = max((record.step for record in records), default=0)
    epoch = max((record.epoch for record in records), default=1)
    for name, question in QUESTIONS.items():
        if name in known or name in explained or not (finding := question.find(history)):
            continue
        found.append(Verdict(name, finding, tuple(question.remedies(remedies)), step, epoch))
        explained |= set(question.explains)
    return found
