import torch

from zoo.models.cnn.lenet import LeNet


def test_images_below_32_pixels_are_padded_with_zeros_around_them() -> None:
    images = torch.randn(2, 1, 28, 20)
    padded = LeNet(10, 1, image_size=[28, 20]).pad(images)
    assert padded.shape == (2, 1, 32, 32)
    assert torch.equal(padded[:, :, 2:30, 6:26], images)
    assert padded.count_nonzero() == images.count_nonzero()


def test_larger_images_are_not_padded() -> None:
    images = torch.randn(2, 1, 64, 48)
    assert torch.equal(LeNet(10, 1, image_size=[64, 48]).pad(images), images)
