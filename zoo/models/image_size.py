"""Whether a network can take images of a size, found without computing anything."""

import copy
from collections.abc import Sequence

import torch
from torch import nn

CANDIDATES = (16, 32, 48, 64, 96, 128, 160, 224, 299)


def check_image_size(model: nn.Module, in_channels: int, image_size: int | Sequence[int]) -> None:
    """Runs the network on tensors without storage.

    Args:
        model: takes (B, C, H, W).
        in_channels: C.
        image_size: H and W in pixels, one number where they are equal; a list of one where (B, C, T) waveforms come,
            and an empty one where (B, C) rows of a table do.

    Raises:
        ValueError: the images are too small; the message names a size that fits.
    """
    sides = [image_size, image_size] if isinstance(image_size, int) else image_size
    problem = _problem(model, in_channels, *sides)
    if problem is None:
        return
    if not sides:
        raise ValueError(f"rows of {in_channels} numbers do not go through it ({problem}); set model=mlp")
    if len(sides) == 1:
        raise ValueError(f"waveforms of {sides[0]} samples do not go through it ({problem}); set data.features=mel")
    height, width = sides
    larger = [side for side in CANDIDATES if side > min(height, width)]
    fitting = next((side for side in larger if _problem(model, in_channels, side, side) is None), None)
    if fitting is None:
        raise ValueError(
            f"images {in_channels}x{height}x{width} do not go through it ({problem}); choose another model"
        )
    raise ValueError(f"images {height}x{width} are too small for it; set data.image_size={fitting}")


def _problem(model: nn.Module, in_channels: int, *sides: int) -> str | None:
    # A copy whose weights have no storage: what a module keeps of a forward pass, such as anchors, must not stay.
    # Not made of `state_dict`, which leaves out buffers that are not saved.
    weights = {id(tensor): nn.Parameter(tensor.to("meta"), tensor.requires_grad) for tensor in model.parameters()}
    copied = copy.deepcopy(model, weights | {id(tensor): tensor.to("meta") for tensor in model.buffers()}).eval()
    try:
        with torch.no_grad():
            copied(torch.empty(2, in_channels, *sides, device="meta"))
    except NotImplementedError:  # an operation that has no shape rule; the first step will tell
        return None
    except (RuntimeError, ValueError, AssertionError) as error:
        return next(iter(str(error).splitlines()), type(error).__name__)
    return None
