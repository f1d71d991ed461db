"""What the doctor records of a run, and how its verdicts read it.

Recorded, as plain values that go into the checkpoint:

- `Step`, `samples_per_epoch` times an epoch, at batches that follow from the number of batches alone, so that a resumed
  run looks at the same ones. The first batch of the run is among them: its loss is that of untrained weights. Of each
  layer with weights: the norm of its gradients (before clipping), their root mean square, and the norm of the update as
  a share of that of the weights. Of each activation: mean and standard deviation, and the shares of its values that are
  saturated and of its units that are dead (0 for the whole batch); of attention, entropy as a share of the largest.
- `Validation`, once a validation: losses and accuracies, the course of the training loss since the one before, the
  shares of true and of predicted classes, mistakes and how sure they are, the time spent waiting for data, and the
  memory taken.
- `Facts`, once a run: number of classes, whether weights were untrained, how many samples of other splits are in the
  training split too (by a hash of the input).

Cost: hooks are on the modules in recorded steps alone, figures stay on the device until such a step ends, and are read
at once there. In all other steps two clocks are read. Weights are copied in recorded steps, for the size of the update.

Verdicts are pure functions of these (`gradients`, `activations`, `learning_rate`, `fit`, `labels`, `data`, `cost`),
each a sentence or "". They judge after a warm-up and only what has lasted, PERSISTENCE records running. One cause has
many symptoms: `doctor.diagnose` asks in the order of causes and leaves out what a verdict that was given explains.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

PERSISTENCE = 3  # records running, in which something holds before it is said
STILL = 5  # validations running, in which a loss does not move before it is said
LARGE_UPDATE = 0.05  # of the weights of half of the layers, in one step: see `learning_rate`
FAR_TOO_LARGE = 0.15  # likewise
MOST_STEPS = 200  # that are kept: beyond, every second of the older ones is dropped
LATEST = 20  # steps that are kept as they are


@dataclass(frozen=True)
class Layer:
    """Figures of one layer in one step; NaN for those that it does not have.

    Attributes:
        kind: name of its class, such as "Linear".
        gradient_norm: norm of the gradients of its weights.
        gradient_rms: their root mean square, which layers of different size have in common.
        update_ratio: norm of the step's update, as a share of that of the weights.
        mean: of its outputs.
        std: their standard deviation.
        saturated: share of them that lie within 0.02 of a bound of the activation.
        dead: share of its units that are 0 for all samples of the batch.
        entropy: of attention, as a share of that of looking everywhere alike.
    """

    kind: str
    gradient_norm: float = math.nan
    gradient_rms: float = math.nan
    update_ratio: float = math.nan
    mean: float = math.nan
    std: float = math.nan
    saturated: float = math.nan
    dead: float = math.nan
    entropy: float = math.nan


@dataclass(frozen=True)
class Step:
    """Figures of one optimizer step.

    Attributes:
        step: optimizer steps taken before it.
        epoch: epochs begun, from 1.
        loss: of its batch, before the update.
        lr: learning rate, the largest of all groups.
        layers: by name, input to output.
    """

    step: int
    epoch: int
    loss: float
    lr: float
    layers: Mapping[str, Layer] = field(default_factory=dict)


@dataclass(frozen=True)
class Validation:
    """Figures of one validation and of the training before it; NaN or empty for those that a run does not have.

    Attributes:
        step: optimizer steps taken.
        epoch: epochs begun, from 1.
        train_loss: of the epoch so far.
        val_loss: of validation.
        train_accuracy: of the last epoch that has ended: that of this one is not known yet.
        val_accuracy: of validation.
        true_shares: of each class, among the targets of validation.
        predicted_shares: of each class, among predictions.
        mistakes: samples of validation that were taken for another class than theirs.
        sure_mistakes: how often a mistake is surer than a right prediction, of all their pairs; NaN of few mistakes.
        losses: means of equal parts of the training since the validation before, in the order of time.
        waiting: share of the time of training that was spent waiting for data.
        waited: seconds that a batch was waited for.
        memory: share of the memory of the device that is taken at most.
    """

    step: int
    epoch: int
    train_loss: float = math.nan
    val_loss: float = math.nan
    train_accuracy: float = math.nan
    val_accuracy: float = math.nan
    true_shares: Sequence[float] = ()
    predicted_shares: Sequence[float] = ()
    mistakes: float = math.nan
    sure_mistakes: float = math.nan
    losses: Sequence[float] = ()
    waiting: float = math.nan
    waited: float = math.nan
    memory: float = math.nan


@dataclass(frozen=True)
class Facts:
    """What is known of a run before its first step.

    Attributes:
        num_classes: K; 0 where there are none.
        untrained: whether the weights are random at the start.
        duplicates: samples of each other split that the training split has, too, by name of the split.
        sizes: samples of these splits.
        overfits_batches: whether the run sees few batches again and again, to show that it can learn them.
    """

    num_classes: int = 0
    untrained: bool = True
    duplicates: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    overfits_batches: bool = False


@dataclass
class History:
    """All that was recorded of a run so far, in the order of time.

    Attributes:
        facts: of the run.
        steps: that were looked at; the first one is the first of the run.
        validations: all so far; where a loss ended the run, what was seen of training since is the last of them.
        not_finite: what was wrong with the loss, or the gradients, that ended the run.
    """

    facts: Facts = field(default_factory=Facts)
    steps: list[Step] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    not_finite: str = ""

    def add(self, step: Step) -> None:
        """Takes a step in; of many, the older ones are thinned, all but the first."""
        self.steps.append(step)
        if len(self.steps) > MOST_STEPS:
            self.steps = [*self.steps[:-LATEST:2], *self.steps[-LATEST:]]

    @property
    def start(self) -> float:
        """Loss of the first batch of the run; NaN where it was not looked at."""
        return self.steps[0].loss if self.steps and not self.steps[0].step else math.nan

    @property
    def lr_rises(self) -> bool:
        """Whether the schedule still warms up."""
        return len(self.steps) > 1 and self.steps[-1].lr > self.steps[-2].lr

    @property
    def risen_until(self) -> int:
        """The last recorded step of a rising schedule; 0 where none rises."""
        return max((step.step for before, step in pairwise(self.steps) if step.lr > before.lr), default=0)

    @property
    def typical_updates(self) -> list[float]:
        """Of each step, the update of the middle one of all layers: a single one may start at zero, or stand still."""
        return [median(values) for step in self.steps if (values := known(step, "update_ratio"))]

    @property
    def largest_update(self) -> float:
        """The largest of these that lasted, in the middle of three records running; 0 where there are fewer."""
        updates = self.typical_updates
        return max((median(updates[at : at + 3]) for at in range(len(updates) - 2)), default=0.0)

    def largest(self, figure: str) -> dict[str, float]:
        """Returns the largest that a figure of each layer has been, by its name."""
        found: dict[str, float] = {}
        for step in self.steps:
            values = {name: _figure(step, name, figure) for name in step.layers}
            found |= {name: max(value, found.get(name, value)) for name, value in values.items() if value == value}
        return found

    def recent(self, figure: str, *, records: int = PERSISTENCE) -> dict[str, list[float]]:
        """Returns a figure of each layer that has had it in all of the last records, by its name."""
        steps = self.steps[-records:]
        if len(steps) < records:
            return {}
        values = {name: [_figure(step, name, figure) for step in steps] for name in steps[-1].layers}
        return {name: found for name, found in values.items() if not any(map(math.isnan, found))}

    def medians(self, figure: str) -> dict[str, float]:
        """Returns the median of what `recent` does."""
        return {name: median(values) for name, values in self.recent(figure).items()}

    def plain(self) -> dict[str, Any]:
        """Returns all of it as plain values."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "History":
        """Takes back what `plain` has returned."""
        steps = [
            Step(**{**step, "layers": {name: Layer(**layer) for name, layer in step["layers"].items()}})
            for step in plain["steps"]
        ]
        return cls(
            Facts(**plain["facts"]), steps, [Validation(**each) for each in plain["validations"]], plain["not_finite"]
        )


def known(step: Step, figure: str) -> list[float]:
    """Returns a figure of the layers that have it."""
    return [value for name in step.layers if not math.isnan(value := _figure(step, name, figure))]


def fallen(loss: float, start: float) -> float:
    """Returns by how much a loss is below that of the start, as a share of its size; losses may be negative."""
    return (start - loss) / max(abs(start), 1e-12)


def stands_still(validations: Sequence[Validation], within: float) -> bool:
    """Whether the training loss has stayed within a share of itself for STILL validations, a third of all so far."""
    recent = validations[-max(STILL, len(validations) // 3) - 1 :]
    losses = [seen.train_loss for seen in recent]
    return len(losses) > STILL and max(losses) - min(losses) < within * max(map(abs, losses))


def lasts(validations: Sequence[Validation], holds: Callable[[Validation], bool]) -> bool:
    """Whether something holds in the last validations running; what is NaN does not."""
    return len(validations) >= PERSISTENCE and all(map(holds, validations[-PERSISTENCE:]))


def worst(values: Mapping[str, float]) -> tuple[str, float]:
    """Returns name and figure of the layer with most of it."""
    return max(values.items(), key=lambda item: item[1])


def listed(names: Iterable[str], *, limit: int = 3) -> str:
    """Returns a few names, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    return ", ".join(found[:limit]) + more


def _figure(step: Step, name: str, figure: str) -> float:
    layer = step.layers.get(name)
    return math.nan if layer is None else float(getattr(layer, figure))
