"""Initial weights of recurrent layers, ours and torch's.

Andrew M. Saxe, James L. McClelland, Surya Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
linear neural networks", 2013, arXiv:1312.6120 (orthogonal); Quoc V. Le, Navdeep Jaitly, Geoffrey E. Hinton, "A Simple
Way to Initialize Recurrent Networks of Rectified Linear Units", 2015, arXiv:1504.00941 (identity); Rafal Jozefowicz,
Wojciech Zaremba, Ilya Sutskever, "An Empirical Exploration of Recurrent Network Architectures", ICML 2015 (forget gates
that begin open).
"""

from typing import Literal

import torch
from torch import nn

RecurrentInit = Literal["default", "orthogonal", "identity"]


@torch.no_grad()
def initialize_recurrent(
    layers: nn.Module, scheme: RecurrentInit, *, hidden_size: int, forget_bias: float | None = None
) -> None:
    """Set the weights of recurrent layers in place, gate by gate.

    Args:
        layers: holds parameters whose names contain weight_ih, weight_hh, bias_ih and bias_hh.
        scheme: "default" leaves torch's own; with "orthogonal" and "identity" that is what the weights from hidden to
            hidden are, those of the input are Xavier-uniform, and biases zero.
        hidden_size: H, rows of a gate.
        forget_bias: start value of the biases of an LSTM's forget gates, which lie second of four; None leaves them.
    """
    for name, parameter in layers.named_parameters():
        gates = torch.split(parameter, hidden_size)
        if scheme != "default":
            for gate in gates:
                if "weight_hh" in name:
                    nn.init.orthogonal_(gate) if scheme == "orthogonal" else nn.init.eye_(gate)
                elif "weight_ih" in name:
                    nn.init.xavier_uniform_(gate)
                elif "bias_ih" in name or "bias_hh" in name:
                    nn.init.zeros_(gate)
        if forget_bias is not None and len(gates) == 4:
            if "bias_ih" in name:  # the other one is added to it
                nn.init.constant_(gates[1], forget_bias)
            elif "bias_hh" in name:
                nn.init.zeros_(gates[1])
