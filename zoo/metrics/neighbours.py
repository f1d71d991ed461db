"""What nearest neighbours among features say of generated samples: are they like real ones, all of them, and new?

- Precision and recall: Kynkäänniemi, Karras, Laine, Lehtinen, Aila, "Improved Precision and Recall Metric for Assessing
  Generative Models", 2019, arXiv:1904.06991.
- Density and coverage: Naeem, Oh, Uh, Choi, Yoo, "Reliable Fidelity and Diversity Metrics for Generative Models", 2020,
  arXiv:2002.09797.
- Copies: the authenticity of Alaa, van Breugel, Saveliev, van der Schaar, "How Faithful is your Synthetic Data?", 2022,
  arXiv:2102.08921, less from 1.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from zoo.ranges import PositiveInt

_ENTRIES = 1 << 22  # of a block of pairs


def neighbour_radii(features: Float[Tensor, "N D"], *, neighbours: PositiveInt = 5) -> Float[Tensor, "N"]:
    """The distance of each sample to the last of its nearest neighbours, or of all others where there are fewer."""
    place = min(neighbours, len(features) - 1) + 1  # each is nearest to itself
    return torch.cat([block.kthvalue(place, dim=1).values for block in _distances(features, features)])


def manifold_scores(
    generated: Float[Tensor, "N D"],
    real: Float[Tensor, "M D"],
    *,
    real_radii: Float[Tensor, "M"] | None = None,
    neighbours: PositiveInt = 5,
) -> dict[str, Tensor]:
    """Compares the neighbourhoods of real and generated samples.

    Args:
        generated: features of at least two samples.
        real: likewise.
        real_radii: `neighbour_radii(real)`, where they are known.
        neighbours: within whose reach a sample lies on the manifold.

    Returns:
        "precision", the share of generated samples among real ones; "recall", that of real among generated ones;
        "density", how many real neighbourhoods a generated sample lies in, 1 on average for real ones; "coverage", the
        share of real neighbourhoods with a generated sample.
    """
    radii = neighbour_radii(real, neighbours=neighbours) if real_radii is None else real_radii
    own_radii = neighbour_radii(generated, neighbours=neighbours)
    precise, inside = [], []
    recalled, nearest = torch.zeros_like(radii, dtype=torch.bool), torch.full_like(radii, torch.inf)
    for block, reach in zip(_distances(generated, real), _blocks(own_radii, len(real)), strict=True):
        within = block < radii
        precise.append(within.any(1))
        inside.append(within.sum(1))
        recalled |= (block < reach[:, None]).any(0)
        nearest = torch.minimum(nearest, block.amin(0))
    return {
        "precision": torch.cat(precise).float().mean(),
        "recall": recalled.float().mean(),
        "density": torch.cat(inside).float().mean() / min(neighbours, len(real) - 1),
        "coverage": (nearest < radii).float().mean(),
    }


def nearest(
    samples: Float[Tensor, "N D"],
    others: Float[Tensor, "M D"],
    *,
    count: PositiveInt = 1,
    leave_out: Int64[Tensor, "N"] | None = None,
) -> tuple[Float[Tensor, "N c"], Int64[Tensor, "N c"]]:
    """Finds the nearest others of each sample.

    Args:
        samples: features.
        others: likewise.
        count: how many.
        leave_out: an index of `others` for each sample that does not count, such as its own.

    Returns:
        Distances and indices, nearest first.
    """
    found = []
    lone = others.square().sum(1)
    left_out = _blocks(leave_out, len(others)) if leave_out is not None else None
    for rows in _blocks(samples, len(others)):
        scores = torch.addmm(lone, rows, others.T, alpha=-2)  # as far apart as distances, and quicker
        if left_out is not None:
            scores.scatter_(1, next(left_out)[:, None], torch.inf)
        found.append(scores.argmin(1, keepdim=True) if count == 1 else scores.topk(count, largest=False).indices)
    indices = torch.cat(found)
    # Anew, and exact where two are the same.
    distances = torch.stack([(samples - others[index]).norm(dim=1) for index in indices.T], dim=1)
    return distances, indices


def are_copies(
    samples: Float[Tensor, "N D"], training: Float[Tensor, "M D"]
) -> tuple[Bool[Tensor, "N"], Float[Tensor, "N"]]:
    """Tells samples that are nearer to a training sample than that is to any other training sample.

    Returns:
        Which are, and the first distance of each as a multiple of the second.
    """
    distances, indices = (found.squeeze(1) for found in nearest(samples, training))
    unique, places = torch.unique(indices, return_inverse=True)
    own = nearest(training[unique], training, leave_out=unique)[0].squeeze(1)[places]
    return distances < own, distances / own.clamp(min=torch.finfo(own.dtype).tiny)


def _blocks(rows: Tensor, width: int) -> Iterator[Tensor]:
    return iter(torch.split(rows, max(1, _ENTRIES // width)))


def _distances(first: Tensor, second: Tensor) -> Iterator[Tensor]:
    """Yields the distances of some rows of the first to all of the second."""
    for rows in _blocks(first, len(second)):
        yield torch.cdist(rows, second)
