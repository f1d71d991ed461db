"""Figures of the layers of a model in one step of training, taken by hooks that are on it for that step alone.

Of weights, those that move: those of layers that are frozen are left out, and a layer with adapters is told by these.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from zoo.callbacks.attention_figures import AttentionFigures
from zoo.diagnosis.recorded import Layer
from zoo.layers.lora import NAME as ADAPTER
from zoo.layers.recurrent import RecurrentEncoder
from zoo.layers.transformer_block import TransformerBlock

EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)  # get gradients in few rows alone
BOUNDS: dict[type[nn.Module], tuple[float, float]] = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}
CAN_DIE = (nn.ReLU, nn.ReLU6)
ACTIVATIONS: tuple[type[nn.Module], ...] = (*BOUNDS, *CAN_DIE, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU)
BLOCKS = (nn.RNNBase, nn.TransformerEncoderLayer, RecurrentEncoder, TransformerBlock)
WATCHED: tuple[type[nn.Module], ...] = (*ACTIVATIONS, *BLOCKS)
_PARAMETRIZED = ".parametrizations."
_NEAR = 0.02
_MOST_COMPARED = 2**16  # weights of a matrix, in its first rows, that are copied to see how far a step moves them
_MOST_SEEN, _FEWEST_SEEN = 2**18, 16  # values of what a layer gives that are looked at, and samples at least


class Weights(NamedTuple):
    """A matrix, or a filter, and the layer it is of."""

    layer: str
    kind: str
    parameter: nn.Parameter


class LayerFigures:
    """Watches one step of a model: made before its forward pass, then `gradients`, the update, and `finish`.

    Figures stay on the device until `finish` reads all of them at once. Activations that are called as functions, not
    as modules, are not seen, nor those of a model that torch.compile has compiled.

    Args:
        model: what is trained.
    """

    def __init__(self, model: nn.Module) -> None:
        self._seen: dict[str, dict[str, Tensor]] = {}
        self._moved: list[tuple[Weights, Tensor, Tensor]] = []  # with a copy of some of them, and their gradients' norm
        self._weights = list(weights_of(model))
        self._kinds = {name: type(module).__name__ for name, module in model.named_modules()}
        self._hooks: list[RemovableHandle] = []
        self._attention: AttentionFigures | None = None
        if getattr(model, "_compiled_call_impl", None) is None:
            self._attention = AttentionFigures(model)
            for name, module in model.named_modules():
                if isinstance(module, WATCHED):
                    self._hooks.append(module.register_forward_hook(self._look(name)))

    @torch.no_grad()
    def gradients(self, optimizer: Optimizer, *, scale: float = 1.0) -> None:
        """Looks at the gradients of an optimizer's step, before they are clipped, and at the weights it will change.

        Args:
            optimizer: whose step is about to be taken.
            scale: what a loss scaler has multiplied them by, and has not divided them by yet.
        """
        own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        found = [each for each in self._weights if id(each.parameter) in own and is_dense(each.parameter.grad)]
        norms = _norms([each.parameter.grad for each in found if each.parameter.grad is not None])
        for each, norm in zip(found, norms, strict=True):
            self._moved.append((each, first_rows(each.parameter).clone(), norm / scale))

    @torch.no_grad()
    def finish(self) -> dict[str, Layer]:
        """Takes the hooks off and returns, once, the figures by the layers' names, in the order of the model."""
        try:
            return self._read()
        finally:
            self.remove()

    def _read(self) -> dict[str, Layer]:
        if self._attention is not None:
            for name, entropy in self._attention.entropies.items():
                self._seen.setdefault(name, {})["entropy"] = entropy
        before = [copy for _, copy, _ in self._moved]
        now = [first_rows(each.parameter) for each, _, _ in self._moved]
        changes = torch._foreach_sub(now, before) if now else []
        of_weights = [norm for _, _, norm in self._moved] + _norms(before) + _norms(list(changes))
        of_outputs = [value for figures in self._seen.values() for value in figures.values()]
        if not of_weights and not of_outputs:
            return {}
        values = torch.stack([value.float() for value in (*of_weights, *of_outputs)]).tolist()
        read = self._of_weights(np.array(values[: len(of_weights)]).reshape(3, -1))
        rest = iter(values[len(of_weights) :])
        for name, figures in self._seen.items():
            read.setdefault(name, {}).update({figure: next(rest) for figure in figures})
        return {name: _layer(kind, read[name]) for name, kind in self._kinds.items() if name in read}

    def remove(self) -> None:
        """Takes the hooks off, and drops the copies of weights."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._moved, self._seen = [], [], {}
        if self._attention is not None:
            self._attention.remove()

    def samples(self, names: set[str], *, limit: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Returns some of the weights and of their gradients of some layers, as histograms need them.

        Args:
            names: of layers.
            limit: most values of a layer.
        """
        found = [each for each, _, _ in self._moved if each.layer in names]
        weights = {each.layer: _copied(each.parameter, limit=limit) for each in found}
        gradients = [(each.layer, each.parameter.grad) for each in found]
        return weights, {name: _copied(grad, limit=limit) for name, grad in gradients if grad is not None}

    @property
    def moving(self) -> list[str]:
        """The layers whose weights have gradients, in the order of the model."""
        return list(dict.fromkeys(each.layer for each, _, _ in self._moved))

    def _of_weights(self, norms: np.ndarray) -> dict[str, dict[str, float]]:
        """Returns the figures of layers whose weights move, of norms of gradients, weights and updates (3, N)."""
        squares: dict[str, np.ndarray] = {}
        sizes: dict[str, int] = {}
        for (each, _, _), square in zip(self._moved, np.square(norms).T, strict=True):
            squares[each.layer] = squares.get(each.layer, 0) + square
            sizes[each.layer] = sizes.get(each.layer, 0) + each.parameter.numel()
        read = {}
        for name, (gradient, weights, update) in squares.items():
            rms = math.sqrt(gradient / sizes[name])
            ratio = math.sqrt(update / weights) if weights > 0 else math.nan
            read[name] = {"gradient_norm": math.sqrt(gradient), "gradient_rms": rms, "update_ratio": ratio}
        return read

    def _look(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        @torch.no_grad()
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            values = output[0] if isinstance(output, tuple) and not isinstance(output, PackedSequence) else output
            values = values.data if isinstance(values, PackedSequence) else values
            if module.training and isinstance(values, Tensor) and values.ndim >= 2 and values.numel():
                samples = max(_FEWEST_SEEN, _MOST_SEEN // values[0].numel())
                self._seen[name] = _of_outputs(module, values.detach()[:samples])  # of the last call

        return look


def weights_of(model: nn.Module) -> Iterator[Weights]:
    """Yields matrices and filters that can be trained, in the order of the model, without embeddings."""
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    for name, module in model.named_modules():
        if isinstance(module, EMBEDDINGS):
            continue
        layer = name.partition(_PARAMETRIZED)[0].partition(f".{ADAPTER}.")[0]
        for own, parameter in module.named_parameters(recurse=False):
            is_weight = "weight" in own or _PARAMETRIZED in name
            if is_weight and parameter.ndim >= 2 and parameter.requires_grad:
                yield Weights(layer, kinds[layer], parameter)


def first_rows(weight: Tensor, *, limit: int = _MOST_COMPARED) -> Tensor:
    """Returns the first rows of a matrix or filter, of no more values in all than `limit`, but at least one."""
    return weight.detach()[: max(1, limit // max(1, weight[0].numel()))]


def _copied(weight: Tensor, *, limit: int) -> Tensor:
    """Returns the first rows as they are now; a view would hold the whole, and change with it."""
    return first_rows(weight, limit=limit).to("cpu", torch.float32, copy=True)


def is_dense(gradient: Tensor | None) -> bool:
    """Whether there is a gradient, and a value of it for each weight."""
    return gradient is not None and gradient.layout == torch.strided


def _norms(tensors: list[Tensor]) -> list[Tensor]:
    if not tensors:
        return []
    return list(torch._foreach_norm([each if each.dtype.itemsize >= 4 else each.float() for each in tensors]))


def _of_outputs(module: nn.Module, outputs: Tensor) -> dict[str, Tensor]:
    """Returns the figures of what a layer gave, (B, C, H, W), (B, T, C) or (B, C)."""
    values = outputs if outputs.dtype.itemsize >= 4 else outputs.float()
    variance, mean = torch.var_mean(values, correction=0)
    figures = {"mean": mean, "std": variance.sqrt()}
    for kind, (lower, upper) in BOUNDS.items():
        if isinstance(module, kind):
            distance = (values - (lower + upper) / 2).abs()
            figures["saturated"] = (distance > (1 - _NEAR) * (upper - lower) / 2).float().mean()
    # Behind global pooling, as in squeeze and excitation, half of the units are 0 as a rule: samples hardly differ.
    if isinstance(module, CAN_DIE) and not (values.ndim == 4 and values.shape[2:].numel() == 1):
        channels = 1 if values.ndim > 3 else values.ndim - 1  # they stand last elsewhere
        largest = values.amax([dim for dim in range(values.ndim) if dim != channels])
        figures["dead"] = (largest <= 0).float().mean()
    return figures


def _layer(kind: str, figures: Mapping[str, float]) -> Layer:
    """Returns figures as they come back out of a checkpoint: in float32, and NaN where they are not finite."""
    finite = {name: value if math.isfinite(value) else math.nan for name, value in figures.items()}
    return Layer(kind, **{name: float(np.float32(value)) for name, value in finite.items()})
