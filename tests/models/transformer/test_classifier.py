import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.models.transformer.classifier import TransformerClassifier

LENGTH = 9
every_pooling = pytest.mark.parametrize("pooling", ["cls", "mean", "max", "attention"])
every_position = pytest.mark.parametrize("positions", ["rotary", "sinusoidal", "learned"])


def classifier(**options: Any) -> TransformerClassifier:
    torch.manual_seed(0)
    options = {"vocab_size": 20, "max_length": LENGTH, "embed_dim": 16, "dropout": 0.0} | options
    model = TransformerClassifier(3, **options)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def texts() -> Tensor:
    tokens = torch.randint(1, 20, (3, LENGTH), generator=torch.Generator().manual_seed(0))
    tokens[1, 4:] = 0
    tokens[2] = 0
    return tokens


@every_position
@every_pooling
def test_padding_changes_no_logit(pooling: str, positions: str) -> None:
    model, tokens = classifier(pooling=pooling, positions=positions).double().eval(), texts()
    together = model(tokens)
    assert together.isfinite().all()
    for row, length in ((0, LENGTH), (1, 4), (2, 1)):
        torch.testing.assert_close(together[row], model(tokens[row : row + 1, :length])[0], atol=1e-9, rtol=0)


@every_position
def test_the_order_of_words_counts(positions: str) -> None:
    model, tokens = classifier(positions=positions).double().eval(), texts()[:1]
    assert not torch.allclose(model(tokens), model(tokens.flip(1)), atol=1e-4)


@every_pooling
def test_every_word_counts(pooling: str) -> None:
    model, tokens = classifier(pooling=pooling).double().eval(), texts()[:1]
    expected = model(tokens)
    for place in range(LENGTH):
        changed = tokens.clone()
        changed[0, place] = changed[0, place] % 19 + 1
        assert not torch.allclose(model(changed), expected, atol=1e-6)


@every_position
@every_pooling
def test_a_gradient_reaches_every_parameter_and_groups_hold_each_once(pooling: str, positions: str) -> None:
    model = classifier(pooling=pooling, positions=positions)
    weights = torch.randn(3, 3, generator=torch.Generator().manual_seed(1))
    (model(texts()) * weights).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
    groups = model.layer_groups()
    grouped = [id(parameter) for group in groups for module in group for parameter in module.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    assert groups[-1] == [model.head]


def test_evaluation_is_deterministic_and_a_saved_state_restores_it() -> None:
    options = {"pooling": "cls", "dropout": 0.2, "attention_dropout": 0.2, "drop_path": 0.2}
    model, restored, tokens = classifier(**options), classifier(**options).eval(), texts()
    assert not torch.equal(model(tokens), model(tokens))
    for parameter in restored.parameters():
        nn.init.zeros_(parameter)
    restored.load_state_dict(copy.deepcopy(model.state_dict()))
    assert torch.equal(model.eval()(tokens), restored(tokens))
    assert torch.equal(restored(tokens), restored(tokens))


@pytest.mark.parametrize("shape", [(2, 1, 8, 6), (2, 3, 10)], ids=["image", "signal"])
def test_images_and_signals_are_read_too(shape: tuple[int, ...]) -> None:
    options = {"vocab_size": None, "max_length": None, "in_channels": shape[1], "image_size": shape[2:]}
    model = classifier(positions="learned", **options)
    assert model(torch.randn(shape)).shape == (2, 3)


def test_learned_positions_need_a_length() -> None:
    with pytest.raises(ValueError, match="positions learned: max_length must be known; give it, or set positions to"):
        classifier(positions="learned", max_length=None)
