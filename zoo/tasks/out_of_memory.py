"""What a run says when its memory runs out: the size of the batch, and one that fits."""

import gc
import traceback
from types import TracebackType

from lightning.pytorch import Trainer

from zoo.errors import TrainingStopped
from zoo.memory import available_memory
from zoo.tasks.base import Task
from zoo.tasks.batch_size import largest_batch_size
from zoo.tasks.resumable import ResumableModule
from zoo.tasks.trial_step import Data

_EVALUATION = "evaluation_loop.py"  # of Lightning, for validation and test


def out_of_memory(error: BaseException, *, trainer: Trainer, task: ResumableModule, data: Data) -> TrainingStopped:
    """Returns the end of a run whose memory ran out, in one line with a batch size that fits.

    The size is found by `largest_batch_size` once all that the failed step and the optimizer hold is freed, so the run
    cannot go on after it. Where that fails too, it is half of what was tried.

    Args:
        error: what was raised, for which `is_out_of_memory` holds.
        trainer: the trainer that raised it.
        task: the task.
        data: the data module.
    """
    tried, device = data.batch_size, trainer.strategy.root_device
    evaluation = int(getattr(data, "eval_batch_size", tried))
    where = "data.batch_size"
    if evaluation > tried and _in_evaluation(error.__traceback__):
        where, tried = "data.eval_batch_size", evaluation
    free(error, trainer, task)
    left = available_memory(device) / 1e9
    problem = f"out of memory with {tried} samples in a batch ({left:.2f} GB of {device} are free without them)"
    if tried == 1:
        return TrainingStopped(where, problem, "take a smaller model, or smaller samples")
    fitting = f"{where}={_fitting(tried, trainer, task, data)}"
    return TrainingStopped(where, problem, f"set {fitting}, which fits, with allow_changes=true where you resume")


def _fitting(tried: int, trainer: Trainer, task: ResumableModule, data: Data) -> int:
    """Returns a size that fits, well below the one that did not; half of that where none can be found."""
    if not isinstance(task, Task):
        return tried // 2
    try:
        fit = largest_batch_size(
            task,
            data,
            device=trainer.strategy.root_device,
            precision=trainer.precision_plugin,
            processes=trainer.world_size,
            limit=3 * tried // 4,
        )
    except Exception:  # whatever it is, the user must still learn what went wrong before
        return tried // 2
    return fit.batch_size


def free(error: BaseException, trainer: Trainer, task: ResumableModule) -> None:
    """Frees what a failed step holds: the frames of its error, gradients, and the optimizers' state."""
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__
    for parameter in task.parameters():
        parameter.grad = None
    for optimizer in trainer.strategy.optimizers:
        optimizer.state.clear()
    gc.collect()


def _in_evaluation(place: TracebackType | None) -> bool:
    return any(frame.f_code.co_filename.endswith(_EVALUATION) for frame, _ in traceback.walk_tb(place))
