import pytest
import torch
from torch import nn
from torchvision import ops

from zoo.models.mlp import MLP


def test_it_equals_torchvisions_mlp_with_the_same_weights() -> None:
    torch.manual_seed(0)
    ours = MLP(5, 3, image_size=[4, 6], hidden_sizes=[16, 8])
    theirs = ops.MLP(3 * 4 * 6, [16, 8, 5])
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    images = torch.randn(4, 3, 4, 6)
    torch.testing.assert_close(ours(images), theirs(images.flatten(1)), atol=1e-6, rtol=0)


def test_without_hidden_layers_it_is_linear() -> None:
    model = MLP(5, 1, image_size=8, hidden_sizes=[])
    assert sum(parameter.numel() for parameter in model.parameters()) == 64 * 5 + 5


def test_gradients_vanish_through_twenty_sigmoid_layers() -> None:
    torch.manual_seed(0)
    model = MLP(10, 1, image_size=8, hidden_sizes=[64] * 20, activation="sigmoid")
    nn.functional.cross_entropy(model(torch.randn(16, 1, 8, 8)), torch.arange(16) % 10).backward()
    first, last = model.hidden[0][0].weight.grad, model.hidden[-1][0].weight.grad
    assert first.norm() < 1e-6 * last.norm()


def test_residual_layers_add_their_input_where_widths_allow_it() -> None:
    torch.manual_seed(0)
    model = MLP(5, 3, image_size=[], hidden_sizes=[8, 8, 4], residual=True)
    x = torch.randn(6, 3)
    first, (second,), third = model.hidden[0], model.hidden[1].children(), model.hidden[2]
    hidden = first(x)
    torch.testing.assert_close(model(x), model.head(third(hidden + second(hidden))))


def test_gradients_reach_the_first_of_twenty_residual_sigmoid_layers() -> None:
    torch.manual_seed(0)
    model = MLP(10, 1, image_size=8, hidden_sizes=[64] * 20, activation="sigmoid", residual=True)
    nn.functional.cross_entropy(model(torch.randn(16, 1, 8, 8)), torch.arange(16) % 10).backward()
    first, last = (model.hidden[place].branch[0].weight.grad for place in (0, -1))
    assert first.norm() > 1e-3 * last.norm()


def test_a_hidden_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hidden_sizes \[64, 0\]: each must be at least 1"):
        MLP(5, 1, image_size=8, hidden_sizes=[64, 0])


def test_rows_of_a_table_have_no_sides() -> None:
    assert MLP(5, 4, image_size=[])(torch.randn(3, 4)).shape == (3, 5)
    assert MLP(5, 4, image_size=[]).hidden[0][0].in_features == 4
