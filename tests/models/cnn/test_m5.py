import pytest
import torch

from zoo.models.cnn.m5 import M5


def test_it_has_as_many_parameters_as_in_the_paper() -> None:
    # Dai et al., arXiv:1610.00087, table 1: 0.5 million; there with 10 classes.
    count = sum(parameter.numel() for parameter in M5(10).parameters())
    convolutions = 128 * 80 + 128 * 128 * 3 + 256 * 128 * 3 + 512 * 256 * 3
    assert count == convolutions + 2 * (128 + 128 + 256 + 512) + 512 * 10 + 10
    assert round(count / 1e6, 1) == 0.6  # with batch norms


@pytest.mark.parametrize("length", [1, 79, 800, 8000])
def test_clips_of_any_length_go_through(length: int) -> None:
    assert M5(3, width=8).eval()(torch.randn(2, 1, length)).shape == (2, 3)


def test_a_gradient_reaches_every_parameter() -> None:
    model = M5(3, width=8)
    model(torch.randn(4, 1, 2000)).logsumexp(1).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_layer_groups_hold_every_parameter_once_and_end_with_the_head() -> None:
    model = M5(3, width=8)
    groups = model.layer_groups()
    held = [id(parameter) for group in groups for module in group for parameter in module.parameters()]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())
    assert groups[-1] == [model.head]


def test_in_evaluation_a_waveform_does_not_depend_on_its_batch() -> None:
    model, waves = M5(3, width=8, dropout=0.5).eval(), torch.randn(4, 1, 2000)
    torch.testing.assert_close(model(waves)[:1], model(waves[:1]), atol=1e-5, rtol=1e-4)
