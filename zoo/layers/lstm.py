"""Long short-term memory from scratch, to be read: one step, then a loop over time.

Sepp Hochreiter, Jürgen Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; the forget gate is of
Felix A. Gers, Jürgen Schmidhuber, Fred Cummins, "Learning to Forget", Neural Computation 12(10), 2000. Parameters have
the names, shapes and start values of `torch.nn.LSTMCell`, whose results these give; what trains in earnest uses
`torch.nn.LSTM`, which runs the whole sequence in one call.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import PositiveInt

LSTMState = tuple[Tensor, Tensor]  # what is read, h, and what is remembered, c; (B, H) each


class LSTMCell(nn.Module):
    """One step in time.

    With the input x, what was read last (h) and what is remembered (c):

        i = sigmoid(W_ii x + W_hi h + b_i)    input gate: how much of the candidate is written
        f = sigmoid(W_if x + W_hf h + b_f)    forget gate: how much of the memory is kept
        g = tanh(W_ig x + W_hg h + b_g)       candidate: what could be written
        o = sigmoid(W_io x + W_ho h + b_o)    output gate: how much of the memory is read
        c' = f c + i g
        h' = o tanh(c')

    The four matrices lie in one, in this order, so that a step is two products.

    Args:
        input_size: D, width of the input.
        hidden_size: H, width of what is read and of what is remembered.
    """

    def __init__(self, input_size: PositiveInt, hidden_size: PositiveInt) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(4 * hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(4 * hidden_size))
        bound = 1 / math.sqrt(hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, inputs: Float[Tensor, "B D"], state: LSTMState | None = None) -> LSTMState:
        """The next state from one input; without a state, from zeros."""
        return self.step(self.from_input(inputs), self.start(inputs) if state is None else state)

    def start(self, inputs: Tensor) -> LSTMState:
        """The state before the first step: zeros."""
        zeros = inputs.new_zeros(inputs.shape[0], self.hidden_size)
        return zeros, zeros

    def from_input(self, inputs: Float[Tensor, "*places D"]) -> Float[Tensor, "*places G"]:
        """What the input adds to the gates, G = 4 H; it needs no state, so that a sequence can be done at once."""
        return F.linear(inputs, self.weight_ih, self.bias_ih)

    def from_hidden(self, hidden: Float[Tensor, "B H"]) -> Float[Tensor, "B G"]:
        """What was read last adds to the gates."""
        return F.linear(hidden, self.weight_hh, self.bias_hh)

    def read(self, memory: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        """What the output gate sees of the memory."""
        return memory.tanh()

    def step(self, from_input: Float[Tensor, "B G"], state: LSTMState) -> LSTMState:
        """The next state, where what the input adds to the gates is known."""
        hidden, memory = state
        input_gate, forget_gate, candidate, output_gate = (from_input + self.from_hidden(hidden)).chunk(4, dim=1)
        memory = forget_gate.sigmoid() * memory + input_gate.sigmoid() * candidate.tanh()
        hidden = output_gate.sigmoid() * self.read(memory)
        return hidden, memory


class LSTMLayer(nn.Module):
    """A cell that goes through sequences.

    Args:
        input_size: D, width of the inputs.
        hidden_size: H, width of the outputs.
    """

    cell_class: type[LSTMCell] = LSTMCell

    def __init__(self, input_size: PositiveInt, hidden_size: PositiveInt) -> None:
        super().__init__()
        self.cell = self.cell_class(input_size, hidden_size)

    def forward(
        self,
        inputs: Float[Tensor, "B T D"],
        state: LSTMState | None = None,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> tuple[Float[Tensor, "B T H"], LSTMState]:
        """What is read at each step, and the state after the last one.

        Args:
            inputs: the sequences.
            state: the state before the first step; None for zeros.
            mask: where it is false, at padding, the state stays as it is; None where there is none.
        """
        state = self.cell.start(inputs) if state is None else state
        outputs = []
        for time, from_input in enumerate(self.cell.from_input(inputs).unbind(dim=1)):
            following = self.cell.step(from_input, state)
            if mask is not None:
                real = mask[:, time, None]
                following = torch.where(real, following[0], state[0]), torch.where(real, following[1], state[1])
            state = following
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state
