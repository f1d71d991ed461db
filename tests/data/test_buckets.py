"""Batches of texts of like length: each sample once, a function of (seed, epoch), and nothing else."""

import pytest
import torch

from zoo.data import order
from zoo.data.buckets import BucketedOrder, SortedOrder, TextLoader
from zoo.data.token_lists import TokenLists

LENGTHS = torch.randint(1, 60, (1000,), generator=torch.Generator().manual_seed(0))
TOKENS = TokenLists([[row % 50 + 2] * length for row, length in enumerate(LENGTHS.tolist())])
TARGETS = torch.arange(1000)


def bucketed(seed: int = 0, epoch: int = 0, batch_size: int = 16) -> BucketedOrder:
    drawn = BucketedOrder(LENGTHS, batch_size, seed=seed)
    drawn.set_epoch(epoch)
    return drawn


def loader(start: int = 0, epoch: int = 0) -> TextLoader:
    drawn = bucketed(epoch=epoch)
    return TextLoader(TOKENS, TARGETS, order=drawn, batch_size=16, drop_last=True, start=lambda: start)


def test_every_sample_comes_once():
    assert bucketed().rows().sort().values.tolist() == list(range(1000))


def test_the_order_is_a_function_of_seed_and_epoch():
    assert torch.equal(bucketed(1, 2).rows(), bucketed(1, 2).rows())
    assert not torch.equal(bucketed(1, 2).rows(), bucketed(1, 3).rows())
    assert not torch.equal(bucketed(1, 2).rows(), bucketed(2, 2).rows())


def test_little_of_a_batch_is_padding():
    batches = list(loader())
    assert len(batches) == 62
    padding = sum(int((batch["input"] == 0).sum()) for batch in batches)
    total = sum(batch["input"].numel() for batch in batches)
    assert padding / total < 0.1
    shuffled = TOKENS.padded(torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:160])
    assert (shuffled == 0).float().mean() > 0.3


def test_batches_do_not_come_by_length():
    longest = torch.tensor([batch["input"].shape[1] for batch in loader()])
    assert (longest.diff() < 0).float().mean() > 0.3


def test_what_fills_no_batch_is_left_out_by_chance_and_not_by_length():
    left = torch.cat([bucketed(epoch=epoch).rows()[992:] for epoch in range(40)])
    assert 22 < LENGTHS[left].float().mean() < 38
    assert len(left.unique()) > 200


def test_a_batch_holds_the_texts_and_targets_of_its_rows():
    for batch in list(loader())[:3]:
        assert torch.equal(batch["target"], TARGETS[batch["index"]])
        assert torch.equal((batch["input"] != 0).sum(1), LENGTHS[batch["index"]])
        assert torch.equal(batch["input"][:, 0], batch["index"] % 50 + 2)


def test_an_epoch_goes_on_in_its_middle():
    whole, rest = list(loader(epoch=3)), list(loader(start=40, epoch=3))
    assert len(rest) == 22
    assert all(torch.equal(one["input"], other["input"]) for one, other in zip(whole[40:], rest, strict=True))


def test_processes_share_each_global_batch_of_like_length(monkeypatch: pytest.MonkeyPatch):
    seen = []
    for rank in range(2):
        for module in ("zoo.data.buckets", "zoo.data.order"):
            monkeypatch.setattr(f"{module}.rank_and_world_size", lambda rank=rank: (rank, 2))
        seen.append([batch["index"] for batch in loader()])
    assert len(seen[0]) == len(seen[1]) == 31
    together = torch.cat([*seen[0], *seen[1]])
    assert len(together.unique()) == len(together) == 992
    assert order.num_batches(1000, 16, drop_last=True) == 31


def test_evaluation_goes_by_length_and_covers_every_sample():
    sorted_order = SortedOrder(LENGTHS)
    batches = list(TextLoader(TOKENS, TARGETS, order=sorted_order, batch_size=64))
    assert torch.cat([batch["index"] for batch in batches]).sort().values.tolist() == list(range(1000))
    assert LENGTHS[sorted_order.rows()].diff().min() >= 0
