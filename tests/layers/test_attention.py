import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from zoo.layers.attention import MultiHeadAttention
from zoo.layers.kv_cache import KeyValueCache
from zoo.layers.positions import RotaryPositions

WIDTH, HEADS, PLACES, MEMORY = 24, 4, 7, 5


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def twins(*, bias: bool = True, causal: bool = False) -> tuple[MultiHeadAttention, nn.MultiheadAttention]:
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(WIDTH, HEADS, bias=bias, batch_first=True).double()
    ours = MultiHeadAttention(WIDTH, HEADS, bias=bias, causal=causal).double()
    names = {"in_proj_weight": "qkv.weight", "in_proj_bias": "qkv.bias"}
    ours.load_state_dict(
        {names.get(name, name.replace("out_proj", "project")): value for name, value in theirs.state_dict().items()}
    )
    if bias:
        for parameter in (theirs.in_proj_bias, theirs.out_proj.bias, ours.qkv.bias, ours.project.bias):
            nn.init.normal_(parameter, generator=torch.Generator().manual_seed(parameter.shape[0]))
    return ours, theirs


def hidden_end(batch: int, places: int) -> Tensor:
    """True where a place is real: all of the first sequence, two of the second."""
    mask = torch.ones(batch, places, dtype=torch.bool)
    mask[1, 2:] = False
    return mask


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
def test_attention_of_a_sequence_to_itself_and_its_gradients_are_torchs(bias: bool, padded: bool, causal: bool) -> None:
    ours, theirs = twins(bias=bias, causal=causal)
    x, twin = random(3, PLACES, WIDTH).requires_grad_(), random(3, PLACES, WIDTH).requires_grad_()
    mask = hidden_end(3, PLACES) if padded else None
    future = torch.ones(PLACES, PLACES, dtype=torch.bool).triu(1) if causal else None
    y = ours(x, mask=mask)
    expected, _ = theirs(
        twin, twin, twin, key_padding_mask=None if mask is None else ~mask, attn_mask=future, need_weights=False
    )
    torch.testing.assert_close(y, expected, atol=1e-12, rtol=0)
    weights = random(3, PLACES, WIDTH, seed=1)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(x.grad, twin.grad, atol=1e-11, rtol=0)
    torch.testing.assert_close(ours.qkv.weight.grad, theirs.in_proj_weight.grad, atol=1e-11, rtol=0)
    torch.testing.assert_close(ours.project.weight.grad, theirs.out_proj.weight.grad, atol=1e-11, rtol=0)


@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
def test_attention_to_a_memory_and_its_gradients_are_torchs(padded: bool) -> None:
    ours, theirs = twins()
    x, memory = random(3, PLACES, WIDTH), random(3, MEMORY, WIDTH, seed=1).requires_grad_()
    twin = memory.detach().clone().requires_grad_()
    mask = hidden_end(3, MEMORY) if padded else None
    y = ours(x, memory, mask=mask)
    expected, _ = theirs(x, twin, twin, key_padding_mask=None if mask is None else ~mask, need_weights=False)
    torch.testing.assert_close(y, expected, atol=1e-12, rtol=0)
    y.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(memory.grad, twin.grad, atol=1e-11, rtol=0)
    torch.testing.assert_close(ours.qkv.bias.grad, theirs.in_proj_bias.grad, atol=1e-11, rtol=0)


def test_grouped_queries_are_attention_whose_groups_have_equal_keys_and_values() -> None:
    torch.manual_seed(0)
    grouped = MultiHeadAttention(WIDTH, HEADS, num_kv_heads=2, causal=True).double()
    full = MultiHeadAttention(WIDTH, HEADS, causal=True).double()
    state = grouped.state_dict()
    for name in ("qkv.weight", "qkv.bias"):
        queries, keys, values = state[name].split((WIDTH, WIDTH // 2, WIDTH // 2))
        shared = [part.unflatten(0, (2, 6)).repeat_interleave(2, 0).flatten(0, 1) for part in (keys, values)]
        state[name] = torch.cat([queries, *shared])
    full.load_state_dict(state)
    x = random(2, PLACES, WIDTH)
    torch.testing.assert_close(grouped(x), full(x), atol=1e-12, rtol=0)


@pytest.mark.parametrize("kv_heads", [None, 1, 2])
@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("pieces", [[1] * PLACES, [3, 1, 3], [PLACES]], ids=str)
def test_a_sequence_read_in_pieces_gives_what_it_gives_at_once(
    pieces: list[int], rotary: bool, kv_heads: int | None
) -> None:
    torch.manual_seed(0)
    positions = RotaryPositions(WIDTH // HEADS) if rotary else None
    attention = MultiHeadAttention(WIDTH, HEADS, num_kv_heads=kv_heads, causal=True, rotary=positions).double()
    x, cache = random(2, PLACES, WIDTH), KeyValueCache(PLACES)
    read = [attention(piece, cache=cache) for piece in x.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(read, dim=1), attention(x), atol=1e-12, rtol=0)


def test_the_keys_of_a_memory_are_computed_once() -> None:
    attention = MultiHeadAttention(WIDTH, HEADS).double()
    x, memory, cache = random(2, PLACES, WIDTH), random(2, MEMORY, WIDTH, seed=1), KeyValueCache(MEMORY)
    expected = attention(x, memory)
    assert torch.equal(attention(x, memory, cache=cache), expected)
    assert torch.equal(attention(x, torch.full_like(memory, torch.nan), cache=cache), expected)


def test_dropout_of_weights_is_of_training_alone() -> None:
    attention = MultiHeadAttention(WIDTH, HEADS, dropout=0.5).double()
    x = random(2, PLACES, WIDTH)
    assert not torch.equal(attention(x), attention(x))
    attention.eval()
    assert torch.equal(attention(x), attention(x))


@pytest.mark.parametrize(("width", "heads", "kv_heads", "message"), [(10, 4, None, "embed_dim 10"), (8, 4, 3, "kv_h")])
def test_heads_that_do_not_divide_are_refused(width: int, heads: int, kv_heads: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(width, heads, num_kv_heads=kv_heads)


def kernels(attention: MultiHeadAttention, **options: Tensor) -> set[str]:
    x = torch.randn(2, 16, WIDTH, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as record:
        attention(x, **options).sum().backward()
    return {event.key for event in record.key_averages() if event.key.startswith("aten::_scaled_dot_product")}


@pytest.mark.parametrize("kv_heads", [None, 2])
def test_the_kernel_with_linear_memory_is_taken_unless_weights_are_dropped(kv_heads: int | None) -> None:
    attention = MultiHeadAttention(WIDTH, HEADS, num_kv_heads=kv_heads, causal=True)
    flash = {f"aten::_scaled_dot_product_flash_attention_for_cpu{step}" for step in ("", "_backward")}
    assert kernels(attention) == flash
    assert kernels(attention, mask=torch.ones(2, 16, dtype=torch.bool)) == flash
    attention.dropout = 0.1
    assert kernels(attention) == {"aten::_scaled_dot_product_attention_math"}


def test_the_formula_is_what_is_computed() -> None:
    attention = MultiHeadAttention(WIDTH, 1).double()
    x = random(1, PLACES, WIDTH)
    q, k, v = F.linear(x, attention.qkv.weight, attention.qkv.bias).chunk(3, dim=2)
    gathered = (q @ k.mT / WIDTH**0.5).softmax(dim=2) @ v
    torch.testing.assert_close(attention(x), attention.project(gathered), atol=1e-12, rtol=0)
