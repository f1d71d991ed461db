"""The model's graph in TensorBoard."""

import contextlib
import io
import logging
import warnings
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn

from zoo.callbacks.tensorboard import TensorBoard
from zoo.ranges import PositiveInt

log = logging.getLogger(__name__)


class ModelGraph(Callback):
    """Traces the model in evaluation mode with one input, in the first validation; what fails is one line in the log.

    Args:
        max_parameters: larger models are left out: their graphs take long to trace, and the page to draw.
    """

    def __init__(self, max_parameters: PositiveInt = 50_000_000) -> None:
        self.max_parameters = max_parameters

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Writes the graph once training has begun, and then takes itself out of the loop."""
        if trainer.sanity_checking:
            return
        self.on_validation_batch_end = None  # type: ignore[assignment,method-assign]
        loggers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoard)]
        if not loggers or not trainer.is_global_zero:
            return
        if not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
            # The others run a forward pass on all ranks together.
            log.warning("no model graph: %s has the model in parts", type(trainer.strategy).__name__)
            return
        model: nn.Module = pl_module.model  # type: ignore[assignment]
        inputs = _inputs(pl_module, batch)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        if parameters > self.max_parameters:
            log.warning("no model graph: %d parameters, more than max_parameters %d", parameters, self.max_parameters)
        elif inputs:
            for logger in loggers:
                write_graph(logger, model, tuple(value[:1] for value in inputs), trainer.global_step)


def _inputs(module: LightningModule, batch: Any) -> tuple[Tensor, ...]:
    """Returns what a task calls its model with; nothing where it cannot be told."""
    if not isinstance(batch, dict) or not isinstance(batch.get("input"), Tensor):
        return ()
    found: tuple[Tensor, ...] = getattr(module, "model_inputs", lambda batch: (batch["input"],))(batch)
    return found


def write_graph(logger: TensorBoard, model: nn.Module, example: Tensor | tuple[Tensor, ...], step: int) -> None:
    """Writes the graph of a model, whose modes and the random state stay as they are.

    Args:
        logger: where to.
        model: any module.
        example: its input, or its inputs, on its device.
        step: number of optimizer steps so far.
    """
    training = [module for module in model.modules() if module.training]
    compiled, model._compiled_call_impl = model._compiled_call_impl, None  # what torch.compile made cannot be traced
    first = example[0] if isinstance(example, tuple) else example
    devices = [first.device] if first.is_cuda else []
    try:
        with (
            torch.random.fork_rng(devices=devices),
            torch.no_grad(),
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),  # add_graph prints what it raises
        ):
            warnings.simplefilter("ignore")
            logger.writer("train", step).add_graph(model.eval(), example)
    except Exception as error:
        # The tracer meets any model's code and raises anything; the page without its graph is still a page.
        log.warning("no model graph: %s", str(error).strip().splitlines()[0] if str(error).strip() else repr(error))
    finally:
        model._compiled_call_impl = compiled
        for module in training:
            module.training = True
