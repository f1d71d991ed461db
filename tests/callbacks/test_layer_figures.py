"""What is recorded of layers: of attention, adapters and recurrent layers, in which steps, and how it is kept."""

import math

import pytest
import torch
from torch import nn

from zoo.callbacks import doctor_pictures
from zoo.callbacks.effective_rank import effective_rank, effective_ranks
from zoo.callbacks.history_state import packed, unpacked
from zoo.callbacks.layer_figures import LayerFigures
from zoo.callbacks.step_recorder import has_histograms, is_due
from zoo.diagnosis.recorded import History, Layer, Step
from zoo.layers.attention import MultiHeadAttention
from zoo.layers.encoder_attention import AdditiveAttention
from zoo.layers.lora import add_adapters
from zoo.layers.recurrent import RecurrentEncoder


def figures_of(model: nn.Module, *inputs: torch.Tensor, **options: torch.Tensor | None) -> dict[str, Layer]:
    watching = LayerFigures(model)
    output = model(*inputs, **options)
    (output[0] if isinstance(output, tuple) else output).sum().backward()
    watching.gradients(torch.optim.SGD(model.parameters()))
    return watching.finish()


def test_the_first_steps_are_looked_at_more_closely() -> None:
    assert [step for step in range(151) if is_due(step, every=50)] == [0, 1, 2, 4, 8, 16, 32, 50, 100, 150]
    assert [step for step in range(401) if has_histograms(step, every=50)] == [0, 50, 100, 200, 400]


@pytest.mark.parametrize("causal", [False, True])
def test_attention_that_prefers_nothing_has_all_entropy_there_is(causal: bool) -> None:
    attention = MultiHeadAttention(8, 2, causal=causal)
    nn.init.zeros_(attention.qkv.weight)
    seen = figures_of(attention, torch.randn(3, 40, 8))
    assert seen[""].entropy == pytest.approx(1.0, abs=1e-5)
    assert not attention._forward_hooks and not attention._forward_pre_hooks


def test_attention_to_one_place_has_none_and_padding_does_not_count() -> None:
    attention = MultiHeadAttention(8, 1)
    mask = torch.tensor([[True, True, False, False]])
    with torch.no_grad():
        attention.qkv.weight[:16] *= 1000
    assert figures_of(attention, torch.randn(1, 4, 8), mask=mask)[""].entropy < 0.2
    nn.init.zeros_(attention.qkv.weight)
    assert figures_of(attention, torch.randn(1, 4, 8), mask=mask)[""].entropy == pytest.approx(1.0, abs=1e-5)


def test_the_attention_of_torch_and_of_a_decoder_are_seen_and_give_what_they_gave() -> None:
    own = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.randn(6, 5, 8)
    expected = own(x, x, x, need_weights=False)[0]
    watching = LayerFigures(own)
    assert torch.equal(own(x, x, x, need_weights=False)[0], expected)
    assert 0.5 < watching.finish()[""].entropy <= 1
    nn.init.zeros_(own.in_proj_weight)
    past = torch.ones(5, 5, dtype=torch.bool).triu(1)
    watching = LayerFigures(own)
    own(x, x, x, attn_mask=past, need_weights=False)
    assert watching.finish()[""].entropy == pytest.approx(1.0, abs=1e-5)
    additive = AdditiveAttention(4, 6)
    memory = torch.randn(2, 5, 6)
    seen = figures_of(additive, torch.randn(2, 3, 4), memory, additive.keys(memory), torch.ones(2, 5, dtype=torch.bool))
    assert 0.5 < seen[""].entropy <= 1


def test_of_adapted_layers_the_adapters_are_told_and_of_frozen_ones_nothing() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    model.requires_grad_(False)
    add_adapters(model, rank=2, alpha=2.0, targets="1")
    seen = figures_of(model, torch.randn(4, 8))
    assert list(seen) == ["1"] and seen["1"].gradient_norm > 0 and seen["1"].update_ratio == 0


def test_recurrent_layers_and_spectral_norms_are_seen() -> None:
    encoder = RecurrentEncoder(4, 6, num_layers=2)
    seen = figures_of(encoder, torch.randn(2, 5, 4), mask=torch.tensor([[True] * 5, [True] * 3 + [False] * 2]))
    assert 0 < seen[""].std < 1 and seen["engine"].gradient_norm > 0
    normed = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4)))
    assert figures_of(normed, torch.randn(2, 4))["0"].kind == "ParametrizedLinear"


def test_a_scale_is_taken_out_of_gradients() -> None:
    model = nn.Linear(3, 2, bias=False)
    watching = LayerFigures(model)
    (8 * model(torch.ones(1, 3)).sum()).backward()
    watching.gradients(torch.optim.SGD(model.parameters()), scale=8.0)
    assert watching.finish()[""].gradient_norm == pytest.approx(math.sqrt(6))


def test_a_history_comes_back_as_it_was_with_layers_that_thawed_late() -> None:
    head, first = Layer("Linear", gradient_rms=0.5), Layer("Conv2d", gradient_rms=0.25, mean=1.0)
    steps = [Step(0, 1, 2.0, 0.1, {"head": head}), Step(50, 2, 1.0, 0.1, {"first": first, "head": head})]
    state = packed(History(steps=steps))
    assert list(state["layers"]["kinds"]) == ["first", "head"] and state["layers"]["values"].shape[:2] == (2, 2)
    back = unpacked(state)
    assert str(back.steps) == str(steps) and unpacked(packed(History())).steps == []


def test_the_effective_rank_is_that_of_the_definition() -> None:
    assert effective_rank(torch.eye(6)) == pytest.approx(1.0)
    assert effective_rank(torch.ones(6, 9)) == pytest.approx(1 / 6, abs=1e-3)
    values = torch.tensor([3.0, 1.0, 1.0])
    shares = values / values.sum()
    rank = float(torch.exp(-(shares * shares.log()).sum()))
    assert effective_rank(torch.diag(values)) == pytest.approx(rank / 3, abs=1e-5)
    assert 0.5 < (effective_rank(torch.randn(4000, 3000)) or 0) <= 1
    assert set(effective_ranks(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 3), nn.Linear(3, 1)))) == {"1"}


def test_pictures_are_left_out_where_there_is_nothing_to_draw() -> None:
    assert doctor_pictures.gradient_flow([]) is None and doctor_pictures.effective_rank({}) is None
    counts = torch.tensor([[9, 1], [2, 8]], dtype=torch.int32)
    assert doctor_pictures.confusion_over_time([(10, counts)], ["a", "b"]) is None
    picture = doctor_pictures.confusion_over_time([(10, counts), (20, counts)], ["a", "b"])
    assert picture is not None and picture.shape[2] == 3
