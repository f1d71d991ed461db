"""The recurrent transcriber: lengths, padding, gradients, and a text learned by heart."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.models.ctc import ctc_greedy
from zoo.models.recurrent.transcriber import Transcriber

LENGTHS = torch.tensor([41, 22, 3])


def build(**options: Any) -> Transcriber:
    torch.manual_seed(0)
    return Transcriber(5, in_channels=1, image_size=[10, 41], **{"width": 4, "hidden_size": 8, **options})


def features() -> Tensor:
    return torch.randn(3, 1, 10, 41, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("subsampling", [1, 2, 4])
def test_what_fills_a_batch_up_changes_nothing(subsampling: int) -> None:
    model, inputs = build(subsampling=subsampling).eval(), features()
    together = model(inputs, LENGTHS)
    kept = model.output_lengths(LENGTHS)
    assert kept.tolist() == [-(-length // subsampling) for length in LENGTHS.tolist()]
    assert together.shape == (3, int(kept.max()), 5)
    for row, (length, frames) in enumerate(zip(LENGTHS.tolist(), kept.tolist(), strict=True)):
        alone = model(inputs[row : row + 1, ..., :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(together[row, :frames], alone[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone, model(inputs[row : row + 1, ..., :length]), atol=1e-5, rtol=1e-5)


def test_a_gradient_reaches_every_parameter_and_groups_hold_each_once() -> None:
    model = build()
    model(features(), LENGTHS)[0].square().sum().backward()
    assert not [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    grouped = [id(p) for group in model.layer_groups() for module in group for p in module.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())


def test_it_learns_texts_by_heart() -> None:
    model, inputs = build(hidden_size=16, dropout=0.0), features()[:2]
    lengths, targets, sizes = LENGTHS[:2], torch.tensor([[1, 2, 2, 4], [3, 1, 0, 0]]), torch.tensor([4, 2])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        logits = model(inputs, lengths)
        kept = model.output_lengths(lengths)
        F.ctc_loss(logits.log_softmax(-1).transpose(0, 1), targets, kept, sizes).backward()
        optimizer.step()
    assert torch.equal(ctc_greedy(model.eval()(inputs, lengths), kept), targets)
