import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.models.recurrent.language_model import RecurrentLanguageModel

every_cell = pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "layer_norm_lstm"])
heads = pytest.mark.parametrize(
    "options",
    [{"tie_embeddings": False}, {"tie_embeddings": True}, {"tie_embeddings": True, "embed_dim": 6}],
    ids=["own head", "tied", "tied through a projection"],
)
AWD = {
    "dropout": 0.2,
    "input_dropout": 0.3,
    "hidden_dropout": 0.1,
    "embedding_dropout": 0.1,
    "weight_drop": 0.5,
    "activation_penalty": 2.0,
    "temporal_penalty": 1.0,
}


def build(**options: Any) -> RecurrentLanguageModel:
    torch.manual_seed(0)
    return RecurrentLanguageModel(20, **{"hidden_size": 8, **options})


def tokens() -> Tensor:
    return torch.randint(1, 20, (3, 12), generator=torch.Generator().manual_seed(0))


@every_cell
def test_a_later_token_changes_no_earlier_logit(cell: str) -> None:
    model, text = build(cell=cell).eval(), tokens()
    other = text.clone()
    other[:, 7:] = 1
    torch.testing.assert_close(model(other)[:, :7], model(text)[:, :7])
    assert not torch.allclose(model(other)[:, 7:], model(text)[:, 7:])


@heads
@every_cell
def test_decoding_token_by_token_equals_the_full_forward_pass(cell: str, options: dict[str, Any]) -> None:
    model, text = build(cell=cell, **options).eval(), tokens()
    expected = model(text)
    logits, cache = model.decode(text[:, :5], None)
    torch.testing.assert_close(logits, expected[:, 4])
    for place in range(5, 12):
        logits, cache = model.decode(text[:, place : place + 1], cache)
        torch.testing.assert_close(logits, expected[:, place])


def test_decoding_leaves_a_cache_as_it_was() -> None:
    model, text = build().eval(), tokens()
    _, cache = model.decode(text)
    first, _ = model.decode(text[:, :1], cache)
    assert torch.equal(model.decode(text[:, :1], cache)[0], first)


@heads
@every_cell
def test_a_gradient_reaches_every_parameter(cell: str, options: dict[str, Any]) -> None:
    model = build(cell=cell, **options, **AWD)
    F.cross_entropy(model(tokens()).flatten(0, 1), tokens().flatten()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@heads
def test_layer_groups_hold_every_parameter_once_and_end_with_the_head(options: dict[str, Any]) -> None:
    model = build(num_layers=3, **options)
    groups = model.layer_groups()
    grouped = [id(parameter) for group in groups for module in group for parameter in module.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    assert len(groups) == 5
    assert [p.shape for module in groups[-1] for p in module.parameters() if p.ndim == 1] == [(20,)]


@heads
def test_a_saved_state_restores_the_logits(options: dict[str, Any]) -> None:
    saved, restored = build(**options, **AWD).eval(), build(**options).eval()
    for parameter in restored.parameters():
        nn.init.normal_(parameter)
    restored.load_state_dict(saved.state_dict())
    assert torch.equal(saved(tokens()), restored(tokens()))


def test_training_follows_the_seed_and_evaluation_drops_nothing() -> None:
    model, plain = build(**AWD), build(dropout=0.0)

    def logits(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return model(tokens())

    assert torch.equal(logits(0), logits(0))
    assert not torch.allclose(logits(0), logits(1))
    assert torch.equal(model.eval()(tokens()), plain.eval()(tokens()))


def test_the_penalty_is_that_of_the_paper() -> None:
    model = build(dropout=0.0, activation_penalty=2.0, temporal_penalty=0.5)
    logits = model(tokens())
    outputs = model.encoder(model.embedding(tokens()))
    expected = 2 * outputs.square().mean() + 0.5 * (outputs[:, 1:] - outputs[:, :-1]).square().mean()
    penalty = model.regularization()
    assert penalty is not None
    torch.testing.assert_close(penalty, expected)
    torch.testing.assert_close(model._logits(outputs), logits)
    assert model.regularization() is None


def test_the_activation_penalty_sees_what_dropout_left() -> None:
    model = build(dropout=0.75, input_dropout=0.0, hidden_dropout=0.0, activation_penalty=1.0)
    model(tokens())
    penalty = model.regularization()
    assert penalty is not None
    assert penalty > 1.5 * model.encoder(model.embedding(tokens())).square().mean()


def test_there_is_no_penalty_in_evaluation_or_without_a_weight() -> None:
    model = build(**AWD).eval()
    model(tokens())
    assert model.regularization() is None
    plain = build()
    plain(tokens())
    assert plain.regularization() is None


def test_it_can_be_copied_and_pickled_between_forward_pass_and_loss() -> None:
    model = build(**AWD)
    model(tokens())
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.regularization() is None
        assert torch.equal(other.eval()(tokens()), build().eval()(tokens()))
    assert model.regularization() is not None


def test_it_learns_a_text_by_heart() -> None:
    model = build(hidden_size=32, dropout=0.0, weight_drop=0.05, activation_penalty=0.01)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    inputs, targets = tokens()[:, :-1], tokens()[:, 1:]
    for _ in range(100):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        penalty = model.regularization()
        assert penalty is not None
        (loss + penalty).backward()
        optimizer.step()
    assert F.cross_entropy(model.eval()(inputs).flatten(0, 1), targets.flatten()) < 0.1
