"""TCN as a classifier and as a language model: no place sees what comes after it."""

import pytest
import torch
from torch import Tensor

from zoo.models.cnn.tcn import TCNClassifier, TCNLanguageModel

V, T = 11, 12


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(1, V, (3, T), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_a_future_token_changes_no_logit_before_it(tie_embeddings: bool, tokens: Tensor) -> None:
    model = TCNLanguageModel(V, hidden_size=8, num_layers=3, tie_embeddings=tie_embeddings).eval()
    changed = tokens.clone()
    changed[:, 7] = changed[:, 7] % (V - 1) + 1
    before, after = model(tokens), model(changed)
    assert before.shape == (3, T, V)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_padding_changes_no_logit(pooling: str, tokens: Tensor) -> None:
    model = TCNClassifier(4, vocab_size=V, hidden_size=8, num_layers=2, pooling=pooling).eval()  # type: ignore[arg-type]
    padded = torch.cat([tokens, torch.zeros(3, 5, dtype=torch.int64)], dim=1)
    torch.testing.assert_close(model(padded), model(tokens))


@pytest.mark.parametrize("shape", [(2, 16), (2, 1, 6, 9), (2, 3, 20)])
def test_it_reads_texts_images_and_signals(shape: tuple[int, ...]) -> None:
    if len(shape) == 2:
        model, inputs = TCNClassifier(4, vocab_size=V), torch.randint(1, V, shape)
    else:
        image_size = shape[2:] if len(shape) == 4 else None
        model, inputs = TCNClassifier(4, in_channels=shape[1], image_size=image_size), torch.randn(shape)
    assert model(inputs).shape == (2, 4)


@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_layer_groups_hold_every_parameter_once(tie_embeddings: bool) -> None:
    for model in (TCNLanguageModel(V, tie_embeddings=tie_embeddings), TCNClassifier(4, vocab_size=V)):
        grouped = [id(each) for group in model.layer_groups() for module in group for each in module.parameters()]
        assert sorted(grouped) == sorted(map(id, model.parameters()))
