"""What a step takes: operations by hand, memory as a larger step really takes it."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from zoo.costs.ledger import bytes_of
from zoo.costs.step import StepCost, extrapolate, measure_step


def measured(model: nn.Module, *shape: int, rows: int) -> StepCost:
    inputs = torch.randn(rows, *shape)
    for parameter in model.parameters():
        parameter.grad = None

    def losses() -> Iterator[tuple[Tensor, float]]:
        outputs = model(inputs)
        yield (outputs[0] if isinstance(outputs, tuple) else outputs).square().mean(), 1.0

    return measure_step(losses, rows=rows, known=[inputs, *model.parameters(), *model.buffers()])


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_a_recurrent_layer_counts_its_matrices_at_each_step(kind: type[nn.RNNBase], gates: int) -> None:
    step = measured(kind(8, 16, batch_first=True), 10, 8, rows=2)
    assert step.forward == 2 * (2 * 10) * gates * 16 * (8 + 16)
    assert step.backward <= 2 * step.forward and step.backward > step.forward


def test_attention_counts_its_two_products() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, inputs: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(*[inputs * self.scale] * 3)

    assert measured(Attention(), 3, 5, 8, rows=2).forward == 2 * (2 * 2 * 3 * 5 * 5 * 8)


def test_a_linear_layer_takes_what_its_matrix_does() -> None:
    step = measured(nn.Linear(30, 20), 30, rows=4)
    assert step.forward == step.backward == 2 * 4 * 30 * 20  # the inputs need no gradient
    assert step.curve and step.peak >= 4 * (30 * 20 + 20)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("groups", [1, 4, 8])
def test_gradients_of_a_convolution_in_groups_take_twice_what_it_does(kind: type[nn.Conv2d], groups: int) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), kind(8, 8, 3, stride=2, padding=1, groups=groups))
    step, first = measured(model, 3, 9, 9, rows=2), 2 * (2 * 9 * 9) * 3 * 8
    assert step.backward == 2 * (step.forward - first) + first  # the images need no gradient


class Norms(nn.Sequential):
    def __init__(self) -> None:
        wide = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)]
        deep = [nn.Conv2d(16, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 64, 10)]
        super().__init__(*wide, *deep)


def test_a_step_of_many_samples_takes_what_two_small_ones_foretell() -> None:
    model = Norms()
    foretold = extrapolate(*(measured(model, 3, 16, 16, rows=rows) for rows in (2, 4)), rows=48)
    real = measured(model, 3, 16, 16, rows=48)
    assert foretold.forward == real.forward and foretold.backward == real.backward
    assert foretold.activations == pytest.approx(real.activations, rel=0.01)
    assert foretold.peak == pytest.approx(real.peak, rel=0.02)
    # The peak of few samples is where the gradients are, of many where the activations are.
    weights = bytes_of(model.parameters())
    assert measured(model, 3, 16, 16, rows=2).peak > weights and real.peak > real.activations


def test_what_happens_in_a_part_of_the_batches_counts_as_that_part() -> None:
    model, inputs = nn.Linear(10, 10), torch.randn(2, 10)

    def losses() -> Iterator[tuple[Tensor, float]]:
        yield model(inputs).mean(), 1.0
        yield model(inputs).mean(), 0.25

    assert measure_step(losses, rows=2, known=[inputs, *model.parameters()]).forward == 1.25 * 2 * 2 * 100
