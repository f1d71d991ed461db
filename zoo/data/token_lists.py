"""Many short lists of tokens in one tensor, out of which batches of equal length are cut."""

from array import array
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from zoo.layers.sequence_input import PAD


class TokenLists:
    """Lists of tokens, laid one behind the other.

    Args:
        lists: the tokens of each text.
        max_length: where longer ones are cut; None for nowhere.
    """

    def __init__(self, lists: Iterable[Sequence[int]], *, max_length: int | None = None) -> None:
        flat, lengths = array("i"), array("q")
        for tokens in lists:
            flat.extend(tokens[:max_length])
            lengths.append(min(len(tokens), max_length or len(tokens)))
        flat.append(PAD)
        self.tokens, self.lengths = torch.tensor(flat, dtype=torch.int32), torch.tensor(lengths, dtype=torch.int64)
        self.starts = self.lengths.cumsum(0) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def to(self, device: torch.device | str) -> "TokenLists":
        """Moves the tokens to a device, in place; the lengths stay, so that no batch waits for the device."""
        self.tokens = self.tokens.to(device)
        return self

    def padded(self, rows: Tensor) -> Tensor:
        """Returns some lists, filled up to the longest of them.

        Args:
            rows: of the lists, on the CPU, (B,).

        Returns:
            Their tokens, int64, (B, T).
        """
        lengths = self.lengths[rows].unsqueeze(1)
        places = torch.arange(int(lengths.max()))  # (T,)
        # Places behind the end of a text lead to the last one of all, which is padding.
        chosen = torch.where(places < lengths, self.starts[rows].unsqueeze(1) + places, len(self.tokens) - 1)
        return self.tokens[chosen.to(self.tokens.device, non_blocking=True)].long()
