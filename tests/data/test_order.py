import pytest
import torch

from zoo.data.order import (
    SequentialOrder,
    ShuffledOrder,
    complement,
    generator,
    num_batches,
    split_into_batches,
    stratified,
)
from zoo.seeds import counted_seed


def order_of(seed: int, epoch: int) -> list[int]:
    order = ShuffledOrder(50, seed)
    order.set_epoch(epoch)
    return list(order)


def test_the_order_is_a_function_of_seed_and_epoch():
    assert order_of(1, 2) == order_of(1, 2)
    assert order_of(1, 2) != order_of(1, 3)
    assert order_of(1, 2) != order_of(2, 2)


def test_the_order_does_not_depend_on_the_global_generator():
    torch.manual_seed(0)
    first = order_of(0, 0)
    torch.manual_seed(1)
    assert order_of(0, 0) == first


def test_every_sample_comes_once_in_an_epoch():
    assert sorted(order_of(3, 4)) == list(range(50))
    assert SequentialOrder(5).rows().tolist() == [0, 1, 2, 3, 4]


def test_counted_seeds_tell_counters_apart():
    assert len({counted_seed(*counters) for counters in [(1, 2), (2, 1), (12,), ("1", 2), (1, 2, 0)]}) == 5


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_the_samples_of_an_epoch(monkeypatch, world_size):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: world_size)
    rows = torch.randperm(50, generator=generator("test"))
    training, evaluation = [], []
    for rank in range(world_size):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        training.append(split_into_batches(rows, 4, drop_last=True))
        evaluation.append(split_into_batches(rows, 4, drop_last=False))
    whole = 50 // (4 * world_size)
    assert all(len(batches) == whole == num_batches(50, 4, drop_last=True) for batches in training)
    assert all(len(batches) == num_batches(50, 4, drop_last=False) for batches in evaluation)
    seen = torch.cat([torch.cat([part[step] for part in training]) for step in range(whole)])
    assert torch.equal(seen, rows[: whole * 4 * world_size])
    shown = torch.cat([batch for batches in evaluation for batch in batches])
    assert sorted(shown.tolist()) == list(range(50))
    assert all(0 < len(batch) <= 4 for batches in evaluation for batch in batches)


def test_a_stratified_draw_is_exact_in_number_and_keeps_the_shares():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    rows = stratified(labels, 20, generator("draw"))
    assert labels[rows].bincount().tolist() == [12, 6, 2]
    assert len(stratified(labels, 7, generator("draw"))) == 7
    assert torch.equal(rows, stratified(labels, 20, generator("draw")))
    assert not torch.equal(rows, stratified(labels, 20, generator("another")))
    assert sorted([*rows.tolist(), *complement(rows, 100).tolist()]) == list(range(100))
