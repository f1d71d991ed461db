"""The losses and metrics of one stage (train, val or test), fed in bulk.

One update of a torchmetrics metric costs about 0.3 ms of Python and reading a loss stops a GPU. A step therefore only
appends tensors to a list, and each `window` steps the list is joined and handed over at once.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from zoo.metrics.sample_mean import SampleMean


class StageMetrics(nn.Module):
    """Averages losses over samples and keeps metrics, without synchronising in the step.

    Args:
        metrics: torchmetrics by the name they are logged under; their states are gathered over processes.
        finish: what is left to do to predictions, done to those of a whole window at once.
        window: number of steps that are joined before the metrics see them.
    """

    def __init__(self, metrics: Mapping[str, Metric], *, finish: Callable[[Tensor], Tensor], window: int = 50) -> None:
        super().__init__()
        self.finish = finish
        self.metrics = MetricCollection(dict(metrics), compute_groups=False) if metrics else None
        self.losses: dict[str, SampleMean] = {}
        self.window = window
        self._losses: list[dict[str, Tensor]] = []
        self._preds: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._sizes: list[int] = []

    def append(self, losses: Mapping[str, Tensor], preds: Tensor, targets: Tensor) -> bool:
        """Takes one batch in; True says that the window is full, and `flush` or `feed` due.

        Args:
            losses: scalars, averaged over the batch.
            preds: (B, ...) what the metrics compare with `targets`.
            targets: (B, ...).
        """
        self._losses.append({name: loss.detach() for name, loss in losses.items()})
        self._sizes.append(targets.shape[0])
        if self.metrics is not None:
            self._preds.append(preds)
            self._targets.append(targets)
        return self.is_full

    @property
    def is_full(self) -> bool:
        """Whether a window's worth of batches is pending."""
        return len(self._losses) >= self.window

    def has_pending(self, name: str) -> bool:
        """Whether a batch that waits for `flush` or `feed` had a loss of that name."""
        return any(name in losses for losses in self._losses)

    def drop(self, num_batches: int) -> None:
        """Forgets the last batches that were appended."""
        for pending in self._pending():
            del pending[len(pending) - min(num_batches, len(pending)) :]

    def state(self) -> dict[str, Any]:
        """Returns all that was gathered so far, pending batches as they are, as plain values and tensors."""
        return {
            "losses": {name: _metric_state(loss) for name, loss in self.losses.items()},
            "metrics": {name: _metric_state(metric) for name, metric in self._named_metrics()},
            "pending": [list(pending) for pending in self._pending()],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state` has returned."""
        self.losses = {name: SampleMean() for name in state["losses"]}
        for name, loss in self.losses.items():
            _load_metric(loss, state["losses"][name])
        for name, metric in self._named_metrics():
            if name in state["metrics"]:
                _load_metric(metric, state["metrics"][name])
        for pending, saved in zip(self._pending(), state["pending"], strict=True):
            pending[:] = saved

    def move(self, device: torch.device) -> None:
        """Moves to a device what is no part of the module: losses, and batches that are pending."""
        for loss in self.losses.values():
            loss.to(device)
        self._losses[:] = [{name: value.to(device) for name, value in losses.items()} for losses in self._losses]
        self._preds[:] = [preds.to(device) for preds in self._preds]
        self._targets[:] = [targets.to(device) for targets in self._targets]

    def _named_metrics(self) -> list[tuple[str, Metric]]:
        return list(self.metrics.items()) if self.metrics is not None else []

    def _pending(self) -> tuple[list[Any], ...]:
        return self._losses, self._preds, self._targets, self._sizes

    def flush(self) -> dict[str, float]:
        """Feeds what is pending to losses and metrics and returns its own averages, for the chart against steps."""
        return {name: float(value) for name, value in self.feed(averages=True).items()}

    def feed(self, *, averages: bool = False) -> dict[str, Tensor]:
        """Feeds what is pending to losses and metrics; what it returns has those of metrics only if asked for."""
        if not self._losses:
            return {}
        device = next(iter(self._losses[0].values())).device
        values: dict[str, Tensor] = {}
        for name in dict.fromkeys(name for losses in self._losses for name in losses):
            # Not every step has every loss: a generator's may come less often than a discriminator's.
            having = [
                (losses[name], size) for losses, size in zip(self._losses, self._sizes, strict=True) if name in losses
            ]
            found, sizes = zip(*having, strict=True)
            weights = torch.tensor(sizes, dtype=torch.float32, device=device)
            if name not in self.losses:
                self.losses[name] = SampleMean().to(device)
            values[name] = self.losses[name](torch.stack(found), weights)
        if self.metrics is not None:
            preds, targets = self.finish(torch.cat(self._preds)), torch.cat(self._targets)
            if averages:
                values |= self.metrics(preds, targets)
            else:
                self.metrics.update(preds, targets)
        for pending in self._pending():
            pending.clear()
        return values

    def so_far(self) -> dict[str, float]:
        """Returns the average losses of all batches since the stage began, of this process; they stay as they are."""
        sums = {name: (loss.total, loss.samples) for name, loss in self.losses.items()}
        for losses, size in zip(self._losses, self._sizes, strict=True):
            for name, value in losses.items():
                total, samples = sums.get(name, (value.new_zeros(()), value.new_zeros(())))
                sums[name] = total + value * size, samples + size
        return {name: float(total / samples) for name, (total, samples) in sums.items() if samples > 0}

    def compute(self) -> dict[str, Tensor]:
        """Returns the losses and metrics of the whole stage, over all processes, and starts anew."""
        self.feed()
        values = {name: loss.compute() for name, loss in self.losses.items()}
        if self.metrics is not None and values:
            values |= self.metrics.compute()
            self.metrics.reset()
        for loss in self.losses.values():
            loss.reset()
        return values


def _metric_state(metric: Metric) -> dict[str, Any]:
    """Returns the state of a metric and of those that it wraps, by their place in it."""
    return {
        place: {"count": part.update_count, "values": {name: getattr(part, name) for name in part._defaults}}
        for place, part in _parts(metric)
    }


def _load_metric(metric: Metric, state: Mapping[str, Any]) -> None:
    for place, part in _parts(metric):
        for name, value in state[place]["values"].items():
            setattr(part, name, value)
        part._update_count, part._computed = state[place]["count"], None


def _parts(metric: Metric) -> list[tuple[str, Metric]]:
    return [(place, part) for place, part in metric.named_modules() if isinstance(part, Metric)]
