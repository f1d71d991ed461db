import torch
from torch import nn

from zoo.losses.penalties import l1_penalty


def test_the_l1_penalty_is_the_sum_of_absolute_values() -> None:
    assert l1_penalty([torch.tensor([[1.0, -2.0]]), torch.tensor([-3.0])]).item() == 6.0


def test_the_gradient_of_the_l1_penalty_is_the_sign() -> None:
    weight = nn.Parameter(torch.tensor([2.0, -0.5, 0.0]))
    l1_penalty([weight]).backward()
    assert weight.grad.tolist() == [1.0, -1.0, 0.0]


def test_many_half_precision_weights_are_summed_in_float32() -> None:
    assert l1_penalty([torch.ones(5000, dtype=torch.bfloat16)]).item() == 5000.0
