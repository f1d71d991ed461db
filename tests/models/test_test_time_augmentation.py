"""The opinions on several views are averaged as probabilities."""

import pytest
import torch
from torch import nn

from zoo.models.test_time_augmentation import TestTimeAugmentation


class LeftHalf(nn.Module):
    """Two logits: the sums of the left half and of the right half."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        middle = images.shape[-1] // 2
        return torch.stack([images[..., :middle].sum((1, 2, 3)), images[..., middle:].sum((1, 2, 3))], dim=1)


def test_a_flip_makes_left_and_right_equal() -> None:
    images = torch.rand(3, 1, 4, 4)
    logits = TestTimeAugmentation(LeftHalf(), views=["flip"])(images)
    assert torch.allclose(logits.softmax(1), torch.full((3, 2), 0.5))


def test_shifted_views_are_averaged_as_probabilities() -> None:
    images = torch.rand(2, 1, 32, 32) / 100
    logits = TestTimeAugmentation(LeftHalf(), views=["shift"])(images)
    moved = [images, *(torch.roll(images, move, dims) for move, dims in ((2, 2), (-2, 2), (2, 3), (-2, 3)))]
    for view, (move, dims) in zip(moved[1:], ((2, 2), (-2, 2), (2, 3), (-2, 3)), strict=True):
        edge = [slice(None)] * 4
        edge[dims] = slice(0, 2) if move > 0 else slice(-2, None)
        border = [slice(None)] * 4
        border[dims] = slice(0, 1) if move > 0 else slice(-1, None)
        view[tuple(edge)] = images[tuple(border)]
    expected = torch.stack([LeftHalf()(view).softmax(1) for view in moved]).mean(0)
    assert torch.allclose(logits.softmax(1), expected, atol=1e-6)


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(Exception, match="rotate"):
        TestTimeAugmentation(LeftHalf(), views=["rotate"])  # type: ignore[list-item]


@pytest.mark.parametrize("views", [["flip"], ["shift"], ["flip", "shift"]])
def test_the_pixels_of_a_segmentation_are_put_back_where_they_were(views):
    logits = torch.randn(2, 3, 16, 16)
    inner = TestTimeAugmentation(nn.Identity(), views=views)(logits)[..., 2:-2, 2:-2]
    torch.testing.assert_close(inner, logits.log_softmax(1)[..., 2:-2, 2:-2])


def test_what_finds_objects_is_refused() -> None:
    finder = LeftHalf()
    finder.detect = finder.forward
    with pytest.raises(ValueError, match=r"model LeftHalf: finds objects, .*; leave it out"):
        TestTimeAugmentation(finder, views=["flip"])
