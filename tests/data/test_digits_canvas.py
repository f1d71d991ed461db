"""Digits on a canvas: boxes and masks say the same, splits share no digit, and a seed decides all."""

import pytest
import torch

from zoo.data import digits_canvas
from zoo.data.digits_canvas import DigitsCanvas

FEW = DigitsCanvas(num_train=20, num_val=5, num_test=5)


def test_a_box_lies_close_around_the_pixels_of_its_digit() -> None:
    canvases = FEW.load(0)["train"]
    assert canvases.images.shape == (20, 1, 96, 96) and canvases.images.dtype == torch.uint8
    for mask, boxes, labels in zip(canvases.masks, canvases.boxes, canvases.labels, strict=True):
        assert 1 <= len(boxes) <= 6
        remaining = mask.clone()
        for (left, top, right, bottom), label in zip(boxes.int().tolist(), labels.tolist(), strict=True):
            inside = mask[top:bottom, left:right] == 1 + label
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
            remaining[top:bottom, left:right][inside] = 0
        assert not remaining.any()


def test_the_seed_decides_all() -> None:
    first, again, other = FEW.load(3)["val"], FEW.load(3)["val"], FEW.load(4)["val"]
    assert torch.equal(first.images, again.images) and torch.equal(first.masks, again.masks)
    assert not torch.equal(first.images, other.images)


def test_splits_share_no_digit() -> None:
    splits = digits_canvas._digits_by_split(0)
    assert sum(len(labels) for _, labels in splits.values()) == 1797
    assert splits["val"][1].bincount(minlength=10).min() > 10


def test_digits_that_do_not_fit_are_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"largest 32: a digit must fit on the canvas 96x16; lower it"):
        DigitsCanvas(image_size=[96, 16])
