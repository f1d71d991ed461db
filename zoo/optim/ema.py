"""An exponential moving average of weights that is useful from the first steps on.

With a constant decay of 0.999 the average carries the initial weights for thousands of steps. The warm-up
min(decay, (1 + n) / (10 + n)) is that of TensorFlow's ExponentialMovingAverage.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from zoo.ranges import Probability


def warmup_ema(decay: Probability = 0.999) -> Callable[[list[Tensor], list[Tensor], Tensor | int], None]:
    """Returns a `multi_avg_fn` of `torch.optim.swa_utils.AveragedModel`.

    Args:
        decay: share of the average that a step keeps, once warmed up.
    """

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], num_averaged: Tensor | int) -> None:
        count = int(num_averaged)
        weight = 1 - min(decay, (1 + count) / (10 + count))
        if torch.is_floating_point(averaged[0]):
            torch._foreach_lerp_(averaged, current, weight)
        else:  # counters, such as BatchNorm's num_batches_tracked
            torch._foreach_copy_(averaged, current)

    return update
