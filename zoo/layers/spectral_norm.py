"""Spectral norm for all layers of a network: each is held to a slope of 1.

Takeru Miyato, Toshiki Kataoka, Masanori Koyama, Yuichi Yoshida, "Spectral Normalization for Generative Adversarial
Networks", 2018, arXiv:1802.05957.
"""

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


def normalize_spectrally(network: nn.Module) -> None:
    """Divides the weight of every convolution, linear layer and embedding by its largest singular value, from now on.

    Args:
        network: changed in place; its initial weights are set before.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
            spectral_norm(module)
