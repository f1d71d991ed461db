"""Recurrent encoder and decoder: what it may see, padding, decoding step by step, learning."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.models.recurrent.seq2seq import Seq2Seq

S, T, V = 9, 6, 12
every_attention = pytest.mark.parametrize("attention", ["additive", "dot", "none"])
every_cell = pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "layer_norm_lstm"])


def build(**options: Any) -> Seq2Seq:
    torch.manual_seed(0)
    return Seq2Seq(15, V, **{"hidden_size": 8, "embed_dim": 6, "num_layers": 2, **options})


def tokens() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    source, written = torch.randint(1, 15, (3, S), generator=draw), torch.randint(1, V, (3, T), generator=draw)
    source[1, 5:], written[1, 4:] = 0, 0
    return source, written


@every_attention
@every_cell
def test_decoding_token_by_token_equals_the_full_forward_pass(cell: str, attention: str) -> None:
    model, (source, written) = build(cell=cell, attention=attention).eval(), tokens()
    expected, memory, cache = model(source, written), model.encode(source), None
    for place in range(T):
        logits, cache = model.decode(written[:, place : place + 1], memory, cache)
        torch.testing.assert_close(logits, expected[:, place], atol=1e-5, rtol=1e-5)


@every_attention
def test_padding_of_either_side_changes_nothing(attention: str) -> None:
    model, (source, written) = build(attention=attention).eval(), tokens()
    together = model(source, written)[1:2, :4]
    alone = model(source[1:2, :5], written[1:2, :4])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    empty = torch.zeros(1, 3, dtype=torch.int64)
    torch.testing.assert_close(model(empty, written[:1]), model(empty[:, :1], written[:1]), atol=1e-5, rtol=1e-5)


@every_attention
def test_a_later_token_changes_no_earlier_logit_but_the_source_changes_all(attention: str) -> None:
    model, (source, written) = build(attention=attention).eval(), tokens()
    expected = model(source, written)
    later, other = written.clone(), source.clone()
    later[:, 3:], other[:, 0] = 1, source[:, 0] % 14 + 1
    torch.testing.assert_close(model(source, later)[:, :3], expected[:, :3])
    changed = (model(other, written) - expected).abs().amax(-1)
    assert (changed[written != 0] > 0).all()


@every_attention
def test_attention_adds_up_to_one_over_the_real_source(attention: str) -> None:
    model, (source, written) = build(attention=attention).eval(), tokens()
    weights = model.attention_weights(source, written)
    if attention == "none":
        assert weights is None
        return
    assert weights is not None
    torch.testing.assert_close(weights.sum(2), torch.ones(3, T))
    assert not weights[1, :, 5:].any()


@every_attention
@every_cell
def test_a_gradient_reaches_every_parameter(cell: str, attention: str) -> None:
    model, (source, written) = build(cell=cell, attention=attention), tokens()
    F.cross_entropy(model(source, written).flatten(0, 1), written.flatten()).backward()
    without = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert not without


@every_attention
def test_layer_groups_hold_every_parameter_once(attention: str) -> None:
    model = build(attention=attention)
    grouped = [id(p) for group in model.layer_groups() for module in group for p in module.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())


def test_a_saved_state_restores_the_logits() -> None:
    saved, restored = build().eval(), build().eval()
    for parameter in restored.parameters():
        nn.init.normal_(parameter)
    restored.load_state_dict(saved.state_dict())
    assert torch.equal(saved(*tokens()), restored(*tokens()))
