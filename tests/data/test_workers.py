import os
import signal
import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from zoo.data.workers import batches_of, outlive_one_signal
from zoo.errors import TrainingStopped


class Numbers(Dataset[int]):
    """Numbers from 0; some rows misbehave."""

    def __init__(self, count: int = 200, *, seconds: float = 0.0, dies_at: int = -1, fails_at: int = -1) -> None:
        self.count, self.seconds, self.dies_at, self.fails_at = count, seconds, dies_at, fails_at

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> int:
        time.sleep(self.seconds)
        if row == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if row == self.fails_at:
            raise KeyError("a defect of ours")
        return row


def loader_of(dataset: Dataset[int], num_workers: int = 2, **options) -> DataLoader[int]:
    return DataLoader(dataset, batch_size=4, num_workers=num_workers, **options)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)  # until the signal of its death has come


@pytest.mark.parametrize("num_workers", [0, 2])
def test_all_batches_come_in_order_when_nothing_dies(num_workers):
    loader = loader_of(Numbers(), num_workers, persistent_workers=num_workers > 0)
    for _ in range(2):
        assert torch.cat(list(batches_of(loader))).tolist() == list(range(200))


def test_a_worker_that_dies_while_its_batch_is_waited_for_is_one_line():
    with pytest.raises(TrainingStopped) as error:
        list(batches_of(loader_of(Numbers(dies_at=100))))
    assert error.value.where == "data.num_workers"
    assert "was killed by SIGKILL, as the system does when memory runs out" in error.value.problem
    assert error.value.exit_code == 3 and "\n" not in str(error.value)


def test_a_worker_that_is_killed_between_two_batches_ends_the_next_wait():
    before = {child.pid for child in torch.multiprocessing.active_children()}
    batches = batches_of(loader_of(Numbers()))
    next(batches)
    pid = next(child.pid for child in torch.multiprocessing.active_children() if child.pid not in before)
    kill(pid)  # and nothing is raised here, where a step would be half done
    started = time.monotonic()
    with pytest.raises(TrainingStopped, match=f"worker process {pid} was killed"):
        list(batches)
    assert time.monotonic() - started < 5


def test_a_worker_of_another_loader_that_is_killed_is_noticed_too():
    before = {child.pid for child in torch.multiprocessing.active_children()}
    validation = loader_of(Numbers(8), persistent_workers=True)
    list(batches_of(validation))
    idle = next(child.pid for child in torch.multiprocessing.active_children() if child.pid not in before)
    batches = batches_of(loader_of(Numbers()))
    next(batches)
    kill(idle)
    with pytest.raises(TrainingStopped, match=f"worker process {idle}"):
        list(batches)


# Where a worker dies while a batch is handed over, torch opens files to see whether there are too many, and leaves one.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO:pytest.PytestUnraisableExceptionWarning")
def test_a_worker_outlives_one_signal_but_not_two():
    before = {child.pid for child in torch.multiprocessing.active_children()}
    batches = batches_of(loader_of(Numbers(400), worker_init_fn=outlive_one_signal))
    for _ in range(4):  # both have begun
        next(batches)
    worker = next(child for child in torch.multiprocessing.active_children() if child.pid not in before)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        os.kill(worker.pid, number)
    time.sleep(0.2)
    assert worker.is_alive()
    for _ in range(8):  # a worker that waits for work looks at its signals when it gets some
        next(batches)
        time.sleep(0.02)
    os.kill(worker.pid, signal.SIGTERM)
    with pytest.raises(TrainingStopped, match=f"worker process {worker.pid} was killed by SIGTERM"):
        for _ in batches:
            time.sleep(0.01)


def test_loaders_after_a_death_work():
    with pytest.raises(TrainingStopped):
        list(batches_of(loader_of(Numbers(dies_at=0))))
    assert len(list(batches_of(loader_of(Numbers())))) == 50


def test_no_worker_is_left_behind():
    before = {child.pid for child in torch.multiprocessing.active_children()}
    with pytest.raises(TrainingStopped):
        list(batches_of(loader_of(Numbers(dies_at=50))))
    assert {child.pid for child in torch.multiprocessing.active_children()} <= before


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_defect_in_a_worker_stays_a_defect(num_workers):
    with pytest.raises(KeyError, match="a defect of ours"):
        list(batches_of(loader_of(Numbers(fails_at=50), num_workers)))
