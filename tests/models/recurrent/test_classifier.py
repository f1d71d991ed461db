from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.config.entry import compose
from zoo.models.recurrent.classifier import RecurrentClassifier

CELLS = ["lstm", "gru", "rnn", "layer_norm_lstm"]
POOLINGS = ["last", "mean", "max", "attention"]
LENGTHS = [9, 1, 4, 0]

every_cell = pytest.mark.parametrize("cell", CELLS)
every_pooling = pytest.mark.parametrize("pooling", POOLINGS)


def build(**options: Any) -> RecurrentClassifier:
    torch.manual_seed(0)
    return RecurrentClassifier(3, **{"vocab_size": 20, "hidden_size": 8, **options})


def texts() -> Tensor:
    tokens = torch.randint(1, 20, (4, 9), generator=torch.Generator().manual_seed(0))
    return tokens.masked_fill(torch.arange(9) >= torch.tensor(LENGTHS).unsqueeze(1), 0)


@pytest.mark.parametrize("bidirectional", [False, True])
@every_pooling
@every_cell
def test_a_text_alone_is_judged_as_it_is_padded_in_a_batch(cell: str, pooling: str, bidirectional: bool) -> None:
    model = build(cell=cell, pooling=pooling, bidirectional=bidirectional, num_layers=2).eval()
    tokens = texts()
    logits = model(tokens)
    for row, length in enumerate(LENGTHS):
        alone = tokens[row : row + 1, : max(length, 1)]
        torch.testing.assert_close(model(alone)[0], logits[row], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(model(F.pad(alone, (0, 30)))[0], logits[row], atol=1e-6, rtol=1e-5)


@every_pooling
@every_cell
def test_a_gradient_reaches_every_parameter(cell: str, pooling: str) -> None:
    model = build(cell=cell, pooling=pooling, num_layers=2, weight_drop=0.1)
    F.cross_entropy(model(texts()), torch.tensor([0, 1, 2, 0])).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@every_cell
def test_in_evaluation_equal_texts_give_equal_logits_and_in_training_not(cell: str) -> None:
    model = build(cell=cell, dropout=0.5)
    assert not torch.equal(model(texts()), model(texts()))
    model.eval()
    assert torch.equal(model(texts()), model(texts()))


@every_cell
def test_a_saved_state_restores_the_logits(cell: str) -> None:
    saved, restored = build(cell=cell, weight_drop=0.5).eval(), build(cell=cell).eval()
    for parameter in restored.parameters():
        nn.init.normal_(parameter)
    restored.load_state_dict(saved.state_dict())
    assert torch.equal(saved(texts()), restored(texts()))


@every_pooling
@every_cell
def test_layer_groups_hold_every_parameter_once_and_end_with_the_head(cell: str, pooling: str) -> None:
    model = build(cell=cell, pooling=pooling, num_layers=2)
    groups = model.layer_groups()
    grouped = [id(parameter) for group in groups for module in group for parameter in module.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    assert len(groups) == 4
    assert [p.shape for module in groups[-1] for p in module.parameters() if p.ndim == 1] == [(3,)]


@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_it_learns_a_batch_by_heart(pooling: str) -> None:
    model, targets = build(pooling=pooling), torch.tensor([0, 1, 2, 0])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(texts()), targets)
        loss.backward()
        optimizer.step()
    assert F.cross_entropy(model.eval()(texts()), targets) < 0.05


def test_it_reads_images_and_signals_as_well() -> None:
    images = build(vocab_size=None, in_channels=3, image_size=[5, 7])
    assert images(torch.randn(2, 3, 5, 7)).shape == (2, 3)
    signals = build(vocab_size=None, in_channels=1, image_size=[50])
    assert signals(torch.randn(2, 1, 50)).shape == (2, 3)


def test_neither_tokens_nor_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="one of them must be given; choose data of tokens, or of images or sounds"):
        build(vocab_size=None)


@pytest.mark.parametrize("model", ["lstm", "gru", "rnn"])
def test_the_task_chooses_the_variant(model: str) -> None:
    classifier = compose(["data=digits", f"model={model}", "model.hidden_size=64"]).model
    assert classifier._target_ == "zoo.models.recurrent.classifier.RecurrentClassifier"
    assert (classifier.cell, classifier.hidden_size, classifier.in_channels) == (model, 64, 1)
