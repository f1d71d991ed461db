"""Where in an image a patch stands: a learned vector for each, which adapts to images of another size.

Alexey Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020, arXiv:2010.11929, section 3.2: the vectors of a grid
are interpolated for another one.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from zoo.ranges import PositiveInt


class GridPositions(nn.Module):
    """Adds to each patch the vector of its place; a state saved of another grid is interpolated when it is loaded.

    Args:
        embed_dim: D, width of the vectors.
        rows: patches from top to bottom.
        columns: patches from left to right.
    """

    def __init__(self, embed_dim: PositiveInt, rows: PositiveInt, columns: PositiveInt) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(rows, columns, embed_dim))
        nn.init.trunc_normal_(self.embedding, std=0.02)

    def forward(self, patches: Float[Tensor, "B D R C"]) -> Float[Tensor, "B T D"]:
        """The patches row by row, each with its vector."""
        embedding = resized(self.embedding, patches.shape[2], patches.shape[3])
        return patches.flatten(2).transpose(1, 2) + embedding.flatten(0, 1)

    def fitted(self, name: str, saved: Tensor) -> Tensor | None:
        """Returns the vectors of another grid for this one; None for what are none."""
        rows, columns, width = self.embedding.shape
        is_grid = name == "embedding" and saved.ndim == 3 and saved.shape[2] == width
        return resized(saved, rows, columns) if is_grid else None

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        name = f"{prefix}embedding"
        saved = state_dict.get(name)
        fitted = self.fitted("embedding", saved) if isinstance(saved, Tensor) else None
        if fitted is not None:
            state_dict[name] = fitted
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def resized(embedding: Float[Tensor, "R C D"], rows: int, columns: int) -> Float[Tensor, "rows columns D"]:
    """The vectors of a grid for one of other sides, interpolated cubically; the same where the sides are equal."""
    if embedding.shape[:2] == (rows, columns):
        return embedding
    image = embedding.permute(2, 0, 1).unsqueeze(0)
    scaled = F.interpolate(image.float(), size=(rows, columns), mode="bicubic", antialias=True)
    return scaled[0].permute(1, 2, 0).to(embedding.dtype)
