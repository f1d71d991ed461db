"""Recurrent layers in exported programs: one operation for sequences of any length, not one for each step.

While it traces, torch 2.11 takes `torch.lstm` and its like apart, as often as the example is long, though the program
keeps the operation whole. Here it is told the shapes instead.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._decomp import meta_table
from torch._subclasses.fake_impls import op_implementations_dict

_OPERATIONS = (torch.ops.aten.lstm.input, torch.ops.aten.gru.input, torch.ops.aten.rnn_tanh.input)


@contextmanager
def whole_layers() -> Iterator[None]:
    """Keeps recurrent layers whole while torch traces."""
    kernels = {operation: dict(operation.py_kernels) for operation in _OPERATIONS}
    try:
        for operation in _OPERATIONS:
            operation.py_kernels.update(dict.fromkeys(operation.py_kernels, _of_same_shapes))
            operation._dispatch_cache.clear()
            meta_table[operation] = _of_same_shapes
            op_implementations_dict[operation] = _faked
        yield
    finally:
        for operation in _OPERATIONS:
            meta_table.pop(operation, None)
            op_implementations_dict.pop(operation, None)
        for operation, before in kernels.items():
            operation.py_kernels.clear()
            operation.py_kernels.update(before)
            operation._dispatch_cache.clear()


def _faked(mode: Any, operation: Any, *arguments: Any, **keywords: Any) -> tuple[Tensor, ...]:
    with mode:
        return _of_same_shapes(*arguments, **keywords)


def _of_same_shapes(
    inputs: Tensor,
    state: Tensor | Sequence[Tensor],
    weights: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """Returns tensors of the shapes of outputs and state."""
    states = [state] if isinstance(state, Tensor) else state
    width = states[0].shape[2] * (2 if bidirectional else 1)
    return inputs.new_empty(*inputs.shape[:2], width), *(part.new_empty(part.shape) for part in states)


def onnx_layers() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Returns what ONNX has for the layers that torch's exporter does not know: `torch.rnn_tanh`."""
    from onnxscript import opset18

    op: Any = opset18  # takes plain lists as well

    def rnn(
        inputs: Any,
        state: Any,
        weights: Sequence[Any],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Any, Any]:
        directions = 2 if bidirectional else 1
        outputs, final = op.Transpose(inputs, perm=[1, 0, 2]), []  # (T, B, D)
        for first in range(0, num_layers * directions, directions):
            places = range(first, first + directions)
            from_input, from_hidden, *biases = (
                op.Concat(*(op.Unsqueeze(weights[4 * place + kind], [0]) for place in places), axis=0)
                for kind in range(4)
            )
            outputs, last = op.RNN(
                outputs,
                from_input,
                from_hidden,
                op.Concat(*biases, axis=1),
                None,
                op.Slice(state, [first], [first + directions], [0]),
                activations=["Tanh"] * directions,
                direction="bidirectional" if bidirectional else "forward",
                hidden_size=state.shape[2],
            )
            outputs = op.Reshape(op.Transpose(outputs, perm=[0, 2, 1, 3]), [0, 0, -1])  # (T, B, E)
            final.append(last)
        return op.Transpose(outputs, perm=[1, 0, 2]), op.Concat(*final, axis=0)

    return {torch.ops.aten.rnn_tanh.input: rnn}
