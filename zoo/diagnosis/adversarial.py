"""What goes wrong when two networks are trained against each other, read off the figures of the last validations.

Where the samples still come nearer to real ones, nothing is wrong: all alarms need a monitored metric that no longer
improves, and what they tell of in two validations running.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.diagnosis.adversarial_remedies import AdversarialRemedies
from zoo.diagnosis.verdict import Verdict

PERSISTENCE = 2  # validations running
PROGRESS = 0.02  # by which the best of them is below the best before, as a share of it

LEAST_DIVERSITY = 0.5  # of one N-th of all modes, which are equally frequent, it is 1 / N
LEAST_COVERAGE = 0.6
REAL_LOOKING = 0.7  # likeness from which on samples are real, so that what they leave out are modes
TELLS_ALL = 0.99  # accuracy of the discriminator
WINS = 0.9
VANISHED = 0.01  # norm of the generator's gradients, as a share of the largest so far
DRIFTED = 10.0  # difference of the scores, beyond which a sigmoid is 0 or 1
DRIFT = 1.25  # factor by which the difference still grows from one validation to the next
STANDS_STILL = 0.01  # change of the generator's loss and of its samples, as a share
LEARNS_NOTHING = 0.55
FAR = 0.1  # likeness


@dataclass(frozen=True)
class Observation:
    """Figures of one validation, and of the batches of its epoch before it; NaN for those that a run does not record.

    Attributes:
        step: optimizer steps taken.
        epoch: epochs begun, from 1.
        distance: of samples from real ones, as the monitored metric says; less is better.
        diversity: of samples, as `zoo.metrics.diversity` says, as are the next two.
        coverage: of real samples.
        likeness: of samples to real ones.
        accuracy: share of real and generated samples that the discriminator tells apart; 0.5 by chance.
        real_score: mean score of real samples.
        fake_score: mean score of generated ones.
        generator_loss: loss of the generator.
        generator_gradient_norm: norm of its gradients.
    """

    step: int
    epoch: int
    distance: float = math.nan
    diversity: float = math.nan
    coverage: float = math.nan
    likeness: float = math.nan
    accuracy: float = math.nan
    real_score: float = math.nan
    fake_score: float = math.nan
    generator_loss: float = math.nan
    generator_gradient_norm: float = math.nan

    @property
    def gap(self) -> float:
        """How far apart the scores are."""
        return self.real_score - self.fake_score


History = Sequence[Observation]


def diagnose(history: History, config: Mapping[str, Any], *, warm_up: int = 500) -> list[Verdict]:
    """Returns what is wrong at the last validation.

    Args:
        history: observations of all validations so far, the last one last.
        config: the resolved config of the run, whose options remedies are made of.
        warm_up: steps within which nothing is judged.
    """
    recent = history[-PERSISTENCE:]
    if len(recent) < PERSISTENCE or recent[0].step < warm_up or _progresses(history):
        return []
    remedies = AdversarialRemedies(config)
    findings: dict[str, tuple[Callable[[History], str], Callable[[], list[str]]]] = {
        "mode collapse": (_mode_collapse, remedies.of_mode_collapse),
        "discriminator saturation": (_saturation, remedies.of_saturation),
        "generator stall": (_generator_stall, remedies.of_generator_stall),
        "discriminator stall": (_discriminator_stall, remedies.of_discriminator_stall),
    }
    last = history[-1]
    return [
        Verdict(name, finding, tuple(remedy()), last.step, last.epoch)
        for name, (find, remedy) in findings.items()
        if (finding := find(history))
    ]


def _progresses(history: History) -> bool:
    """Whether samples have come nearer to real ones in the last validations."""
    before, recent = history[:-PERSISTENCE], history[-PERSISTENCE:]
    if not before:
        return True
    best = min(seen.distance for seen in before)
    return min(seen.distance for seen in recent) < best - PROGRESS * abs(best)


def _mode_collapse(history: History) -> str:
    """Samples repeat themselves; or they look real, but only like some of the real ones."""
    recent, last = history[-PERSISTENCE:], history[-1]
    if all(seen.diversity < LEAST_DIVERSITY for seen in recent):
        times = f"{last.diversity:.2g} times as diverse as real ones (limit {LEAST_DIVERSITY:g})"
        return f"generated samples are {times} and come near {last.coverage:.0%} of them"
    if all(seen.coverage < LEAST_COVERAGE and seen.likeness > REAL_LOOKING for seen in recent):
        looks = f"though {last.likeness:.0%} of them look real"
        return f"generated samples come near {last.coverage:.0%} of the real ones (limit {LEAST_COVERAGE:.0%}), {looks}"
    return ""


def _saturation(history: History) -> str:
    """The discriminator is so sure that the generator learns nothing of it."""
    recent, last = history[-PERSISTENCE:], history[-1]
    told = f"the discriminator tells {last.accuracy:.1%} of real and generated samples apart"
    if all(seen.accuracy > TELLS_ALL for seen in recent):
        return f"{told} (limit {TELLS_ALL:.0%}), with scores of {last.real_score:.3g} and {last.fake_score:.3g}"
    largest = max(seen.generator_gradient_norm for seen in history)
    if all(seen.accuracy > WINS and seen.generator_gradient_norm < VANISHED * largest for seen in recent):
        norm = f"{last.generator_gradient_norm:.2g}, {last.generator_gradient_norm / largest:.1%} of the largest so far"
        return f"{told}, and the norm of the generator's gradients is {norm} (limit {VANISHED:.0%})"
    gaps = [seen.gap for seen in history[-PERSISTENCE - 1 :]]
    if min(gaps[1:]) > DRIFTED and all(after > DRIFT * before for before, after in itertools.pairwise(gaps)):
        scores = f"{last.real_score:.3g} and {last.fake_score:.3g}"
        return f"scores drift away: {scores}, {gaps[-1] - gaps[-2]:.3g} more apart than before (limit {DRIFTED:g})"
    return ""


def _generator_stall(history: History) -> str:
    """The discriminator wins, and neither the generator's loss nor its samples move."""
    seen, last = history[-PERSISTENCE - 1 :], history[-1]
    moved = [_spread([one.generator_loss for one in seen]), _spread([one.distance for one in seen])]
    if not all(one.accuracy > WINS for one in seen) or not all(share <= STANDS_STILL for share in moved):
        return ""
    still = f"{last.generator_loss:.3g} and {last.distance:.3g} within {STANDS_STILL:.0%} for {len(seen)} validations"
    wins = f"while {last.accuracy:.1%} of real and generated samples are told apart (limit {WINS:.0%})"
    return f"its loss and the distance of its samples stay at {still}, {wins}"


def _discriminator_stall(history: History) -> str:
    """The discriminator is no better than chance, though samples are nowhere near real ones."""
    recent, last = history[-PERSISTENCE:], history[-1]
    farthest = max(seen.distance for seen in history)
    if not all(seen.accuracy < LEARNS_NOTHING and seen.likeness < FAR for seen in recent):
        return ""
    if min(seen.distance for seen in recent) < farthest / 2:
        return ""
    told = f"the discriminator tells {last.accuracy:.1%} of real and generated samples apart"
    return f"{told} (limit {LEARNS_NOTHING:.0%}), though only {last.likeness:.0%} of these look real (limit {FAR:.0%})"


def _spread(values: Sequence[float]) -> float:
    """Returns the range of values as a share of the largest."""
    return (max(values) - min(values)) / max(max(map(abs, values)), 1e-12)
