"""Augmentation before a discriminator: it changes images as it says, gradients pass, and evaluation has none."""

import pytest
import torch

from zoo.layers.diff_augment import DiffAugment, change_color, cut_out, translate

EVERYTHING = DiffAugment(color=True, translation=0.125, cutout=0.5)


def test_nothing_is_changed_in_evaluation_and_by_default() -> None:
    x = torch.randn(2, 3, 8, 8)
    assert DiffAugment()(x) is x
    assert DiffAugment(color=True, translation=0.5, cutout=0.5).eval()(x) is x


def test_a_seed_repeats_what_is_drawn() -> None:
    x = torch.randn(4, 3, 16, 16)
    drawn = [EVERYTHING(x) for _ in range(2) if torch.manual_seed(3)]
    assert torch.equal(*drawn)
    assert not torch.equal(drawn[0], EVERYTHING(x))


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_pass_and_can_be_differentiated_again(channels: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, channels, 6, 6, dtype=torch.float64, requires_grad=True)

    def changed(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return EVERYTHING(x).square()

    assert torch.autograd.gradcheck(changed, x, fast_mode=True)
    assert torch.autograd.gradgradcheck(changed, x, fast_mode=True)


def test_color_keeps_what_an_image_shows_but_for_scale_and_shift() -> None:
    x = torch.randn(5, 1, 8, 8)
    y = change_color(x)
    for before, after in zip(x.flatten(1), y.flatten(1), strict=True):
        scale = after.std() / before.std()
        assert 0.5 <= scale <= 1.5
        torch.testing.assert_close(after - after.mean(), scale * (before - before.mean()), atol=1e-5, rtol=1e-5)
        assert abs(after.mean() - before.mean()) <= 0.5 + 1e-6


def test_translation_moves_each_image_by_whole_pixels_and_fills_with_nothing() -> None:
    torch.manual_seed(0)
    x = torch.randn(40, 2, 8, 10)
    found = set()
    for before, after in zip(x, translate(x, 0.25), strict=True):
        padded = torch.nn.functional.pad(before, (2, 2, 2, 2))
        shifts = [
            (row, column)
            for row in range(5)
            for column in range(5)
            if torch.equal(padded[:, row : row + 8, column : column + 10], after)
        ]
        assert len(shifts) == 1
        found.update(shifts)
    assert {row for row, _ in found} == {column for _, column in found} == set(range(5))


def test_cutout_sets_a_rectangle_to_nothing() -> None:
    torch.manual_seed(0)
    kept = cut_out(torch.ones(200, 3, 8, 8), 0.5)
    assert kept.unique().tolist() == [0, 1]
    cut = (kept[:, 0] == 0).flatten(1).sum(1)
    assert cut.min() == 4 and cut.max() == 16  # a corner of 2 x 2 pixels, and all of it
