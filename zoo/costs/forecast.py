"""What a run costs, as it is forecast from its first steps and as it is measured in the end. Free of torch."""

import math
from dataclasses import dataclass, field

from zoo.costs.units import duration, megabytes, short

NOT_COUNTED = "element-wise work (activations, norms, dropout, pooling, embeddings), losses and the optimizer"


@dataclass
class Memory:
    """Bytes of one process on its device.

    Attributes:
        weights: parameters and buffers, with averages of them.
        gradients: of what is trained, and where several processes exchange them, the buckets for that.
        optimizer: its state.
        activations: what the forward pass saves for the backward pass; None where it could not be measured.
        batch: the finished batch; None likewise.
        peak: the most that is taken at once, with the batch and all that is temporary; None likewise. It is less than
            the sum, where activations are freed before gradients are made, and more, where batches differ in size.
    """

    weights: float = 0.0
    gradients: float = 0.0
    optimizer: float = 0.0
    activations: float | None = None
    batch: float | None = None
    peak: float | None = None


@dataclass
class Length:
    """How long a run is.

    Attributes:
        batches: of an epoch, for one process; infinite where data have no end.
        batch_size: samples in a batch of one process.
        epochs: that are still to come, with parts of them; None where the run has no end.
        validations: in an epoch.
        processes: that train together.
    """

    batches: float
    batch_size: int
    epochs: float | None
    validations: float = 1.0
    processes: int = 1


@dataclass
class Forecast:
    """What a run is going to cost.

    Attributes:
        parameters: their number.
        trainable: of those, what is trained at the start.
        memory: by part.
        length: how long it is.
        forward: floating-point operations of a sample up to the losses; None where it could not be measured.
        backward: of its gradients, likewise.
        seconds_per_batch: of training, with the time that a batch is waited for; None until it was timed.
        seconds_per_validation: None where it was neither timed nor guessed.
        seconds_beside: of an epoch, that are neither training nor validation, such as the saving of checkpoints; 0 as
            long as no epoch was timed.
        watts: that the device takes while it trains; None where it does not tell.
        notes: what was not counted or measured, and why.
    """

    parameters: int
    trainable: int
    length: Length
    memory: Memory = field(default_factory=Memory)
    forward: float | None = None
    backward: float | None = None
    seconds_per_batch: float | None = None
    seconds_per_validation: float | None = None
    seconds_beside: float = 0.0
    watts: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def flops_per_sample(self) -> float | None:
        """Floating-point operations of training on one sample."""
        return None if self.forward is None or self.backward is None else self.forward + self.backward

    @property
    def seconds_of_training(self) -> float | None:
        """Of an epoch, without validation."""
        if self.seconds_per_batch is None or math.isinf(self.length.batches):
            return None
        return self.seconds_per_batch * self.length.batches

    @property
    def seconds_per_epoch(self) -> float | None:
        """Of training and validation, and of what else an epoch was seen to have."""
        training, validation = self.seconds_of_training, self.length.validations * (self.seconds_per_validation or 0.0)
        return None if training is None else training + validation + self.seconds_beside

    @property
    def seconds_in_all(self) -> float | None:
        """Of all epochs, without what comes before the first step and after the last."""
        seconds, epochs = self.seconds_per_epoch, self.length.epochs
        return None if seconds is None or epochs is None else seconds * epochs

    @property
    def energy(self) -> float | None:
        """Watt-hours of all epochs and devices."""
        seconds = self.seconds_in_all
        return None if seconds is None or self.watts is None else seconds * self.watts * self.length.processes / 3600

    def guess_validation(self, samples: float) -> None:
        """Takes a sample of validation for as dear as the forward part of one of training, as nothing was timed yet."""
        if self.seconds_per_batch is not None and self.seconds_per_validation is None:
            share = self.forward / self.flops_per_sample if self.forward and self.flops_per_sample else 1 / 3
            self.seconds_per_validation = share * self.seconds_per_batch / self.length.batch_size * samples

    def plain(self) -> dict[str, float | None]:
        """Returns what `cost.json` holds of the forecast; None where something is not known."""
        memory = self.memory
        return {
            "parameters": self.parameters,
            "trainable_parameters": self.trainable,
            "flops_forward_per_sample": self.forward,
            "flops_backward_per_sample": self.backward,
            "memory_weights_mb": _mb(memory.weights),
            "memory_gradients_mb": _mb(memory.gradients),
            "memory_optimizer_mb": _mb(memory.optimizer),
            "memory_activations_mb": _mb(memory.activations),
            "memory_batch_mb": _mb(memory.batch),
            "memory_peak_mb": _mb(memory.peak),
            "seconds_per_batch": self.seconds_per_batch,
            "seconds_per_validation": self.seconds_per_validation,
            "seconds_per_epoch": self.seconds_per_epoch,
            "seconds_in_all": self.seconds_in_all,
            "energy_wh": self.energy,
        }

    def size_line(self) -> str:
        """Returns parameters and operations."""
        frozen = self.parameters - self.trainable
        trained = f"{short(self.trainable)} trained, {short(frozen)} frozen" if frozen else "all trained"
        line = f"{short(self.parameters)} parameters ({trained})"
        if self.forward is None or self.backward is None:
            return line
        return f"{line}; {short(self.forward, 'FLOP')} a sample forward, {short(self.backward, 'FLOP')} backward"

    def memory_line(self) -> str:
        """Returns memory by part."""
        memory = self.memory
        parts = [
            f"weights {megabytes(memory.weights)}",
            f"gradients {megabytes(memory.gradients)}",
            f"optimizer {megabytes(memory.optimizer)}",
        ]
        if memory.activations is not None:
            parts.append(f"activations {megabytes(memory.activations)} ({self.length.batch_size} samples)")
        peak = f"; at most {megabytes(memory.peak)} at once" if memory.peak is not None else ""
        each = f" in each of {self.length.processes} processes" if self.length.processes > 1 else ""
        return f"memory{each}: {', '.join(parts)}{peak}"

    def time_line(self) -> str:
        """Returns time and energy."""
        if self.seconds_per_batch is None:
            return "time: too short a run to be timed"
        rate = self.length.batch_size * self.length.processes / self.seconds_per_batch
        if self.seconds_per_epoch is None:
            return f"time: {duration(self.seconds_per_batch)} a batch, {short(rate)} samples/s; the data have no end"
        line = f"time: {duration(self.seconds_per_epoch)} an epoch"
        if self.seconds_per_validation:
            line += f" ({duration(self.length.validations * self.seconds_per_validation)} of it validation)"
        if self.seconds_in_all is not None and self.length.epochs is not None:
            line += f", {duration(self.seconds_in_all)} for {self.length.epochs:.3g} epochs"
        line += f", {short(rate)} samples/s"
        return line if self.energy is None else f"{line}; energy: {self.energy:.3g} Wh"


def _mb(size: float | None) -> float | None:
    return None if size is None else size / 2**20
