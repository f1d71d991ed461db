"""Floating-point operations of a kernel: torch's own table, and formulas for the kernels that it does not know.

Counted are products of matrices, convolutions and attention, where nearly all of them are; a multiplication and an
addition are two. Not counted are what works on each element by itself (activations, norms, softmax, dropout, pooling,
embeddings), the losses, and the optimizer. Causal attention counts as if it looked at everything.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import conv_flop_count, flop_registry, sdpa_backward_flop_count, sdpa_flop_count

aten = torch.ops.aten


def _recurrent(inputs: Tensor, weights: Sequence[Tensor]) -> int:
    """Each row of a sequence goes through all matrices of a layer."""
    rows = inputs.numel() // inputs.shape[-1]
    return 2 * rows * sum(weight.numel() for weight in weights if weight.ndim == 2)


def _mkldnn(inputs: Tensor, input_weight: Tensor, hidden_weight: Tensor, *_: Any, **__: Any) -> int:
    return _recurrent(inputs, (input_weight, hidden_weight))


def _mkldnn_backward(*args: Any, **options: Any) -> int:
    return 2 * _mkldnn(*args, **options)


def _cudnn(inputs: Tensor, weights: Sequence[Tensor], *_: Any, **__: Any) -> int:
    return _recurrent(inputs, weights)


def _cudnn_backward(*args: Any, **options: Any) -> int:
    return 2 * _cudnn(*args, **options)


def _convolution_backward(gradients: Tensor, inputs: Tensor, weight: Tensor, *args: Any, **__: Any) -> int:
    """Takes what the convolution itself does for each gradient; torch's formula forgets groups."""
    transposed, wanted = args[4], args[7]
    flops = int(conv_flop_count(inputs.shape, weight.shape, gradients.shape, transposed))  # type: ignore[arg-type]
    return flops * sum(map(bool, wanted[:2]))


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))  # type: ignore[no-untyped-call]


def _attention_backward(gradients: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    shapes = [tensor.shape for tensor in (gradients, query, key, value)]
    return int(sdpa_backward_flop_count(*shapes))  # type: ignore[no-untyped-call]


# By kernel; each takes the arguments of the kernel, and as `out_val` what it returned.
FORMULAS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    aten.convolution_backward: _convolution_backward,
    aten.mkldnn_rnn_layer: _mkldnn,
    aten.mkldnn_rnn_layer_backward: _mkldnn_backward,
    aten._cudnn_rnn: _cudnn,
    aten._cudnn_rnn_backward: _cudnn_backward,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
