"""The TensorBoard page of a run: stages on one chart, steps and epochs as axes, hyper-parameters with final metrics.

TensorBoard draws equal tags of different runs on one chart, so `train/loss` and `val/loss` become the tag `loss` of the
runs `train` and `val`. It knows no epoch axis, so that the values of whole epochs stand once more under `epoch/loss`,
with the epoch as their step. Hyper-parameters and final metrics have a run `hparams` to themselves: the HParams tab
makes a column of every scalar in a session's run and below it, and only the final metrics shall be columns. No
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

# Of histograms: the page shows no finer ones, and the thousand that the writer makes by itself take ten times as long.
_BINS = 64

STAGES = ("train", "val", "test")
HPARAM_SECTIONS = ("data", "model", "task", "optimizer", "scheduler", "finetune", "trainer", "seed")


class TensorBoard(Logger):
    """Writes event files under `tensorboard/`, one folder a stage, without slowing the steps down.

    Nothing is imported or opened before the first value arrives, which is after the first step; a thread does the
    writing. In the folders of a run that is resumed, older values from its first new step on are marked as replaced.

    Args:
        save_dir: directory of the run.
        flush_seconds: a killed run loses at most the values of this many seconds.
    """

    def __init__(self, save_dir: str | Path, *, flush_seconds: PositiveInt = 5) -> None:
        super().__init__()
        self._save_dir = Path(save_dir)
        self._flush_seconds = flush_seconds
        self._writers: dict[str, SummaryWriter] = {}
        self._stepwise: set[str] = set()
        self._hparams: dict[str, str | float] = {}
        self._final: dict[str, float] = {}
        self._last_step = 0
        self._ended = False

    @property
    def name(self) -> str:
        """What Lightning calls the logger."""
        return "tensorboard"

    @property
    def version(self) -> str:
        """Empty: a run's directory is its own."""
        return ""

    @property
    def save_dir(self) -> str:
        """The directory of the run."""
        return str(self._save_dir)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds a point to the curve of each metric.

        Values of a whole epoch come from `self.log` in an epoch's last hook, and Lightning adds their `epoch`; they are
        drawn against epochs, and against steps unless that curve has finer values. All other values come from a direct
        call, without `epoch`. A test is no curve, and its weights may be those of an earlier epoch.

        Args:
            metrics: values by logged name.
            step: number of optimizer steps so far.
        """
        self._last_step = step = step or 0
        values = dict(metrics)
        epoch = values.pop("epoch", None)
        if epoch is None:
            self._stepwise.update(values)
        for name, value in values.items():
            run, tag = split_stage(name)
            writer = self.writer(run, step)
            if epoch is None or name not in self._stepwise:
                writer.add_scalar(tag, value, step)
            if epoch is not None and run != "test":
                writer.add_scalar(f"epoch/{tag}", value, int(epoch))
        self._final.update({name: value for name, value in values.items() if name.partition("/")[0] in STAGES})
        self._start_session()
        if epoch is not None:
            self._flush()

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Keeps what makes the run, to be written with the first metrics.

        Args:
            params: the resolved config; of its sections, those of `HPARAM_SECTIONS` are kept.
            args: nothing; Lightning's signature has them.
            kwargs: nothing; Lightning's signature has them.
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
    def log_audio(self, name: str, sound: np.ndarray, step: int, *, sample_rate: int) -> None:
        """Offers a sound to listen to.

        Args:
            name: `stage/name`, as for metrics.
            sound: from -1 to 1, (T,).
            step: number of optimizer steps so far.
            sample_rate: samples in a second.
        """
        run, tag = split_stage(name)
        self.writer(run, step).add_audio(tag, sound.clip(-1, 1)[None], step, sample_rate)

    @rank_zero_only
    def log_histogram(self, name: str, values: np.ndarray, step: int) -> None:
        """Shows how values are spread under `stage/name`, at a step."""
        run, tag = split_stage(name)
        self.writer(run, step).add_histogram(tag, values, step, bins=_BINS)

    @rank_zero_only
    def log_text(self, name: str, text: str, step: int) -> None:
        """Shows a text in Markdown under `stage/name`, at a step."""
        run, tag = split_stage(name)
        self.writer(run, step).add_text(tag, text, step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Fills the columns of the HParams tab with the newest metrics; called at the end of fit and again of test.

        Args:
            status: Lightning's word: `success` ends the session, after anything else it may be resumed.
        """
        if not self._writers:
            return
        writer = self.writer("hparams", 0)
        for name, value in self._final.items():
            writer.add_scalar(name, value, self._last_step)
        self._final.clear()
        if status == "success" and not self._ended:
            _write_session(writer, None)
            self._ended = True
        self._flush()

    def writer(self, run: str, step: int) -> "SummaryWriter":
        """The open writer of one event folder, for the process of rank zero.

        Args:
            run: name of the folder.
            step: number of optimizer steps so far; what the folder holds from here on is replaced.
        """
        if run not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            folder = str(self._save_dir / "tensorboard" / run)
            # In a fresh folder, too: a reader takes the second mark of a start for the first resumption.
            self._writers[run] = SummaryWriter(folder, purge_step=step, flush_secs=self._flush_seconds)
        return self._writers[run]

    def _flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()

    def _start_session(self) -> None:
        if self._hparams:
            _write_session(self.writer("hparams", 0), self._hparams)
            self._hparams = {}


def split_stage(name: str) -> tuple[str, str]:
    """The event folder and the tag of a logged name: `val/loss` is `loss` of `val`; what has no stage is training's."""
    stage, _, tag = name.partition("/")
    return (stage, tag) if stage in STAGES and tag else ("train", name)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str | float]:
    """The leaves of a config by dotted name, as the numbers and strings that the HParams tab can show.

    Args:
        config: nested mappings of plain values.
        prefix: dotted name of the mapping.

    Returns:
        One entry a leaf; that of a `_target_` is the short name of the class, under the name of its mapping.
    """
    leaves: dict[str, str | float] = {}
    for key, value in config.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            leaves |= flatten(value, name)
        elif key == "_target_":
            leaves[prefix] = str(value).rpartition(".")[2]
        elif str(key).startswith("_"):
            continue  # the likes of _partial_
        elif value is None or isinstance(value, bool):
            leaves[name] = "null" if value is None else str(value).lower()
        else:
            leaves[name] = value if isinstance(value, int | float) else str(value)
    return leaves


def _write_session(writer: "SummaryWriter", hparams: Mapping[str, str | float] | None) -> None:
    """Starts a session of the HParams tab with its hyper-parameters, or with None ends it."""
    from torch.utils.tensorboard.summary import hparams as summaries

    _, start, end = summaries(dict(hparams or {}), {})  # type: ignore[no-untyped-call]
    writer._get_file_writer().add_summary(end if hparams is None else start)  # type: ignore[no-untyped-call]
