"""A task with two optimizers that take turns, as those of a GAN do, and noise in each step."""

from typing import Any

import torch
from torch import Tensor, nn

from zoo.batch import Batch
from zoo.tasks.classification import ClassificationTask


class TwoOptimizersTask(ClassificationTask):
    """The last parameters are trained by an optimizer of their own, by manual optimisation."""

    def __init__(self, model: nn.Module, **options: Any) -> None:
        super().__init__(model, **options)
        self.automatic_optimization = False

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self._seed_step(batch_idx)
        loss = torch.zeros(())
        for optimizer in self.optimizers():
            noisy = {**batch, "input": batch["input"] + 0.1 * torch.randn_like(batch["input"])}
            loss = self.losses(self(noisy), batch)["loss"]
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        self.train_record.append({"loss": loss}, *self.compare(self(batch), batch))
        return loss.detach()

    def configure_optimizers(self) -> Any:
        first, last = list(self.model.parameters())[:-2], list(self.model.parameters())[-2:]
        return [torch.optim.Adam(first, lr=0.01), torch.optim.SGD(last, lr=0.01, momentum=0.9)]
