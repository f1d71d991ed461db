"""Figures of the layers of a model in one step of training, taken by hooks that are on it for that step alone."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from zoo.diagnosis.recorded import Layer

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase)  # embeddings get gradients in few rows alone
BOUNDS: dict[type[nn.Module], tuple[float, float]] = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}
CAN_DIE = (nn.ReLU, nn.ReLU6)
ACTIVATIONS: tuple[type[nn.Module], ...] = (*BOUNDS, *CAN_DIE, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU)
_NEAR = 0.02


class LayerFigures:
    """Watches one step of a model: `start` before its forward pass, then `gradients`, the update, and `finish`.

    Figures stay on the device until `finish` reads all of them at once. Activations that are called as functions, not
    as modules, are not seen, nor those of a model that torch.compile has compiled.

    Args:
        model: what is trained.
    """

    def __init__(self, model: nn.Module) -> None:
        self._figures: dict[str, dict[str, Tensor]] = {}
        self._before: dict[str, list[Tensor]] = {}
        self._hooks: list[RemovableHandle] = []
        self._weighted = {name: module for name, module in model.named_modules() if isinstance(module, WEIGHTED)}
        self._kinds = {name: type(module).__name__ for name, module in model.named_modules()}
        if getattr(model, "_compiled_call_impl", None) is None:
            for name, module in model.named_modules():
                if isinstance(module, ACTIVATIONS):
                    self._hooks.append(module.register_forward_hook(self._look(name)))

    def gradients(self) -> None:
        """Looks at the gradients, before they are clipped, and keeps the weights that the step will change."""
        for name, module in self._weighted.items():
            weights = list(_weights(module))
            found = [weight.grad for weight in weights if weight.grad is not None]
            if found and len(found) == len(weights):
                norm = _norm(found)
                size = math.sqrt(sum(gradient.numel() for gradient in found))
                self._figures.setdefault(name, {}).update(gradient_norm=norm, gradient_rms=norm / size)
                self._before[name] = [weight.detach().clone() for weight in weights]

    @torch.no_grad()
    def finish(self) -> dict[str, Layer]:
        """Takes the hooks off and returns the figures by the layers' names, in the order of the model."""
        self.remove()
        for name, before in self._before.items():
            moved = _norm([now - then for now, then in zip(_weights(self._weighted[name]), before, strict=True)])
            self._figures[name]["update_ratio"] = moved / _norm(before).clamp_min(1e-12)
        names = [(name, figure) for name, figures in self._figures.items() for figure in figures]
        if not names:
            return {}
        values = torch.stack([self._figures[name][figure].float() for name, figure in names]).tolist()
        read: dict[str, dict[str, float]] = {}
        for (name, figure), value in zip(names, values, strict=True):
            read.setdefault(name, {})[figure] = value
        return {name: Layer(kind, **read[name]) for name, kind in self._kinds.items() if name in read}

    def remove(self) -> None:
        """Takes the hooks off."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _look(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        @torch.no_grad()
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if module.training and isinstance(output, Tensor) and output.ndim >= 2:
                self._figures[name] = _of_outputs(module, output.detach())  # of the last call, if it is called often

        return look


def _of_outputs(module: nn.Module, outputs: Tensor) -> dict[str, Tensor]:
    """Returns the figures of what an activation gave, (B, C, H, W), (B, T, C) or (B, C)."""
    values = outputs.float()
    figures = {"mean": values.mean(), "std": values.std(correction=0)}
    for kind, (lower, upper) in BOUNDS.items():
        if isinstance(module, kind):
            near = _NEAR * (upper - lower) / 2
            figures["saturated"] = ((values < lower + near) | (values > upper - near)).float().mean()
    if isinstance(module, CAN_DIE):
        units = values.transpose(0, 1) if values.ndim > 3 else values.movedim(-1, 0)  # channels stand last elsewhere
        figures["dead"] = (units.flatten(1) <= 0).all(1).float().mean()
    return figures


def _weights(module: nn.Module) -> Iterator[nn.Parameter]:
    for name, parameter in module.named_parameters(recurse=False):
        if name.startswith("weight") and parameter.requires_grad:
            yield parameter


def _norm(tensors: list[Tensor]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(tensor.float()) for tensor in tensors])
    )
    return norm
