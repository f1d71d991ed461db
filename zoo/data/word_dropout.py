"""Word dropout: words of a training text that are read as unknown, in each epoch others.

M. Iyyer et al., "Deep Unordered Composition Rivals Syntactic Methods for Text Classification", ACL 2015, leave words
out; here their places stay, and the vector of the unknown is learned.
"""

import torch
from torch import Tensor

from zoo.data.order import generator
from zoo.data.tokenizer import UNKNOWN
from zoo.layers.sequence_input import PAD
from zoo.ranges import Probability

_MASK = 0xFFFFFFFF


class WordDropout:
    """Random numbers that are a function of (seed, epoch, sample, place), whatever a batch is filled up to.

    Args:
        probability: of each word to be read as unknown.
    """

    def __init__(self, probability: Probability) -> None:
        self.probability = probability

    def table(self, num_samples: int, seed: int, epoch: int) -> Tensor:
        """Draws a number below 2 ** 32 for each sample, (N,)."""
        return torch.randint(1 << 32, (num_samples,), generator=generator("word dropout", seed, epoch))

    def __call__(self, tokens: Tensor, draws: Tensor) -> Tensor:
        """Replaces tokens.

        Args:
            tokens: int64, (B, T).
            draws: the samples' entries of the table, (B,).

        Returns:
            The tokens with unknown ones, (B, T).
        """
        places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device) * 0x9E3779B9
        drawn = _mixed((draws.unsqueeze(1) + places) & _MASK)  # (B, T), from 0 to below 2 ** 32
        dropped = (drawn < self.probability * (1 << 32)) & (tokens != PAD)
        return tokens.masked_fill(dropped, UNKNOWN)


def _mixed(values: Tensor) -> Tensor:
    """Mixes numbers of 32 bits: lowbias32 of C. Wellons, "Prospecting for Hash Functions", 2018."""
    values = ((values ^ (values >> 16)) * 0x7FEB352D) & _MASK
    values = ((values ^ (values >> 15)) * 0x846CA68B) & _MASK
    return values ^ (values >> 16)
