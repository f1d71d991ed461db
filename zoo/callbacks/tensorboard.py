"""The TensorBoard page of a run: stages on one chart, steps and epochs as axes, hyper-parameters with final metrics.

TensorBoard draws equal tags of different runs on one chart, so `train/loss` and `val/loss` become the tag `loss` of the
runs `train` and `val`. It knows no epoch axis, so that the same values stand once more under `epoch/loss`, with the
epoch as their step. Hyper-parameters and final metrics share a run `hparams` of their own: the HParams tab takes every
scalar of a session's run and of those below it as a column, and here it shall show the final metrics alone. No
"experiment" is declared: TensorBoard would take the first one it finds for the columns of all runs.
"""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from zoo.ranges import PositiveInt

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

STAGES = ("train", "val", "test")
HPARAM_SECTIONS = ("data", "model", "task", "optimizer", "scheduler", "finetune", "trainer", "seed")


class TensorBoard(Logger):
    """Writes event files, one folder a stage, without slowing the steps down.

    Nothing is imported or opened before the first value arrives, which is after the first step. Writing is done by a
    thread. In the folder of a run that is resumed, older values from the first new step on are marked as replaced.

    Args:
        directory: where the event folders are made.
        flush_seconds: a killed run loses at most the values of this many seconds.
    """

    def __init__(self, directory: str | Path, *, flush_seconds: PositiveInt = 5) -> None:
        super().__init__()
        self._directory = Path(directory)
        self._flush_seconds = flush_seconds
        self._writers: dict[str, SummaryWriter] = {}
        self._hparams: dict[str, str | float] = {}
        self._epoch = 0
        self._epoch_values: dict[str, float] = {}

    @property
    def name(self) -> str:
        """The name Lightning shows."""
        return "tensorboard"

    @property
    def version(self) -> str:
        """None is needed: the directory belongs to one run."""
        return ""

    @property
    def save_dir(self) -> str:
        """Where the event folders are."""
        return str(self._directory)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds a point to the curve of each metric.

        Lightning adds `epoch` to what belongs to the epoch axis, but to the values of single training steps as well.
        So a plain training value waits until the epoch is over, and the last one counts; `name_epoch` and the values
        of other stages are final when they come.

        Args:
            metrics: values by logged name, with the number of the epoch under `epoch` where Lightning gives it.
            step: number of optimizer steps so far.
        """
        step = step or 0
        values = dict(metrics)
        epoch = values.pop("epoch", None)
        if epoch is not None and int(epoch) != self._epoch:
            self._end_epoch()
            self._epoch = int(epoch)
        for name, value in values.items():
            run, tag = split_stage(name)
            metric = tag.removesuffix("_step").removesuffix("_epoch")
            if not tag.endswith("_epoch"):
                self.writer(run, step).add_scalar(metric, value, step)
            if epoch is None or tag.endswith("_step"):
                continue
            if run == "train" and not tag.endswith("_epoch"):
                self._epoch_values[metric] = value
            else:
                self.writer(run, step).add_scalar(f"epoch/{metric}", value, self._epoch)
        if epoch is not None and any(split_stage(name)[0] != "train" for name in values):
            self._flush()
        self._start_session()

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Keeps what makes the run, to be written with the first metrics.

        Args:
            params: the resolved config; of its sections, those of `HPARAM_SECTIONS` are kept.
            args: none; Lightning's signature.
            kwargs: none; Lightning's signature.
        """
        config = vars(params) if isinstance(params, Namespace) else params
        self._hparams = flatten({name: config[name] for name in HPARAM_SECTIONS if name in config})

    @rank_zero_only
    def log_image(self, name: str, image: np.ndarray, step: int) -> None:
        """Shows a picture.

        Args:
            name: `stage/name`, as for metrics.
            image: 8-bit, (H, W, 3) or (H, W, 1).
            step: number of optimizer steps so far.
        """
        run, tag = split_stage(name)
        self.writer(run, step).add_image(tag, image, step, dataformats="HWC")

    @rank_zero_only
    def log_text(self, name: str, text: str, step: int) -> None:
        """Shows a text in Markdown under `stage/name`, at a step."""
        run, tag = split_stage(name)
        self.writer(run, step).add_text(tag, text, step)

    def writer(self, run: str, step: int) -> "SummaryWriter":
        """The open writer of one event folder.

        Args:
            run: name of the folder.
            step: number of optimizer steps so far: if the folder holds values already, they count up to this step.
        """
        if run not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            folder = self._directory / run
            purge_step = step if any(folder.glob("events.out.tfevents.*")) else None
            self._writers[run] = SummaryWriter(str(folder), purge_step=purge_step, flush_secs=self._flush_seconds)
        return self._writers[run]

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Writes what is pending; Lightning calls this at the end of fit and of test, and more may come.

        Args:
            status: Lightning's word for how it ended.
        """
        self._end_epoch()

    @rank_zero_only
    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Fills the metric columns of the HParams tab and closes the files.

        Args:
            metrics: the run's final metrics; those named `stage/name` become columns.
        """
        self._end_epoch()
        self._start_session()
        writer = self.writer("hparams", 0)
        for name, value in metrics.items():
            if name.partition("/")[0] in STAGES and isinstance(value, int | float):
                writer.add_scalar(name, value, int(metrics.get("global_step", 0)))
        writer._get_file_writer().add_summary(_session_summaries({})[1])
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _end_epoch(self) -> None:
        for metric, value in self._epoch_values.items():
            self.writer("train", 0).add_scalar(f"epoch/{metric}", value, self._epoch)
        self._epoch_values.clear()
        self._flush()

    def _flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()

    def _start_session(self) -> None:
        if self._hparams:
            self.writer("hparams", 0)._get_file_writer().add_summary(_session_summaries(self._hparams)[0])
            self._hparams = {}


def split_stage(name: str) -> tuple[str, str]:
    """The event folder and the tag of a logged name: `val/loss` is `loss` of `val`; what has no stage is training's."""
    stage, _, tag = name.partition("/")
    return (stage, tag) if stage in STAGES and tag else ("train", name)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str | float]:
    """The leaves of a config by dotted name, as the numbers and strings the HParams tab can show.

    Args:
        config: nested mappings of plain values.
        prefix: dotted name of the mapping.

    Returns:
        One entry a leaf; that of a `_target_` is the class's short name under the name of its mapping.
    """
    leaves: dict[str, str | float] = {}
    for key, value in config.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            leaves |= flatten(value, name)
        elif key == "_target_":
            leaves[prefix] = str(value).rpartition(".")[2]
        elif value is None or isinstance(value, bool):
            leaves[name] = {None: "null", True: "true", False: "false"}[value]
        elif not str(key).startswith("_"):
            leaves[name] = value if isinstance(value, int | float) else str(value)
    return leaves


def _session_summaries(hparams: Mapping[str, str | float]) -> tuple[Any, Any]:
    from torch.utils.tensorboard.summary import hparams as hparams_summaries

    _, start, end = hparams_summaries(dict(hparams), {})
    return start, end
