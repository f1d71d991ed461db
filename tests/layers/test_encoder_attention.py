"""Attention of a decoder to an encoder: weights, padding, and the scores of the papers."""

import pytest
import torch
from torch import Tensor

from zoo.layers.encoder_attention import AdditiveAttention, DotAttention, EncoderAttention

H, E, S, T = 6, 10, 7, 3
both = pytest.mark.parametrize("kind", [AdditiveAttention, DotAttention])
MASK = torch.arange(S) < torch.tensor([[S], [4], [1]])


def build(kind: type[AdditiveAttention] | type[DotAttention]) -> EncoderAttention:
    torch.manual_seed(0)
    return kind(H, E)


def tensors() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(3, T, H, generator=draw), torch.randn(3, S, E, generator=draw)


@both
def test_weights_add_up_to_one_over_real_places_and_padding_has_none(kind: type[AdditiveAttention]) -> None:
    attention, (queries, memory) = build(kind), tensors()
    context, weights = attention(queries, memory, attention.keys(memory), MASK)
    torch.testing.assert_close(weights.sum(2), torch.ones(3, T))
    assert not weights.masked_select(~MASK.unsqueeze(1)).any()
    torch.testing.assert_close(context[2], memory[2, :1].expand(T, E))
    torch.testing.assert_close(context, torch.einsum("bts,bse->bte", weights, memory))


@both
def test_what_stands_at_padding_changes_nothing(kind: type[AdditiveAttention]) -> None:
    attention, (queries, memory) = build(kind), tensors()
    other = memory.masked_fill(~MASK.unsqueeze(2), 1e4)
    found = [attention(queries, each, attention.keys(each), MASK)[0] for each in (memory, other)]
    torch.testing.assert_close(*found)
    shorter = memory[1:2, :4]
    alone, _ = attention(queries[1:2], shorter, attention.keys(shorter), MASK[1:2, :4])
    torch.testing.assert_close(found[0][1:2], alone)


def test_the_additive_score_is_that_of_the_paper() -> None:
    attention, (queries, memory) = build(AdditiveAttention), tensors()
    assert isinstance(attention, AdditiveAttention)
    hidden = attention.query.weight @ queries[0, 1] + attention.key(memory[0, 2])
    scores = attention.scores(queries, attention.keys(memory))
    torch.testing.assert_close(scores[0, 1, 2], attention.score.weight[0] @ hidden.tanh())


def test_the_dot_score_is_that_of_the_paper() -> None:
    attention, (queries, memory) = build(DotAttention), tensors()
    scores = attention.scores(queries, attention.keys(memory))
    torch.testing.assert_close(scores[0, 1, 2], queries[0, 1] @ attention.key.weight @ memory[0, 2])
