"""Augmentation of images with boxes, by random numbers that are a function of (seed, epoch, sample)."""

import math
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.data.counted_draws import CountedDraws
from zoo.data.letterbox import Region
from zoo.ranges import Fraction, NonNegativeFloat, PositiveFloat, PositiveInt
from zoo.seeds import counted_seed

_CENTRE = 0.25  # how near to a side the centre of a mosaic may lie, as a share of that side
_SMALLEST = 0.5  # how much smaller the images of a mosaic may be than alone
_GREY = (0.299, 0.587, 0.114)
_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = _TO_YIQ.inverse()


class Spot(NamedTuple):
    """Where and how an image is put on a canvas.

    Attributes:
        row: of the image.
        region: the part of the canvas that is for it.
        zoom: its size, where 1 just fits on the canvas.
        along: where the image lies in the region, from 0 (left, or above) to 1: what is larger is cut, what is smaller
            padded.
        flip: whether it is mirrored left to right.
        flip_vertical: whether it is mirrored upwards.
    """

    row: int
    region: Region
    zoom: float = 1.0
    along: tuple[float, float] = (0.0, 0.0)
    flip: bool = False
    flip_vertical: bool = False


class BoxAugment(CountedDraws):
    """Mirrors, scales, crops, puts four images together and changes colours; boxes go along.

    What moves pixels is decided where an image is decoded, so that a crop is cut from all the pixels it has; colours
    change in whole batches. All of it is a function of (seed, epoch, sample).

    Args:
        flip: probability of mirroring left to right.
        flip_vertical: probability of mirroring upwards.
        min_scale: smallest size, where 1 just fits on the canvas; what is smaller lies anywhere on it.
        max_scale: largest size; of what is larger any part is shown.
        min_visible: smallest share of the area of a box that must be left for the object to be one.
        mosaic: probability of four images on one canvas, which meet in a point, A. Bochkovskiy et al., "YOLOv4", 2020,
            arXiv 2004.10934; here none is larger than it would be alone, and the other three are drawn from all.
        mosaic_epochs: for how many epochs there are mosaics; None for all. The last ones are better without, Z. Ge et
            al., "YOLOX", 2021, arXiv 2107.08430.
        brightness: largest change of brightness, as a share, either way.
        contrast: largest change of contrast about the mean grey, likewise.
        saturation: largest change of saturation, likewise.
        hue: largest turn of the hue as a share of the circle, either way, which keeps the brightness.

    Raises:
        ValueError: the smallest size is above the largest.
    """

    def __init__(
        self,
        *,
        flip: Fraction = 0.0,
        flip_vertical: Fraction = 0.0,
        min_scale: PositiveFloat = 1.0,
        max_scale: PositiveFloat = 1.0,
        min_visible: Fraction = 0.25,
        mosaic: Fraction = 0.0,
        mosaic_epochs: PositiveInt | None = None,
        brightness: Fraction = 0.0,
        contrast: Fraction = 0.0,
        saturation: NonNegativeFloat = 0.0,
        hue: Fraction = 0.0,
    ) -> None:
        if min_scale > max_scale:
            raise ValueError(f"min_scale {min_scale:g}: no more than max_scale {max_scale:g}; lower it")
        self.flip, self.flip_vertical, self.min_scale, self.max_scale = flip, flip_vertical, min_scale, max_scale
        self.min_visible, self.mosaic, self.mosaic_epochs = min_visible, mosaic, mosaic_epochs
        self.colours = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
        self.names = [name for name, change in self.colours.items() if change]

    def spots(self, row: int, num_samples: int, size: tuple[int, int], *, seed: int, epoch: int) -> list[Spot]:
        """Draws what is shown of a sample in an epoch.

        Args:
            row: of the sample.
            num_samples: samples that a mosaic draws from.
            size: height and width of the canvas.
            seed: of the run.
            epoch: counted from 0.

        Returns:
            One image, or the four of a mosaic: above left the sample itself, above right, below left, below right.
        """
        height, width = size
        draw = Random(counted_seed("mosaic", seed, epoch, row))
        over = self.mosaic_epochs is not None and epoch >= self.mosaic_epochs
        if over or draw.random() >= self.mosaic:
            return [self._spot(row, (0, 0, width, height), ("box", seed, epoch, row))]
        x, y = (round(side * draw.uniform(_CENTRE, 1 - _CENTRE)) for side in (width, height))
        regions = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
        rows = [row, *(draw.randrange(num_samples) for _ in regions[1:])]
        spots = []
        for place, (chosen, region) in enumerate(zip(rows, regions, strict=True)):
            spot = self._spot(chosen, region, ("box", seed, epoch, row, place))
            # All four meet in the point.
            along = float(place % 2 == 0), float(place < 2)
            spots.append(spot._replace(zoom=spot.zoom * draw.uniform(_SMALLEST, 1), along=along))
        return spots

    def _spot(self, row: int, region: Region, counters: tuple[int | str, ...]) -> Spot:
        draw = Random(counted_seed(*counters))
        flip, flip_vertical = draw.random() < self.flip, draw.random() < self.flip_vertical
        zoom = self.min_scale * (self.max_scale / self.min_scale) ** draw.random()
        # What just fits lies as it does in a validation.
        along = (draw.random(), draw.random()) if self.max_scale > self.min_scale else (0.0, 0.0)
        return Spot(row, region, zoom, along, flip, flip_vertical)

    def on_pixels(self, images: Tensor, draws: Tensor) -> Tensor:
        """Changes colours, all of them by one linear map an image.

        Args:
            images: uint8, (B, C, H, W); of one channel, only brightness and contrast change.
            draws: the samples' rows of the table, (B, number of draws).

        Returns:
            Images from 0 to 255, float32 unless nothing changes, (B, C, H, W).
        """
        if not self.names:
            return images
        both_ways = dict(zip(self.names, (2 * draws - 1).unbind(1), strict=True))
        change = {name: both_ways.get(name, draws[:, 0] * 0) * most for name, most in self.colours.items()}
        pixels = images.float().flatten(2)  # (B, C, H W)
        channels = pixels.shape[1]
        weights = pixels.new_tensor(_GREY if channels == 3 else [1 / channels] * channels)
        brightness, contrast = 1 + change["brightness"], 1 + change["contrast"]
        grey = torch.einsum("bc,c->b", pixels.mean(2), weights)
        matrix = torch.eye(channels, device=pixels.device).expand(len(pixels), -1, -1)
        if channels == 3:
            matrix = _hue(math.tau * change["hue"]) @ _saturation(1 + change["saturation"], weights)
        matrix = matrix * (brightness * contrast).view(-1, 1, 1)
        shift = ((1 - contrast) * brightness * grey).view(-1, 1, 1)
        return torch.baddbmm(shift, matrix, pixels).clamp_(0, 255).view(images.shape)


def _saturation(factor: Tensor, weights: Tensor) -> Tensor:
    """Returns the maps that scale the distance of colours from grey, (B, 3, 3)."""
    factor = factor.view(-1, 1, 1)
    return factor * torch.eye(3, device=factor.device) + (1 - factor) * weights.expand(3, 3)


def _hue(angle: Tensor) -> Tensor:
    """Returns the maps that turn colours about the axis of greys, (B, 3, 3)."""
    turn = torch.zeros(len(angle), 3, 3, device=angle.device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 1, 2], turn[:, 2, 1] = -angle.sin(), angle.sin()
    return _FROM_YIQ.to(angle.device) @ turn @ _TO_YIQ.to(angle.device)
