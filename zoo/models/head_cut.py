"""A model cut in front of its head: what the layers before it make of an input, and what the head makes of that."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.layers.layer_groups import grouped


class HeadCut:
    """The two halves of a model, which are parts of it and change with it.

    The head is the chain of modules that are called last, from the first one of the last of `layer_groups()`, and from
    a dropout or the like that comes before it.

    Args:
        model: any model with `layer_groups()`.
        inputs: what it is called with; a small batch, on which the halves are compared with the whole.

    Attributes:
        chain: the modules of the head in the order of their calls.

    Raises:
        ValueError: the head is no chain of modules, each of which takes what the one before it gives.
    """

    def __init__(self, model: nn.Module, *inputs: Tensor) -> None:
        self.model = model
        self.chain: list[nn.Module] = []
        with _in_eval(model), torch.no_grad():
            expected = model.forward(*inputs)
            called = self._last_called(inputs)
            for start in range(len(called)):  # between two of them something may be computed that is no module
                self.chain = called[start:]
                if self._gives(expected, inputs):
                    return
        remedy = "give one as the last of layer_groups()"
        raise ValueError(f"{type(model).__name__}: its head is no chain of modules; {remedy}")

    def features(self, *inputs: Tensor) -> Tensor:
        """Returns the input of the head, (B, ...)."""
        seen: list[Tensor] = []
        with _hook(self.chain[:1], lambda module, given: seen.append(given[0].detach().clone())):
            self.model.forward(*inputs)  # not what torch.compile has made of it
        return seen[0]  # a copy: an activation may work in place

    def head(self, features: Tensor) -> Tensor:
        """Returns the output of the model."""
        for module in self.chain:
            features = module(features)
        return features

    def _gives(self, expected: Tensor, inputs: tuple[Tensor, ...]) -> bool:
        try:
            found = self.head(self.features(*inputs))
        except (RuntimeError, TypeError):  # a module takes something else than the one before it gives
            return False
        return found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-4, atol=1e-5)

    def _last_called(self, inputs: tuple[Tensor, ...]) -> list[nn.Module]:
        """The modules without children that are called last and belong to the head."""
        head = {id(module) for module in grouped(self.model)[-1].modules}
        called: list[nn.Module] = []
        leaves = [module for module in self.model.modules() if next(module.children(), None) is None]
        with _hook(leaves, lambda module, given: called.append(module)):
            self.model.forward(*inputs)
        chain: list[nn.Module] = []
        while called and id(called[-1]) in head:
            chain.insert(0, called.pop())
        return chain if len(set(map(id, chain))) == len(chain) else []


@contextmanager
def _hook(modules: list[nn.Module], function: Callable[[nn.Module, Any], Any]) -> Any:
    """Calls a function before each call of some modules."""

    def before(module: nn.Module, given: Any) -> None:
        function(module, given)

    handles = [module.register_forward_pre_hook(before) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _in_eval(model: nn.Module) -> Any:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
