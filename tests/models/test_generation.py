from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.models.generation import generate, sample
from zoo.models.recurrent.language_model import RecurrentLanguageModel
from zoo.models.transformer.gpt import GPT

VOCAB, CONTEXT = 13, 16
PROMPT = torch.tensor([[3, 5, 2], [7, 7, 1]])


def gpt(**options: Any) -> GPT:
    torch.manual_seed(0)
    model = GPT(VOCAB, context_length=CONTEXT, embed_dim=16, num_layers=2, **options)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def lstm() -> RecurrentLanguageModel:
    torch.manual_seed(0)
    return RecurrentLanguageModel(VOCAB, hidden_size=16, num_layers=1, dropout=0.5)


def continued(model: nn.Module, count: int = CONTEXT - 3, **options: Any) -> Tensor:
    return torch.stack(list(generate(model, PROMPT, max_new_tokens=count, **options)), dim=1)


LLAMA = {"positions": "rotary", "norm": "rms", "activation": "swiglu", "num_kv_heads": 2}


@pytest.mark.parametrize("options", [{}, {"num_kv_heads": 1}, {"positions": "rotary"}, LLAMA], ids=str)
def test_with_temperature_0_each_token_is_the_most_probable_after_those_before(options: dict[str, Any]) -> None:
    model, tokens = gpt(**options).double(), PROMPT
    for _ in range(CONTEXT - 3):
        tokens = torch.cat([tokens, model(tokens)[:, -1].argmax(1, keepdim=True)], dim=1)
    assert torch.equal(continued(model, temperature=0.0), tokens[:, 3:])
    assert torch.equal(continued(model, top_k=1, seed=5), tokens[:, 3:])


def test_a_recurrent_model_continues_too() -> None:
    model, tokens = lstm().eval(), PROMPT
    for _ in range(5):
        tokens = torch.cat([tokens, model(tokens)[:, -1].argmax(1, keepdim=True)], dim=1)
    assert torch.equal(continued(model, 5, temperature=0.0), tokens[:, 3:])


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_it_goes_on_beyond_the_context(positions: str) -> None:
    assert continued(gpt(positions=positions), 5 * CONTEXT).shape == (2, 5 * CONTEXT)


def test_tokens_come_one_by_one() -> None:
    endless = generate(gpt(), PROMPT, max_new_tokens=10**9)
    assert [token.shape for token in islice(endless, 3)] == [(2,)] * 3


def test_a_seed_gives_the_same_text_and_leaves_other_draws_alone() -> None:
    model = gpt()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = continued(model, seed=3)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(continued(model, seed=3), first)
    assert not torch.equal(continued(model, seed=4), first)


def test_a_model_in_training_is_asked_in_evaluation_and_trains_on() -> None:
    model = lstm().train()
    texts = generate(model, PROMPT, max_new_tokens=5, temperature=0.0)
    drawn = []
    for token in texts:
        drawn.append(token)
        assert all(module.training for module in model.modules())
    assert torch.equal(torch.stack(drawn, dim=1), continued(model.eval(), 5, temperature=0.0))


def test_excluded_tokens_are_never_drawn() -> None:
    assert set(continued(gpt(), 100).flatten().tolist()) & {0, 4, 5}
    assert not set(continued(gpt(), 100, exclude=[0, 4, 5]).flatten().tolist()) & {0, 4, 5}


LOGITS = torch.tensor([0.1, 0.4, 0.3, 0.2]).log()


def shares(count: int = 20_000, **options: Any) -> Tensor:
    draws = sample(LOGITS.expand(count, 4), generator=torch.Generator().manual_seed(0), **options)
    return draws.bincount(minlength=4) / count


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    torch.testing.assert_close(shares(), LOGITS.exp(), atol=0.02, rtol=0)


def test_temperature_sharpens() -> None:
    torch.testing.assert_close(shares(temperature=0.5), (2 * LOGITS).softmax(0), atol=0.02, rtol=0)


def test_top_k_keeps_the_k_most_probable_in_proportion() -> None:
    torch.testing.assert_close(shares(top_k=2), torch.tensor([0, 4 / 7, 3 / 7, 0]), atol=0.02, rtol=0)
    assert (shares(top_k=9) > 0).all()


@pytest.mark.parametrize(("top_p", "kept"), [(1e-9, [1]), (0.39, [1]), (0.41, [1, 2]), (0.69, [1, 2]), (1.0, range(4))])
def test_top_p_keeps_the_fewest_that_reach_the_probability(top_p: float, kept: list[int]) -> None:
    assert shares(top_p=top_p).nonzero().flatten().tolist() == list(kept)


def test_top_p_counts_among_the_top_k() -> None:
    assert shares(top_k=3, top_p=0.43).nonzero().flatten().tolist() == [1]  # 4/9 of three, 0.4 of all


@pytest.mark.parametrize(
    ("options", "message"),
    [({"temperature": -0.5}, "temperature -0.5"), ({"top_k": 0}, "top_k 0"), ({"top_p": 1.5}, "top_p 1.5")],
)
def test_options_out_of_range_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(gpt(), PROMPT, max_new_tokens=1, **options)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="prompt of 0 tokens"):
        generate(gpt(), PROMPT[:, :0], max_new_tokens=1)
