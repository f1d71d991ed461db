import pytest
import torch
from torchvision.transforms import functional

from zoo.data.pixels import channel_statistics, grey, resize, to_channels


def images_of(channels: int = 3) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (5, channels, 8, 8), dtype=torch.uint8, generator=draw)


def test_a_constant_channel_has_a_deviation_to_divide_by():
    mean, std = channel_statistics(torch.full((2, 1, 4, 4), 51, dtype=torch.uint8))
    assert mean == pytest.approx([0.2]) and std == [1.0]


def test_colour_becomes_grey_as_torchvision_weighs_it():
    images = images_of()
    assert (to_channels(images, 1).int() - functional.rgb_to_grayscale(images).int()).abs().max() <= 1


def test_channels_that_are_no_colours_count_alike():
    images = images_of(4).float()
    torch.testing.assert_close(grey(images), images.mean(1, keepdim=True))


def test_grey_becomes_colour_by_repeating_it():
    images = images_of(1)
    assert torch.equal(to_channels(images, 3), images.repeat(1, 3, 1, 1))


def test_images_are_resized_as_torchvision_does():
    images = images_of()
    expected = functional.resize(images.float(), [6, 10], antialias=True)
    assert resize(images, [6, 10]).dtype == torch.uint8
    assert (resize(images, [6, 10]) - expected).abs().max() <= 1
