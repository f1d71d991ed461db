import math

import pytest
import torch
from torch import nn

from zoo.layers.transformer_block import TransformerBlock, initialize_transformer


def copy(source: nn.Module, target: nn.Module, names: dict[str, str]) -> None:
    state = {}
    for name, value in source.state_dict().items():
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)
        state[name] = value
    target.load_state_dict(state)


def test_the_block_is_torchs_encoder_layer_with_the_norm_first() -> None:
    torch.manual_seed(0)
    theirs = nn.TransformerEncoderLayer(
        12, 3, 20, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )
    ours = TransformerBlock(12, 3, hidden_size=20)
    names = {"self_attn.in_proj_": "attention.qkv.", "self_attn.out_proj": "attention.project"}
    names |= {"linear1": "mlp.expand", "linear2": "mlp.project", "norm1": "attention_norm", "norm2": "mlp_norm"}
    copy(theirs, ours, names)
    x, mask = torch.randn(2, 5, 12), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    expected = theirs.train()(x, src_key_padding_mask=~mask)
    torch.testing.assert_close(ours(x, mask=mask)[mask], expected[mask], atol=1e-6, rtol=1e-5)


def test_the_block_with_a_memory_is_torchs_decoder_layer_with_the_norm_first() -> None:
    torch.manual_seed(0)
    theirs = nn.TransformerDecoderLayer(
        12, 3, 20, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )
    ours = TransformerBlock(12, 3, hidden_size=20, has_memory=True, causal=True)
    names = {"self_attn.in_proj_": "attention.qkv.", "self_attn.out_proj": "attention.project"}
    names |= {"multihead_attn.in_proj_": "memory_attention.qkv.", "multihead_attn.out_proj": "memory_attention.project"}
    names |= {"linear1": "mlp.expand", "linear2": "mlp.project"}
    names |= {"norm1": "attention_norm", "norm2": "memory_norm", "norm3": "mlp_norm"}
    copy(theirs, ours, names)
    x, memory = torch.randn(2, 5, 12), torch.randn(2, 4, 12)
    mask = torch.tensor([[True] * 4, [True] * 2 + [False] * 2])
    future = nn.Transformer.generate_square_subsequent_mask(5)
    expected = theirs(x, memory, tgt_mask=future, memory_key_padding_mask=~mask)
    torch.testing.assert_close(ours(x, memory, memory_mask=mask), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("norm", ["layer", "rms"])
@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
def test_a_gradient_reaches_every_parameter(norm: str, activation: str) -> None:
    torch.manual_seed(0)
    block = TransformerBlock(8, 2, num_kv_heads=1, has_memory=True, norm=norm, activation=activation)
    block(torch.randn(2, 5, 8), torch.randn(2, 4, 8)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in block.parameters())


def test_without_bias_there_is_none() -> None:
    block = TransformerBlock(8, 2, has_memory=True, bias=False)
    assert not [name for name, _ in block.named_parameters() if "bias" in name]


def test_a_sample_that_skips_every_layer_passes_unchanged() -> None:
    block, x = TransformerBlock(8, 2, drop_path=0.9), torch.randn(64, 3, 8)
    unchanged = (block(x) == x).flatten(1).all(dim=1)
    assert 0.6 < unchanged.float().mean() < 0.95  # 0.81 expected
    assert not torch.equal(block.eval()(x), x)


def test_with_zero_residual_the_block_is_the_identity() -> None:
    block, x = TransformerBlock(8, 2, has_memory=True), torch.randn(2, 3, 8)
    block.zero_residual()
    assert torch.equal(block(x, torch.randn(2, 4, 8)), x)


def test_weights_start_as_those_of_gpt2() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*(TransformerBlock(64, 2) for _ in range(3)))
    initialize_transformer(model)
    for block in model:
        for layer in (block.attention.qkv, block.mlp.expand):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert not layer.bias.any()
        for layer in (block.attention.project, block.mlp.project):
            assert layer.weight.std().item() == pytest.approx(0.02 / math.sqrt(6), rel=0.05)
