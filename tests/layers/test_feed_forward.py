import torch
from torch import nn
from torch.nn import functional as F

from zoo.layers.feed_forward import FeedForward, SwiGLU, make_feed_forward


def test_feed_forward_is_two_layers_with_gelu_between_them() -> None:
    layer, x = FeedForward(6), torch.randn(2, 3, 6)
    expand, project = layer.expand, layer.project
    assert expand.out_features == 24
    expected = F.linear(F.gelu(F.linear(x, expand.weight, expand.bias)), project.weight, project.bias)
    torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=0)


def test_swiglu_is_the_gated_layer_of_the_paper() -> None:
    layer, x = SwiGLU(6, hidden_size=10, bias=False), torch.randn(2, 3, 6)
    w, v = layer.expand.weight.chunk(2)
    expected = (F.silu(x @ w.T) * (x @ v.T)) @ layer.project.weight.T
    torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=0)


def test_swiglu_has_about_as_many_weights_as_feed_forward() -> None:
    ours, plain = SwiGLU(96, bias=False), FeedForward(96, bias=False)
    counts = [sum(parameter.numel() for parameter in layer.parameters()) for layer in (ours, plain)]
    assert counts[0] == counts[1]


def test_the_activation_names_the_kind() -> None:
    assert isinstance(make_feed_forward("swiglu", 6), SwiGLU)
    relu = make_feed_forward("relu", 6, hidden_size=7)
    assert isinstance(relu, FeedForward)
    assert isinstance(relu.activation, nn.ReLU)
    assert relu.expand.out_features == 7
