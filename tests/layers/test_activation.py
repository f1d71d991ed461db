import pytest
import torch
from torch import nn

from zoo.layers.activation import ACTIVATIONS, make_activation


@pytest.mark.parametrize("name", [*ACTIVATIONS, "torch.nn.Mish"])
def test_every_name_makes_an_activation_that_keeps_the_shape(name: str) -> None:
    x = torch.randn(2, 3, 4, 4)
    y = make_activation(name)(x)
    assert y.shape == x.shape
    assert not torch.equal(y, x)


@pytest.mark.parametrize("name", [*ACTIVATIONS, "torch.nn.Mish"])
def test_the_input_is_left_alone_unless_in_place_is_asked_for(name: str) -> None:
    x = torch.randn(8)
    before = x.clone()
    make_activation(name)(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_in_place_gives_the_same_values_and_gradients(name: str) -> None:
    values, gradients = [], []
    for inplace in (False, True):
        x = torch.linspace(-3, 3, 11, requires_grad=True)
        y = make_activation(name, inplace=inplace)(x * 1)
        y.square().sum().backward()
        values.append(y.detach())
        gradients.append(x.grad)
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_misspelt_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        ValueError, match=r"unknown activation 'rellu'; did you mean relu\? choose one of relu, leaky_relu"
    ):
        make_activation("rellu")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("torch.nn.Missh", "cannot be imported"),
        ("no_such_package.Swish", "is not imported; if you trust the package, add allow="),
        ("torch.nn.functional.relu", "is no torch.nn.Module class"),
        ("torch.nn.Threshold", "needs arguments"),
    ],
)
def test_a_path_that_names_no_plain_module_is_refused(name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make_activation(name)


def test_a_path_makes_the_class_it_names() -> None:
    assert isinstance(make_activation("torch.nn.Hardswish"), nn.Hardswish)
