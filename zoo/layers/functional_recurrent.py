"""What `torch.nn.LSTM`, `GRU` and `RNN` do, with weights that are passed in.

So a weight can be changed for one batch, or one layer of a stack be run, while the module's own parameters, and what
cuDNN keeps of them in one block of memory, are never touched.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

State = tuple[Tensor, ...]  # (layers x directions, B, H): what is read, and of an LSTM what is remembered
_FUNCTIONS: dict[str, Callable[..., State]] = {"LSTM": torch.lstm, "GRU": torch.gru, "RNN_TANH": torch.rnn_tanh}


@torch.compiler.disable  # type: ignore[untyped-decorator]  # as torch does with its modules: traced, each step would become a part of the graph
def run_recurrent(
    mode: str,
    weights: Sequence[Tensor],
    inputs: Tensor,
    state: State,
    *,
    num_layers: int = 1,
    bidirectional: bool = False,
    training: bool = False,
    lengths: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Runs one or more layers in one call.

    Args:
        mode: the attribute of that name of `torch.nn.LSTM` and the like.
        weights: four tensors for each layer and direction, in the order of `torch.nn.LSTM`.
        inputs: (B, T, D).
        state: the state before the first step.
        num_layers: how many layers the weights are of.
        bidirectional: whether each layer also reads backwards.
        training: whether there will be gradients; nothing is dropped between layers, since cuDNN seeds its noise once
            and a run that is resumed would not draw the same.
        lengths: (B,) on the CPU: how many places of each sequence are real; None for all.

    Returns:
        The outputs (B, T, E), zero at padding, and the state after the last real place.
    """
    run = _FUNCTIONS[mode]
    options = (True, num_layers, 0.0, training, bidirectional)
    if mode == "LSTM" and _lacks_autocast_dtype(inputs):
        inputs, state = inputs.to(weights[0].dtype), tuple(part.to(weights[0].dtype) for part in state)
        context: contextlib.AbstractContextManager[None] = torch.autocast("cpu", enabled=False)
    else:
        context = _compacting(inputs)
    with context:
        if lengths is None:
            outputs, *final = run(inputs, _as_torch(state), weights, *options, True)
            return outputs, tuple(final)
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        assert packed.sorted_indices is not None and packed.unsorted_indices is not None
        ordered = tuple(part.index_select(1, packed.sorted_indices) for part in state)
        data, *final = run(packed.data, packed.batch_sizes, _as_torch(ordered), weights, *options)
    outputs, _ = pad_packed_sequence(packed._replace(data=data), batch_first=True, total_length=inputs.shape[1])
    return outputs, tuple(part.index_select(1, packed.unsorted_indices) for part in final)


def _as_torch(state: State) -> Tensor | State:
    return state[0] if len(state) == 1 else state


def part_of(state: State, first: int, count: int) -> State:
    """The state of some layers and directions."""
    return tuple(part[first : first + count] for part in state)


def joined(states: Sequence[State]) -> State:
    """The state of all layers and directions, from those of some."""
    return tuple(torch.cat(parts) for parts in zip(*states, strict=True))


def _lacks_autocast_dtype(inputs: Tensor) -> bool:
    """Whether autocast is on, to a type that this processor's oneDNN has no LSTM of: torch would call it and fail."""
    if inputs.is_cuda or not torch.is_autocast_enabled("cpu"):
        return False
    half = torch.get_autocast_dtype("cpu") == torch.float16
    supports = torch.ops.mkldnn._is_mkldnn_fp16_supported if half else torch.ops.mkldnn._is_mkldnn_bf16_supported
    return not supports()


@contextlib.contextmanager
def _compacting(inputs: Tensor) -> Iterator[None]:
    """Lets cuDNN copy the weights into one block without a warning: they are new with each call, it has to."""
    if not inputs.is_cuda:
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        yield
