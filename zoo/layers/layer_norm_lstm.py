"""LSTM whose gates and memory are normalised, which keeps their scale over many steps.

Jimmy Lei Ba, Jamie Ryan Kiros, Geoffrey E. Hinton, "Layer Normalization", 2016, arXiv:1607.06450, equations 20 to 22.
The shifts of the first two norms are the two biases of the cell, which add up to the one bias of the paper as well.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.lstm import LSTMCell, LSTMLayer
from zoo.ranges import PositiveInt


class LayerNormLSTMCell(LSTMCell):
    """One step in time.

    Args:
        input_size: D, width of the input.
        hidden_size: H, width of what is read and of what is remembered.
    """

    def __init__(self, input_size: PositiveInt, hidden_size: PositiveInt) -> None:
        super().__init__(input_size, hidden_size)
        self.input_norm = nn.LayerNorm(4 * hidden_size, bias=False)
        self.hidden_norm = nn.LayerNorm(4 * hidden_size, bias=False)
        self.memory_norm = nn.LayerNorm(hidden_size)

    def from_input(self, inputs: Float[Tensor, "*places D"]) -> Float[Tensor, "*places G"]:
        """What the input adds to the gates, of one scale whatever the input's."""
        normalised: Tensor = self.input_norm(F.linear(inputs, self.weight_ih))
        return normalised + self.bias_ih

    def from_hidden(self, hidden: Float[Tensor, "B H"]) -> Float[Tensor, "B G"]:
        """What was read last adds to the gates, of the same scale."""
        normalised: Tensor = self.hidden_norm(F.linear(hidden, self.weight_hh))
        return normalised + self.bias_hh

    def read(self, memory: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        """What the output gate sees of the memory; the memory itself is not normalised."""
        normalised: Tensor = self.memory_norm(memory)
        return normalised.tanh()


class LayerNormLSTMLayer(LSTMLayer):
    """A normalised cell that goes through sequences; options as of `LSTMLayer`."""

    cell_class = LayerNormLSTMCell
