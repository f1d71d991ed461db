"""Augmentation of whole batches, each option of which is a regulariser with one override."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.batch import Batch
from zoo.data.counted_draws import CountedDraws, Counters
from zoo.data.image_ops import affine, affine_matrices, box_mask, crop_and_flip, integers_below
from zoo.data.trivial_augment import trivial_augment
from zoo.ranges import Fraction, NonNegativeFloat, NonNegativeInt, Probability
from zoo.seeds import counted_seed

Draws = dict[str, Tensor]  # a random number for each sample, (B,), by name

# The random numbers that each option takes a sample.
_DRAWS = {
    "crop": ("top", "left"),
    "flip": ("flip",),
    "rotate": ("rotate",),
    "translate": ("translate_x", "translate_y"),
    "scale": ("scale",),
    "trivial_augment": ("operation", "strength", "sign"),
    "erase": ("erase", "erase_area", "erase_ratio", "erase_top", "erase_left"),
    "mixup": ("mixup", "mix"),
    "cutmix": ("cutmix", "cut_top", "cut_left"),
}


class BatchAugment(CountedDraws):
    """Augments the batches of an epoch by random numbers that are a function of (seed, epoch, sample).

    A table of the epoch holds a row of numbers for each sample, so neither the batch size nor the order nor the number
    of workers changes what happens to an image; only the partner in a mixture is the neighbour in the batch. Each
    number has its own stream: switching one option on leaves the others' draws as they were.

    Args:
        crop: pixels of zeros added on each side before a window of the original size is cut out.
        flip: probability of mirroring left to right.
        rotate: largest rotation in degrees, either way.
        translate: largest shift as a share of each side, either way.
        scale: largest change of size as a share: 0.2 zooms from 1 / 1.2 to 1.2.
        trivial_augment: whether to apply one random operation of a random strength (arXiv 2103.10158).
        erase: probability of blanking a rectangle of 2 to 33 % of the image with its mean, Z. Zhong et al., "Random
            Erasing Data Augmentation", 2017, arXiv 1708.04896.
        mixup: parameter of the Beta distribution that images are blended by, 0 for none; H. Zhang et al., "mixup:
            Beyond Empirical Risk Minimization", 2017, arXiv 1710.09412, here with one draw a sample.
        cutmix: parameter of the Beta distribution of the area kept when a rectangle comes from another image, 0 for
            none; S. Yun et al., "CutMix", 2019, arXiv 1905.04899. With mixup on as well, a coin picks one a sample.
    """

    def __init__(
        self,
        *,
        crop: NonNegativeInt = 0,
        flip: Fraction = 0.0,
        rotate: NonNegativeFloat = 0.0,
        translate: Fraction = 0.0,
        scale: NonNegativeFloat = 0.0,
        trivial_augment: bool = False,
        erase: Probability = 0.0,
        mixup: NonNegativeFloat = 0.0,
        cutmix: NonNegativeFloat = 0.0,
    ) -> None:
        self.crop, self.flip = crop, flip
        self.rotate, self.translate, self.scale = rotate, translate, scale
        self.trivial_augment, self.erase = trivial_augment, erase
        self.mixup, self.cutmix = mixup, cutmix
        self.names = [name for option, names in _DRAWS.items() if getattr(self, option) for name in names]
        self._canvas = torch.empty(0)

    def column(self, name: str, num_samples: int, counters: Counters) -> Tensor:
        """Draws one number a sample, (N,), Beta distributed for the weights of mixtures."""
        if name not in ("mixup", "cutmix"):
            return super().column(name, num_samples, counters)
        alpha = getattr(self, name)
        weights = np.random.default_rng(counted_seed(*counters)).beta(alpha, alpha, num_samples)
        return torch.from_numpy(weights).float()

    def on_pixels(self, images: Tensor, draws: Tensor) -> Tensor:
        """Applies what works on pixels: flip and crop, then affine maps, then one trivial operation.

        Args:
            images: uint8, (B, C, H, W).
            draws: the samples' rows of the table, (B, number of draws).

        Returns:
            Images from 0 to 255, uint8 or float, (B, C, H, W).
        """
        draw = dict(zip(self.names, draws.unbind(1), strict=True))
        if self.crop or self.flip:
            images = self._crop_and_flip(images, draw)
        if self.rotate or self.translate or self.scale:
            images = affine(images.float(), self._matrices(images, draw))
        if self.trivial_augment:
            pixels = images if images.dtype == torch.uint8 else images.round_().to(torch.uint8)
            images = trivial_augment(pixels, draw["operation"], draw["strength"], draw["sign"])
        return images

    def on_normalized(self, batch: Batch, draws: Tensor, num_classes: int) -> Batch:
        """Applies what works on normalised images, where 0 is the mean: erasing, then mixing.

        Args:
            batch: with "input", float, which is changed in place, and "target".
            draws: the samples' rows of the table, (B, number of draws).
            num_classes: classes of the task.

        Returns:
            The batch, with "soft_target" (B, K) where images were mixed.
        """
        draw = dict(zip(self.names, draws.unbind(1), strict=True))
        if self.erase:
            self._erase(batch["input"], draw)
        if self.mixup or self.cutmix:
            batch = self._mix(batch, draw, num_classes)
        return batch

    def _crop_and_flip(self, images: Tensor, draw: Draws) -> Tensor:
        flipped = draw["flip"] < self.flip if self.flip else None
        if self.crop:
            top, left = (integers_below(draw[name], 2 * self.crop + 1) for name in ("top", "left"))
        else:
            top = left = images.new_zeros(len(images), dtype=torch.long)
        batch, channels, height, width = images.shape
        shape = (1 + bool(self.flip), batch, channels, height + 2 * self.crop, width + 2 * self.crop)
        if self._canvas.shape != shape or self._canvas.device != images.device:
            self._canvas = images.new_zeros(shape)
        return crop_and_flip(self._canvas, images, top, left, flipped)

    def _matrices(self, images: Tensor, draw: Draws) -> Tensor:
        """Builds the affine map of each sample, (B, 2, 3)."""
        height, width = images.shape[-2:]
        zeros = torch.zeros(len(images), device=images.device)
        both_ways = {name: 2 * draw[name] - 1 if name in draw else zeros for name in _DRAWS["translate"]}
        angle = (2 * draw["rotate"] - 1) * math.radians(self.rotate) if self.rotate else zeros
        zoom = (1 + self.scale) ** (2 * draw["scale"] - 1) if self.scale else zeros + 1
        return affine_matrices(
            angle=angle,
            zoom=zoom,
            shear_x=zeros,
            shear_y=zeros,
            shift_x=both_ways["translate_x"] * self.translate * width,
            shift_y=both_ways["translate_y"] * self.translate * height,
        )

    def _erase(self, images: Tensor, draw: Draws) -> None:
        """Blanks a rectangle of some images, its area uniform and its aspect ratio log-uniform from 0.3 to 3.3."""
        height, width = images.shape[-2:]
        area = (0.02 + 0.31 * draw["erase_area"]) * height * width
        ratio = torch.exp((2 * draw["erase_ratio"] - 1) * math.log(3.3))
        rows = (area * ratio).sqrt().round().clamp_(1, height)
        columns = (area / ratio).sqrt().round().clamp_(1, width)
        top = (draw["erase_top"] * (height - rows + 1)).floor()
        left = (draw["erase_left"] * (width - columns + 1)).floor()
        mask = box_mask(top, left, top + rows, left + columns, height, width)
        images.masked_fill_(mask & (draw["erase"] < self.erase).view(-1, 1, 1, 1), 0.0)

    def _mix(self, batch: Batch, draw: Draws, num_classes: int) -> Batch:
        """Mixes each image with its neighbour in the batch, and the targets by the share that is kept of it."""
        images, target = batch["input"], batch["target"]
        keep = self._share_kept(images, draw)  # (B, 1, 1, 1) or (B, 1, H, W)
        weight = keep.mean((1, 2, 3)).unsqueeze(1)
        partner = images.roll(1, 0)
        mixed = images.sub_(partner).mul_(keep).add_(partner)
        own = F.one_hot(target, num_classes).float()
        soft_target = weight * own + (1 - weight) * own.roll(1, 0)
        return {**batch, "input": mixed, "soft_target": soft_target}

    def _share_kept(self, images: Tensor, draw: Draws) -> Tensor:
        """Returns how much of each pixel stays: everywhere the same for mixup, 0 or 1 for cutmix."""
        blended = draw["mixup"].view(-1, 1, 1, 1) if self.mixup else None
        if not self.cutmix:
            assert blended is not None
            return blended
        height, width = images.shape[-2:]
        side = (1 - draw["cutmix"]).sqrt()
        rows, columns = (side * height).round(), (side * width).round()
        top = (draw["cut_top"] * height - rows / 2).round()
        left = (draw["cut_left"] * width - columns / 2).round()
        pasted = 1 - box_mask(top, left, top + rows, left + columns, height, width).float()
        if blended is None:
            return pasted
        return torch.where((draw["mix"] < 0.5).view(-1, 1, 1, 1), blended, pasted)
