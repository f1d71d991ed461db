import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.test_memory import in_child
from zoo.layers.positions import LearnedPositions
from zoo.layers.tied_linear import TiedLinear
from zoo.memory import give_back_memory, peak_resident_memory, reset_peak_memory, resident_memory
from zoo.models.transformer.gpt import GPT

VOCAB, CONTEXT = 11, 12
LLAMA = {"positions": "rotary", "norm": "rms", "activation": "swiglu", "num_kv_heads": 2, "bias": False}
VARIANTS = [{}, LLAMA, {"tie_embeddings": False, "num_kv_heads": 1}]
every_variant = pytest.mark.parametrize("options", VARIANTS, ids=["gpt2", "llama", "untied"])


def gpt(**options: Any) -> GPT:
    torch.manual_seed(0)
    options = {"context_length": CONTEXT, "embed_dim": 16, "num_layers": 2} | options
    model = GPT(VOCAB, **options)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)  # so that no part is too small to be seen
    return model


def some_tokens(length: int = CONTEXT, batch: int = 2) -> Tensor:
    return torch.randint(1, VOCAB, (batch, length), generator=torch.Generator().manual_seed(0))


@every_variant
def test_a_future_token_changes_no_logit_before_it(options: dict[str, Any]) -> None:
    model, tokens = gpt(**options), some_tokens()
    changed = tokens.clone()
    changed[:, 7] = (tokens[:, 7] + 1) % VOCAB
    before, after = model(tokens), model(changed)
    assert before.shape == (2, CONTEXT, VOCAB)
    assert torch.equal(before[:, :7], after[:, :7])
    assert (before[:, 7:] != after[:, 7:]).any(dim=2).all()


@every_variant
def test_tokens_read_one_by_one_give_what_they_give_at_once(options: dict[str, Any]) -> None:
    model, tokens = gpt(**options).double().eval(), some_tokens()
    expected, cache = model(tokens), None
    for place, token in enumerate(tokens.split(1, dim=1)):
        logits, cache = model.decode(token, cache)
        torch.testing.assert_close(logits, expected[:, place], atol=1e-9, rtol=0)


@every_variant
def test_a_prompt_then_tokens_give_what_they_give_at_once(options: dict[str, Any]) -> None:
    model, tokens = gpt(**options).double().eval(), some_tokens()
    logits, cache = model.decode(tokens[:, :5])
    torch.testing.assert_close(logits, model(tokens[:, :5])[:, -1], atol=1e-9, rtol=0)
    logits, _ = model.decode(tokens[:, 5:9], cache)
    torch.testing.assert_close(logits, model(tokens[:, :9])[:, -1], atol=1e-9, rtol=0)


@every_variant
def test_beyond_its_context_it_goes_on_from_the_later_half(options: dict[str, Any]) -> None:
    model, tokens = gpt(**options).double().eval(), some_tokens(40)
    cache, length = None, 0
    for place, token in enumerate(tokens.split(1, dim=1)):
        logits, cache = model.decode(token, cache)
        length = length + 1 if length < CONTEXT else CONTEXT // 2
        seen = tokens[:, place + 1 - length : place + 1]
        torch.testing.assert_close(logits, model(seen)[:, -1], atol=1e-9, rtol=0)


def test_of_a_prompt_longer_than_the_context_the_end_is_read() -> None:
    model, tokens = gpt().double().eval(), some_tokens(30)
    logits, _ = model.decode(tokens)
    torch.testing.assert_close(logits, model(tokens[:, -CONTEXT:])[:, -1], atol=1e-9, rtol=0)


def test_a_context_of_one_token_continues() -> None:
    model, cache = gpt(context_length=1).eval(), None
    for token in some_tokens(3).split(1, dim=1):
        logits, cache = model.decode(token, cache)
        torch.testing.assert_close(logits, model(token)[:, 0])


def test_more_tokens_than_the_context_are_refused_where_positions_are_learned() -> None:
    with pytest.raises(ValueError, match="sequence of 13: must be at most context_length 12"):
        gpt()(some_tokens(13))


@every_variant
def test_a_gradient_reaches_every_parameter(options: dict[str, Any]) -> None:
    model, tokens = gpt(**options), some_tokens()
    nn.functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@every_variant
def test_layer_groups_hold_every_parameter_once_and_the_head_last(options: dict[str, Any]) -> None:
    model = gpt(**options)
    groups = model.layer_groups()
    grouped = [id(parameter) for group in groups for module in group for parameter in module.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    assert groups[-1] == [model.head]


@every_variant
def test_evaluation_is_deterministic_and_a_saved_state_restores_it(options: dict[str, Any]) -> None:
    model, tokens = gpt(dropout=0.2, attention_dropout=0.2, **options), some_tokens()
    assert not torch.equal(model(tokens), model(tokens))
    restored = GPT(VOCAB, context_length=CONTEXT, embed_dim=16, num_layers=2, dropout=0.2, **options).eval()
    restored.load_state_dict(copy.deepcopy(model.state_dict()))
    assert torch.equal(model.eval()(tokens), restored(tokens))
    assert torch.equal(restored(tokens), restored(tokens))


def test_tied_embeddings_are_one_weight() -> None:
    tied, untied = (sum(p.numel() for p in gpt(tie_embeddings=tie).parameters()) for tie in (True, False))
    assert untied - tied == VOCAB * 16
    assert isinstance(gpt().head, TiedLinear)


def test_it_starts_as_gpt2_does() -> None:
    torch.manual_seed(0)
    model = GPT(500, context_length=300, embed_dim=64, num_layers=2)
    tokens = torch.randint(1, 500, (2, 64))
    loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), tokens.roll(-1, 1).flatten())
    assert loss.item() == pytest.approx(torch.tensor(500.0).log().item(), abs=0.1)
    assert isinstance(model.positions, LearnedPositions)
    for weight in (model.embedding.weight, model.positions.embedding):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_it_has_as_many_parameters_as_gpt2() -> None:
    with torch.device("meta"):
        model = GPT(50257, context_length=1024, embed_dim=768, num_layers=12, num_heads=12)
    count = sum(parameter.numel() for name, parameter in model.named_parameters() if name != "head.bias")
    assert count == 124_439_808  # of the published weights of GPT-2 small


def memory_of_a_step(lengths: list[int], options: dict[str, Any]) -> list[int]:
    grown = []
    for length in lengths:
        model = GPT(16, context_length=length, embed_dim=64, num_layers=1, num_heads=4, **options)
        give_back_memory()
        reset_peak_memory()
        before = resident_memory()
        model(torch.zeros(1, length, dtype=torch.int64)).square().sum().backward()
        grown.append(peak_resident_memory() - before)
    return grown


@pytest.mark.parametrize("options", [{"dropout": 0.1}, LLAMA], ids=["gpt2", "llama"])
def test_memory_grows_with_the_context_not_with_its_square(options: dict[str, Any]) -> None:
    _, half, whole = in_child(memory_of_a_step, [64, 2048, 4096], options)  # the first loads what torch needs
    assert whole < 3 * half
    assert whole < 4 * 4096**2 * 4 / 2  # half of one matrix of the weights of four heads
