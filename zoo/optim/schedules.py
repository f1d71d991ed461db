"""Learning rate schedules: pure functions of the optimizer step that multiply each group's own learning rate.

Being functions of the step and of nothing else, they are exact after a resume, and a run that is prolonged follows the
longer schedule from its next step on. `total_steps` counts optimizer steps, not batches. A length (`warmup`, `decay`)
below 1 is a fraction of `total_steps`; from 1 it is a number of steps. `final` is the fraction of the learning rate
that is left at the end.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from zoo.ranges import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, Probability

Curve = Literal["cosine", "linear"]


def warmup_factor(step: int, warmup_steps: int) -> float:
    """Rise linearly to 1 at step `warmup_steps`, from above 0 so that the first step is not wasted."""
    return min(1.0, (step + 1) / (warmup_steps + 1))


def progress(step: int, start: int, end: int) -> float:
    """The fraction of the way from step `start` to step `end`, held at 0 before and at 1 after."""
    return min(1.0, max(0.0, (step - start) / max(1, end - start)))


def interpolate(start: float, end: float, fraction: float, curve: Curve) -> float:
    """The value at a fraction of the way from `start` to `end`, on a straight line or on half a cosine wave."""
    if curve == "cosine":
        return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
    return start + (end - start) * fraction


def constant_factor(step: int, total_steps: int, *, warmup_steps: int) -> float:
    """Warm up, then 1."""
    return warmup_factor(step, warmup_steps)


def step_factor(step: int, total_steps: int, *, warmup_steps: int, milestones: Sequence[float], gamma: float) -> float:
    """Warm up, then multiply by `gamma` at each milestone."""
    num_passed = sum(step / total_steps >= milestone for milestone in milestones)
    return float(warmup_factor(step, warmup_steps) * gamma**num_passed)


def decay_factor(step: int, total_steps: int, *, warmup_steps: int, final: float, curve: Curve) -> float:
    """Warm up to 1, then decay to `final` at step `total_steps`."""
    if step < warmup_steps:
        return warmup_factor(step, warmup_steps)
    return interpolate(1.0, final, progress(step, warmup_steps, total_steps), curve)


def one_cycle_factor(
    step: int, total_steps: int, *, warmup_steps: int, start: float, final: float, curve: Curve
) -> float:
    """Rise from `start` to 1 in `warmup_steps` steps, then fall to `final` in the last step."""
    peak = max(0, warmup_steps - 1)
    if step < peak:
        return interpolate(start, 1.0, step / peak, curve)
    return interpolate(1.0, final, progress(step, peak, total_steps - 1), curve)


def warmup_stable_decay_factor(
    step: int, total_steps: int, *, warmup_steps: int, decay_steps: int, final: float, curve: Literal["sqrt", "linear"]
) -> float:
    """Warm up to 1, hold, then fall to `final` over the last `decay_steps` steps."""
    fraction = progress(step, total_steps - decay_steps, total_steps)
    fraction = math.sqrt(fraction) if curve == "sqrt" else fraction
    return warmup_factor(step, warmup_steps) * interpolate(1.0, final, fraction, "linear")


def constant(optimizer: Optimizer, total_steps: int, *, warmup: NonNegativeFloat = 0.0) -> LambdaLR:
    """Keep the learning rate after a warm-up.

    Args:
        optimizer: what is scheduled.
        total_steps: optimizer steps of the whole run; above 0.
        warmup: length of the linear rise.

    Returns:
        The schedule, to be stepped after every optimizer step.

    Raises:
        ValueError: if `total_steps` is not positive or the warm-up is longer.
    """
    return _schedule(optimizer, constant_factor, total_steps, warmup)


def step(
    optimizer: Optimizer,
    total_steps: int,
    *,
    milestones: Sequence[float] = (0.5, 0.75),
    gamma: PositiveFloat = 0.1,
    warmup: NonNegativeFloat = 0.0,
) -> LambdaLR:
    """Drop the learning rate at milestones (He et al., 2016, arXiv:1512.03385).

    Args:
        optimizer: what is scheduled.
        total_steps: optimizer steps of the whole run; above 0.
        milestones: when to drop, as fractions of `total_steps`.
        gamma: what each drop multiplies by.
        warmup: length of the linear rise.

    Returns:
        The schedule, to be stepped after every optimizer step.

    Raises:
        ValueError: if `total_steps` is not positive, the warm-up is longer, or a milestone is no fraction.
    """
    outside = [milestone for milestone in milestones if not 0 < milestone < 1]
    if outside:
        raise ValueError(f"milestone {outside[0]:g}: milestones are fractions of the run; give it between 0 and 1")
    return _schedule(optimizer, step_factor, total_steps, warmup, milestones=tuple(milestones), gamma=gamma)


def cosine(
    optimizer: Optimizer, total_steps: int, *, warmup: NonNegativeFloat = 0.0, final: Fraction = 0.0
) -> LambdaLR:
    """Fall along half a cosine wave (Loshchilov and Hutter, "SGDR", 2017, arXiv:1608.03983), without restarts.

    Args:
        optimizer: what is scheduled.
        total_steps: optimizer steps of the whole run; above 0.
        warmup: length of the linear rise.
        final: fraction of the learning rate that is left at the end.

    Returns:
        The schedule, to be stepped after every optimizer step.

    Raises:
        ValueError: if `total_steps` is not positive or the warm-up is longer.
    """
    return _schedule(optimizer, decay_factor, total_steps, warmup, final=final, curve="cosine")


def linear(
    optimizer: Optimizer, total_steps: int, *, warmup: NonNegativeFloat = 0.0, final: Fraction = 0.0
) -> LambdaLR:
    """Fall along a straight line.

    Args:
        optimizer: what is scheduled.
        total_steps: optimizer steps of the whole run; above 0.
        warmup: length of the linear rise.
        final: fraction of the learning rate that is left at the end.

    Returns:
        The schedule, to be stepped after every optimizer step.

    Raises:
        ValueError: if `total_steps` is not positive or the warm-up is longer.
    """
    return _schedule(optimizer, decay_factor, total_steps, warmup, final=final, curve="linear")


def one_cycle(
    optimizer: Optimizer,
    total_steps: int,
    *,
    warmup: NonNegativeFloat = 0.3,
    start: Fraction = 0.04,
    final: Fraction = 0.0,
    curve: Curve = "cosine",
) -> LambdaLR:
    """Rise to the learning rate and fall below its start (Smith and Topin, 2018, arXiv:1708.07120).

    Momentum is not cycled, unlike in the paper. The optimizer's learning rate is the highest of the cycle.

    Args:
        optimizer: what is scheduled.
        total_steps: optimizer steps of the whole run; above 0.
        warmup: length of the rise.
        start: fraction of the learning rate at the first step.
        final: fraction of the learning rate at the last step.
        curve: shape of rise and fall.

    Returns:
        The schedule, to be stepped after every optimizer step.

    Raises:
        ValueError: if `total_steps` is not positive or the rise is longer.
    """
    return _schedule(optimizer, one_cycle_factor, total_steps, warmup, start=start, final=final, curve=curve)


def warmup_stable_decay(
    optimizer: Optimizer,
    total_steps: int,
    *,
    warmup: NonNegativeFloat = 0.05,
    decay: NonNegativeFloat = 0.2,
    final: Fraction = 0.0,
    curve: Literal["sqrt", "linear"] = "sqrt",
) -> LambdaLR:
    """Hold the learning rate and decay only at the end (Hu et al., "MiniCPM", 2024, arXiv:2404.06395).

    The decay is by default 1 - sqrt (Hägele et al., 2024, arXiv:2405.18392), not exponential as in MiniCPM.

    Args:
        optimizer: what is scheduled.
        total_steps: optimizer steps of the whole run; above 0.
        warmup: length of the linear rise.
        decay: length of the fall.
        final: fraction of the learning rate that is left at the end.
        curve: shape of the fall.

    Returns:
        The schedule, to be stepped after every optimizer step.

    Raises:
        ValueError: if `total_steps` is not positive, or warm-up and decay together are longer.
    """
    warmup_steps, decay_steps = num_steps(warmup, total_steps), num_steps(decay, total_steps)
    if warmup_steps + decay_steps > total_steps:
        raise ValueError(
            f"warmup {warmup:g} and decay {decay:g} take {warmup_steps + decay_steps} steps of {total_steps}: "
            "they must fit into the run; shorten them or train longer"
        )
    return _schedule(
        optimizer, warmup_stable_decay_factor, total_steps, warmup, decay_steps=decay_steps, final=final, curve=curve
    )


def plateau(
    optimizer: Optimizer,
    total_steps: int,
    *,
    mode: Literal["min", "max"] = "min",
    factor: Probability = 0.1,
    patience: NonNegativeInt = 5,
    threshold: NonNegativeFloat = 1e-4,
) -> ReduceLROnPlateau:
    """Drop the learning rate when the monitored metric stops improving.

    The one schedule that is stepped after a validation, with the metric; its type tells.

    Args:
        optimizer: what is scheduled.
        total_steps: not used; here to match the other schedules.
        mode: whether a lower or a higher metric is better.
        factor: what each drop multiplies by.
        patience: validations without improvement before a drop.
        threshold: relative change that counts as improvement.

    Returns:
        The schedule.
    """
    return ReduceLROnPlateau(optimizer, mode=mode, factor=factor, patience=patience, threshold=threshold)


def num_steps(length: float, total_steps: int) -> int:
    """Turn a length that is a fraction of the run (below 1) or a number of steps into a number of steps."""
    return round(length if length >= 1 else length * total_steps)


def _schedule(
    optimizer: Optimizer, factor: Callable[..., float], total_steps: int, warmup: float, **options: object
) -> LambdaLR:
    """Bind a factor to a run's length, after checking it."""
    if total_steps <= 0:
        raise ValueError(f"total_steps {total_steps}: a schedule needs at least 1 step; train on more data or longer")
    warmup_steps = num_steps(warmup, total_steps)
    if warmup_steps > total_steps:
        raise ValueError(
            f"warmup {warmup:g}: the run has {total_steps} steps in all; give a fraction below 1 or train longer"
        )
    return LambdaLR(optimizer, partial(factor, total_steps=total_steps, warmup_steps=warmup_steps, **options))
