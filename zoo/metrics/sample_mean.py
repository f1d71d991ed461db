"""The mean over samples of what batches give as means; torchmetrics' own leaves NaN out, and so hides it."""

import torch
from torch import Tensor
from torchmetrics import Metric


class SampleMean(Metric):
    """Averages values by the number of samples that each stands for, over all processes."""

    full_state_update = False
    total: Tensor
    samples: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Made within a step under precision=bf16-true, they would be of 8 bits, and of others where a run is resumed.
        self.add_state("total", torch.tensor(0.0, dtype=torch.float32), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0.0, dtype=torch.float32), dist_reduce_fx="sum")

    def update(self, values: Tensor, samples: Tensor) -> None:
        """Takes values in.

        Args:
            values: means of batches, (N,).
            samples: how many samples each stands for, (N,).
        """
        self.total += (values * samples).sum()
        self.samples += samples.sum()

    def compute(self) -> Tensor:
        """Returns the mean."""
        return self.total / self.samples
