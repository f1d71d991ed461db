"""By how much an exported program differs from the network that it was made of."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import OptionError
from zoo.export.formats import Run
from zoo.export.program import Inputs


@dataclass(frozen=True)
class Difference:
    """What two runs on the same batch differ by.

    Attributes:
        samples: how many the batch has.
        absolute: the largest difference of two numbers.
        relative: likewise, each output's divided by the largest number in it.
    """

    samples: int
    absolute: float
    relative: float


@torch.no_grad()
def differences(network: nn.Module, read: Callable[[], Run], batches: Sequence[Inputs]) -> list[Difference]:
    """Compares an exported program with its network, batch by batch.

    Args:
        network: in evaluation.
        read: returns what runs the program; called once the network has, since it may change its weights.
        batches: what both are called with.

    Returns:
        A difference for each batch, infinite where shapes differ or anything is not finite.

    Raises:
        OptionError: the program fails.
    """
    expected = [network(*inputs) for inputs in batches]
    run = read()
    try:
        found = [run(inputs) for inputs in batches]
    except Exception as error:  # of the library that runs it
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        remedy = "set batch_size=1 or another format, or see why with debug=true"
        raise OptionError("format", f"what was written does not run ({reason})", remedy) from error
    return [_difference(*each) for each in zip(batches, expected, found, strict=True)]


def _difference(inputs: Inputs, expected: Sequence[Tensor], found: Sequence[Tensor]) -> Difference:
    samples = len(inputs[0])
    if [values.shape for values in expected] != [values.shape for values in found]:
        return Difference(samples, math.inf, math.inf)
    absolute, relative = 0.0, 0.0
    for ours, theirs in zip(expected, found, strict=True):
        ours, theirs = ours.double(), theirs.double()
        distance = float((ours - theirs).abs().nan_to_num(nan=math.inf).max()) if ours.numel() else 0.0
        scale = float(ours.abs().nan_to_num().max()) if ours.numel() else 0.0
        absolute = max(absolute, distance)
        relative = max(relative, distance / scale if scale else distance)
    return Difference(samples, absolute, relative)
