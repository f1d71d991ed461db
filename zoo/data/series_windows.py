"""Batches of windows of a series, each cut from its rows at once."""

from collections.abc import Callable, Iterator

from torch import Tensor

from zoo.batch import Batch
from zoo.data.loader import EpochLoader
from zoo.data.order import Order


class SeriesWindows:
    """Every window of a series, none of them copied before it is asked for.

    Args:
        values: standardised, targets before covariates, (T, C).
        lookback: L, rows that the model sees.
        horizon: H, rows after them, which it forecasts.
        num_targets: N, how many of the columns are forecast.
    """

    def __init__(self, values: Tensor, *, lookback: int, horizon: int, num_targets: int) -> None:
        self.values, self.lookback, self.num_targets = values.contiguous(), lookback, num_targets
        rows, columns = values.shape
        self.length = lookback + horizon
        # Windows lie across each other in memory, so that a batch is one copy of whole windows.
        size = max(rows - self.length + 1, 0), self.length * columns
        self.windows = self.values.as_strided(size, (columns, 1))

    def batch(self, index: Tensor, first: int) -> Batch:
        """Returns windows as "input" (B, L, C) and "target" (B, H, N).

        Args:
            index: number of each window in its split, (B,).
            first: the row at which the first window of the split begins.
        """
        rows = self.windows.index_select(0, index + first).view(len(index), self.length, -1)
        target = rows[:, self.lookback :, : self.num_targets].contiguous()  # kept for metrics, without the rest
        return {"input": rows[:, : self.lookback], "target": target, "index": index}


class SeriesLoader(EpochLoader[Batch]):
    """The windows of a split, batch by batch.

    Args:
        windows: those of the whole series.
        first: the row at which the first window of the split begins.
        order: order of the windows of the split.
        batch_size: windows in a batch of one process.
        drop_last: whether a last batch that is not full is left out.
        start: how many batches of the epoch were trained on before.
    """

    def __init__(
        self,
        windows: SeriesWindows,
        *,
        first: int,
        order: Order,
        batch_size: int,
        drop_last: bool = False,
        start: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(order, batch_size, drop_last=drop_last, start=start)
        self.windows, self.first = windows, first

    def __iter__(self) -> Iterator[Batch]:
        for rows in self.batch_rows(self.windows.values.device):
            yield self.windows.batch(rows, self.first)
