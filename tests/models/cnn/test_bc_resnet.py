import pytest
import torch
from torch import nn

from zoo.models.cnn.bc_resnet import BCResNet, BroadcastedBlock, SubSpectralNorm


# Kim et al., arXiv:2106.04140, table 1, in thousands; there with 40 mel bands and 12 classes.
@pytest.mark.parametrize(("tau", "thousands"), [(1, 9.2), (1.5, 17.2), (2, 27.3), (3, 54.2), (6, 188), (8, 321)])
def test_it_has_as_many_parameters_as_in_the_paper(tau: float, thousands: float) -> None:
    model = BCResNet(12, 1, image_size=[40, 101], tau=tau)
    count = sum(parameter.numel() for parameter in model.parameters()) / 1000
    assert count == pytest.approx(thousands, abs=0.5 if thousands > 100 else 0.05)


def test_sub_spectral_norm_is_a_batch_norm_of_each_band() -> None:
    norm, images = SubSpectralNorm(3, num_bands=2), torch.randn(4, 3, 6, 5) * 3 + 1
    expected = torch.cat([nn.BatchNorm2d(3)(band) for band in images.split(3, dim=2)], dim=2)
    torch.testing.assert_close(norm(images), expected)


def test_what_the_convolution_over_time_adds_is_the_same_for_every_frequency() -> None:
    options = {"stride": 1, "dilation": 2, "num_bands": 1, "dropout": 0.0}
    block = BroadcastedBlock(4, 4, **options).eval()
    block.activation = nn.Identity()
    images = torch.randn(2, 4, 6, 9)
    added = block(images) - images - block.frequency(images)
    torch.testing.assert_close(added, added[:, :, :1].expand_as(added))
    assert added.std() > 0


@pytest.mark.parametrize("image_size", [[40, 20], [64, 33], [33, 40], 8, [1, 1]])
def test_spectrograms_of_any_size_go_through(image_size: int | list[int]) -> None:
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    model = BCResNet(5, 1, image_size=image_size).eval()
    assert model(torch.randn(2, 1, height, width)).shape == (2, 5)
    assert model(torch.randn(2, 1, height, width + 7)).shape == (2, 5)  # longer sounds, too
