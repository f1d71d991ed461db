"""Windows of a text: every token of a split is judged once, and training sees all of it, in an order of its own."""

import numpy as np
import pytest
import torch

from zoo.batch import NO_TARGET
from zoo.data.order import SequentialOrder, ShuffledOrder
from zoo.data.windows import EvaluationWindows, TrainingWindows, num_training_windows, training_starts


def training(num_tokens: int = 1000, *, context_length: int = 8, seed: int = 0, **options) -> TrainingWindows:
    tokens = np.arange(num_tokens, dtype=np.uint16)
    size = options.pop("windows", num_training_windows(num_tokens, context_length))
    order = ShuffledOrder(size, seed)
    return TrainingWindows(tokens, context_length=context_length, order=order, batch_size=4, drop_last=True, **options)


def evaluation(num_tokens: int, *, context_length: int = 8, stride: int = 8, batch_size: int = 4) -> EvaluationWindows:
    size = EvaluationWindows.count(num_tokens, context_length=context_length, stride=stride)
    tokens, order = np.arange(num_tokens, dtype=np.uint16), SequentialOrder(size)
    return EvaluationWindows(tokens, context_length=context_length, stride=stride, order=order, batch_size=batch_size)


@pytest.mark.parametrize("stride", [8, 5, 1])
@pytest.mark.parametrize("num_tokens", [9, 10, 16, 17, 18, 41, 100])
def test_each_token_but_the_first_is_a_target_once(num_tokens: int, stride: int) -> None:
    loader = evaluation(num_tokens, stride=stride)
    targets = torch.cat([batch["target"].flatten() for batch in loader])
    assert targets[targets != NO_TARGET].tolist() == list(range(1, num_tokens))
    assert len(list(loader)) == len(loader)


def test_windows_that_overlap_predict_from_more_of_the_text() -> None:
    for batch in evaluation(100, stride=2):
        known = torch.arange(8).expand(len(batch["target"]), 8)[batch["target"] != NO_TARGET]
        assert (known[8 if 0 in batch["index"] else 0 :] >= 6).all()


def test_a_target_is_the_token_after_its_input() -> None:
    for loader in (training(), evaluation(100)):
        for batch in loader:
            assert batch["input"].dtype == batch["target"].dtype == torch.int64
            assert torch.equal(batch["input"][:, 1:], batch["target"][:, :-1]) or isinstance(loader, EvaluationWindows)
            assert torch.equal(batch["input"][:, 0], batch["index"])


def test_a_pass_through_the_text_has_each_window_once_and_the_next_cuts_them_elsewhere() -> None:
    windows = num_training_windows(1000, 8)
    starts = training_starts(np.arange(3 * windows), num_tokens=1000, context_length=8, seed=0).reshape(3, windows)
    for one in starts:
        assert (np.diff(np.sort(one)) == 8).all() and one.min() >= 0 and one.max() + 8 < 1000
    assert len(set(starts.min(1).tolist())) > 1


def test_epochs_of_fewer_windows_go_on_through_the_text_before_any_comes_again() -> None:
    windows = num_training_windows(1000, 8)  # 124, in epochs of 31
    loader, seen = training(windows=windows // 4), []
    for epoch in range(4):
        loader.sampler.set_epoch(epoch)
        seen += [start for batch in loader for start in batch["index"].tolist()]
    assert len(seen) == len(set(seen)) == 4 * 28  # whole batches of four


def test_the_windows_are_a_function_of_seed_and_epoch() -> None:
    def starts(seed: int, epoch: int) -> list[int]:
        loader = training(seed=seed)
        loader.sampler.set_epoch(epoch)
        return [start for batch in loader for start in batch["index"].tolist()]

    assert starts(0, 1) == starts(0, 1)
    assert starts(0, 1) != starts(0, 0) and starts(0, 1) != starts(1, 1)


def test_an_epoch_goes_on_at_the_batch_it_was_left_at() -> None:
    whole, rest = [[batch["index"].tolist() for batch in training(start=lambda done=done: done)] for done in (0, 20)]
    assert rest == whole[20:]


@pytest.mark.parametrize("train", [True, False])
def test_processes_share_the_windows(train: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def starts(rank: int, processes: int) -> list[list[int]]:
        for module in ("zoo.data.windows", "zoo.data.order"):
            monkeypatch.setattr(f"{module}.rank_and_world_size", lambda: (rank, processes))
        return [batch["index"].tolist() for batch in (training() if train else evaluation(300))]

    alone, (first, second) = starts(0, 1), (starts(rank, 2) for rank in (0, 1))
    assert len(first) == len(second)
    together = sorted(start for part in (first, second) for batch in part for start in batch)
    if train:  # 31 batches, of which one does not fill a step of both
        assert [sorted(a + b) for a, b in zip(first, second, strict=True)] == [
            sorted(a + b) for a, b in zip(alone[::2], alone[1::2], strict=False)
        ]
    else:
        assert together == [start for batch in alone for start in batch]


@pytest.mark.parametrize("num_tokens", [9, 10, 17])
def test_a_text_of_hardly_a_window_is_trained_on(num_tokens: int) -> None:
    starts = training_starts(np.arange(50), num_tokens=num_tokens, context_length=8, seed=0)
    assert set(starts.tolist()) <= set(range(num_tokens - 8))
