import pytest
from torch import nn

from zoo.models.cnn.convnext import ConvNeXt


@pytest.mark.parametrize(
    ("image_size", "patch_size"), [(8, 1), (28, 2), (32, 2), ([64, 48], 4), (224, 4)], ids=lambda value: str(value)
)
def test_the_patch_size_follows_the_image_size(image_size: int | list[int], patch_size: int) -> None:
    model = ConvNeXt(10, 3, image_size=image_size, depths=[1, 1, 1], widths=[8, 8, 8])
    stem = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    assert stem.stride == (patch_size, patch_size)


def test_images_too_small_are_refused_with_a_remedy() -> None:
    with pytest.raises(
        ValueError, match=r"image 8x8: sides must be at least 16 for 3 stages after patches of 4; set a"
    ):
        ConvNeXt(10, 3, image_size=8, depths=[1, 1, 1], widths=[8, 8, 8], patch_size=4)


def test_a_layer_scale_of_zero_leaves_the_factors_out() -> None:
    model = ConvNeXt(10, 3, image_size=8, depths=[1, 1, 1], widths=[8, 8, 8], layer_scale=0.0)
    assert not any("scale" in name for name, _ in model.named_parameters())
