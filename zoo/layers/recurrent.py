"""Recurrent layers, stacked, in one or both directions, over sequences that need not be equally long.

LSTM: see `zoo.layers.lstm`. GRU: Kyunghyun Cho et al., 2014, arXiv:1406.1078. RNN: Jeffrey L. Elman, "Finding Structure
in Time", 1990. Both directions: Mike Schuster, Kuldip K. Paliwal, "Bidirectional Recurrent Neural Networks", 1997.
Locked dropout and weight drop (DropConnect from hidden to hidden): Stephen Merity, Nitish Shirish Keskar, Richard
Socher, "Regularizing and Optimizing LSTM Language Models" (AWD-LSTM), 2017, arXiv:1708.02182.
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from zoo.layers.functional_recurrent import State, joined, part_of, run_recurrent
from zoo.layers.layer_norm_lstm import LayerNormLSTMLayer
from zoo.layers.locked_dropout import LockedDropout
from zoo.layers.recurrent_init import RecurrentInit, initialize_recurrent
from zoo.layers.sequence_input import lengths_of
from zoo.ranges import PositiveInt, Probability

Cell = Literal["lstm", "gru", "rnn", "layer_norm_lstm"]
_ENGINES: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class RecurrentEncoder(nn.Module):
    """Reads sequences step by step.

    The engine is `torch.nn.LSTM` and its like, cuDNN's on a GPU; `layer_norm_lstm` is a loop in Python.

    Args:
        input_size: D, width of the inputs.
        hidden_size: H, width of the state of a layer in one direction.
        cell: what goes through the sequence.
        num_layers: number of layers, each of which reads what the one before it gives.
        bidirectional: whether each layer also reads backwards.
        dropout: probability to drop a feature between two layers.
        locked_dropout: whether the same features are dropped there at all steps.
        weight_drop: probability to drop a weight from hidden to hidden, drawn once for all steps.
        init: a scheme that `initialize_recurrent` knows.
        forget_bias: start value of an LSTM's forget gates; None for that of `init`.
    """

    def __init__(
        self,
        input_size: PositiveInt,
        hidden_size: PositiveInt,
        *,
        cell: Cell = "lstm",
        num_layers: PositiveInt = 1,
        bidirectional: bool = False,
        dropout: Probability = 0.0,
        locked_dropout: bool = False,
        weight_drop: Probability = 0.0,
        init: RecurrentInit = "orthogonal",
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__()
        self.hidden_size, self.num_layers, self.bidirectional = hidden_size, num_layers, bidirectional
        self.num_directions = 2 if bidirectional else 1
        self.output_size = hidden_size * self.num_directions
        self.weight_drop = weight_drop
        self.dropout = LockedDropout(dropout) if locked_dropout else nn.Dropout(dropout)
        self.engine: nn.RNNBase | None = None
        self.layers = nn.ModuleList()  # those of the loop in Python: each layer's directions, layer by layer
        if cell in _ENGINES:
            engine = _ENGINES[cell]
            self.engine = engine(input_size, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional)
        else:
            for layer in range(num_layers):
                size = self.output_size if layer else input_size
                self.layers.extend(LayerNormLSTMLayer(size, hidden_size) for _ in range(self.num_directions))
        initialize_recurrent(self, init, hidden_size=hidden_size, forget_bias=forget_bias)

    def forward(
        self, inputs: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T E"]:
        """What the last layer gives, both directions side by side; at padding it has no meaning.

        Args:
            inputs: the sequences.
            mask: which places are no padding, which stands at the end; None where all are real.
        """
        if not self.bidirectional or mask is None or _is_full(mask):
            return self.run(inputs)[0]  # what comes later does not reach a place
        if inputs.is_cuda and self.engine is not None:
            return self.run(inputs, mask)[0]
        # On a CPU packed sequences take up to three times as long: oneDNN, which torch calls, does not know them.
        return self._run_directions(inputs, mask, None)[0]

    def run(
        self, inputs: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"] | None = None, *, state: State | None = None
    ) -> tuple[Float[Tensor, "B T E"], State]:
        """What the last layer gives, and the state of all layers after the last real place of each sequence.

        Args:
            inputs: the sequences.
            mask: as of `forward`, which is faster where the state is not needed.
            state: the state before the first step, one tensor (layers x directions, B, H), of an LSTM two; None for
                zeros.
        """
        if self.engine is None:
            return self._run_directions(inputs, mask, state)
        lengths = None
        if mask is not None:
            lengths = lengths_of(mask).cpu()  # where packing needs them; the one time a GPU is waited for
            lengths = lengths if bool((lengths < mask.shape[1]).any()) else None
        state = self._zeros(inputs) if state is None else state
        if not self.training or self.dropout.p == 0:
            return self._run_layers(inputs, state, lengths, 0, self.num_layers)
        states = []
        for layer, first in enumerate(self._first_places()):
            inputs = self.dropout(inputs) if layer else inputs
            own = part_of(state, first, self.num_directions)
            inputs, own = self._run_layers(inputs, own, lengths, layer, layer + 1)
            states.append(own)
        return inputs, joined(states)

    def layer_groups(self) -> list[list[nn.Module]]:
        """The layers, input to output: what fine-tuning freezes and thaws together."""
        places = list(self.layers)
        if self.engine is not None:  # one module, whose parameters go by layer
            places = [nn.ParameterList(weights) for weights in self.engine.all_weights]
        return [places[first : first + self.num_directions] for first in self._first_places()]

    def _first_places(self) -> range:
        """Where each layer begins in a list of directions, layer by layer."""
        return range(0, self.num_layers * self.num_directions, self.num_directions)

    def _run_layers(
        self, inputs: Tensor, state: State, lengths: Tensor | None, first: int, last: int
    ) -> tuple[Tensor, State]:
        """Runs some of the engine's layers in one call."""
        assert self.engine is not None
        result: tuple[Tensor, State] = run_recurrent(
            self.engine.mode,
            self._weights(first * self.num_directions, last * self.num_directions),
            inputs,
            state,
            num_layers=last - first,
            bidirectional=self.bidirectional,
            training=self.training,
            lengths=lengths,
        )
        return result

    def _run_directions(self, inputs: Tensor, mask: Tensor | None, state: State | None) -> tuple[Tensor, State]:
        """Runs direction after direction; of the engine's own, the state is right only where all places are real."""
        state = self._zeros(inputs) if state is None else state
        places = _reversed_places(mask, inputs) if self.bidirectional else None
        states = []
        for first in self._first_places():
            inputs = self.dropout(inputs) if first else inputs
            outputs, own = self._run_direction(first, inputs, mask, part_of(state, first, 1))
            states.append(own)
            if places is not None:
                backwards, own = self._run_direction(
                    first + 1, _take(inputs, places), mask, part_of(state, first + 1, 1)
                )
                states.append(own)
                outputs = torch.cat([outputs, _take(backwards, places)], dim=2)
            inputs = outputs
        return inputs, joined(states)

    def _run_direction(self, place: int, inputs: Tensor, mask: Tensor | None, state: State) -> tuple[Tensor, State]:
        if self.engine is not None:
            weights = self._weights(place, place + 1)
            result: tuple[Tensor, State] = run_recurrent(
                self.engine.mode, weights, inputs, state, training=self.training
            )
            return result
        layer = self.layers[place]
        assert isinstance(layer, LayerNormLSTMLayer)
        dropped = {"cell.weight_hh": self._drop(layer.cell.weight_hh)}
        hidden, memory = state
        outputs, own = functional_call(layer, dropped, (inputs, (hidden[0], memory[0]), mask))
        return outputs, tuple(part.unsqueeze(0) for part in own)

    def _weights(self, first: int, last: int) -> list[Tensor]:
        """The engine's weights of some directions, those from hidden to hidden with some dropped while it trains."""
        assert self.engine is not None
        weights: list[Tensor] = []
        for from_input, from_hidden, *biases in self.engine.all_weights[first:last]:
            weights += [from_input, self._drop(from_hidden), *biases]
        return weights

    def _drop(self, weight: Tensor) -> Tensor:
        return F.dropout(weight, self.weight_drop) if self.training and self.weight_drop else weight

    def _zeros(self, inputs: Tensor) -> State:
        zeros = inputs.new_zeros(self.num_layers * self.num_directions, inputs.shape[0], self.hidden_size)
        return (zeros, zeros) if self.engine is None or self.engine.mode == "LSTM" else (zeros,)


def _is_full(mask: Tensor) -> bool:
    """Whether all places are real, where to ask stops no GPU and is no part of a program that is exported."""
    return not mask.is_cuda and not torch.compiler.is_exporting() and bool(mask.all())


def _reversed_places(mask: Tensor | None, inputs: Tensor) -> Tensor:
    """Returns (B, T), where to look for what stands at each place when the real part is read backwards."""
    length = inputs.shape[1]
    places = torch.arange(length, device=inputs.device)
    if mask is None:
        return places.flip(0).expand(inputs.shape[0], length)
    mirrored = lengths_of(mask).unsqueeze(1) - 1 - places  # (B, T), below zero at padding, which stays where it is
    return torch.where(mirrored < 0, places, mirrored)


def _take(features: Tensor, places: Tensor) -> Tensor:
    return features.gather(1, places.unsqueeze(2).expand_as(features))
