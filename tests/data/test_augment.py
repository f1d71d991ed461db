import math

import pytest
import torch
from torchvision.transforms import functional

from zoo.data.augment import BatchAugment
from zoo.data.image_ops import affine, affine_matrices, crop_and_flip, integers_below
from zoo.data.trivial_augment import OPERATIONS, trivial_augment


def images_of(count: int, channels: int = 3, height: int = 12, width: int = 12) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=draw)


@pytest.mark.parametrize("padding", [0, 3])
def test_crop_and_flip_equal_torchvision_sample_by_sample(padding):
    images = images_of(9, height=10, width=14)
    draw = torch.Generator().manual_seed(1)
    top, left = torch.randint(0, 2 * padding + 1, (2, 9), generator=draw)
    flipped = torch.arange(9) % 2 == 0
    canvas = images.new_zeros(2, 9, 3, 10 + 2 * padding, 14 + 2 * padding)
    for _ in range(2):  # the second batch finds the canvas used
        result = crop_and_flip(canvas, images, top, left, flipped)
    for number, image in enumerate(images):
        image = functional.hflip(image) if flipped[number] else image
        expected = functional.crop(functional.pad(image, [padding]), int(top[number]), int(left[number]), 10, 14)
        assert torch.equal(result[number], expected)


def test_affine_equals_torchvision():
    images = images_of(1, height=12, width=16).float()
    one = torch.ones(1)
    turn = affine_matrices(
        angle=one * math.radians(30),
        zoom=one * 1.2,
        shear_x=one * 0,
        shear_y=one * 0,
        shift_x=one * 2,
        shift_y=one * -1,
    )
    expected = functional.affine(
        images, -30.0, [0, 0], 1.2, [0.0, 0.0], interpolation=functional.InterpolationMode.BILINEAR
    )
    still = turn.clone()
    still[:, :, 2] = 0
    torch.testing.assert_close(affine(images, still), expected, atol=1e-2, rtol=0)
    shift = affine_matrices(
        angle=one * 0, zoom=one, shear_x=one * 0, shear_y=one * 0, shift_x=one * 2, shift_y=one * -1
    )
    torch.testing.assert_close(affine(images, shift)[..., :-1, 2:], images[..., 1:, :-2], atol=1e-2, rtol=0)


def place(name: str) -> torch.Tensor:
    return torch.tensor([(OPERATIONS.index(name) + 0.5) / len(OPERATIONS)])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("identity", lambda image: image),
        ("brightness", lambda image: functional.adjust_brightness(image, 1.99)),
        ("color", lambda image: functional.adjust_saturation(image, 1.99)),
        ("contrast", lambda image: functional.adjust_contrast(image, 1.99)),
        ("sharpness", lambda image: functional.adjust_sharpness(image, 1.99)),
        ("posterize", lambda image: functional.posterize(image, 2)),
        ("solarize", lambda image: functional.solarize(image, 0)),
        ("autocontrast", lambda image: functional.autocontrast(image)),
        ("rotate", lambda image: functional.rotate(image, 135.0, functional.InterpolationMode.BILINEAR)),
        ("translate_x", lambda image: functional.affine(image, 0.0, [32, 0], 1.0, [0.0, 0.0])),
        ("translate_y", lambda image: functional.affine(image, 0.0, [0, 32], 1.0, [0.0, 0.0])),
    ],
)
def test_operations_equal_torchvision_at_full_strength(name, expected):
    image = images_of(1, height=40, width=40) // 2 + 30
    full = torch.tensor([0.999])
    result = trivial_augment(image, place(name), full, full)
    # Grey of torchvision is cut to whole numbers and its results are bytes.
    assert (result - expected(image).float()).abs().max() <= 3


def test_operations_of_no_strength_change_nothing():
    image = images_of(len(OPERATIONS) - 1)
    every = (torch.tensor([number for number, name in enumerate(OPERATIONS) if name != "autocontrast"]) + 0.5) / len(
        OPERATIONS
    )
    result = trivial_augment(image, every, torch.zeros(len(every)), torch.zeros(len(every)))
    assert torch.equal(result.round().to(torch.uint8), image)


def test_trivial_augment_takes_grey_images():
    image = images_of(50, channels=1)
    operation, strength, sign = torch.rand(3, 50, generator=torch.Generator().manual_seed(0))
    result = trivial_augment(image, operation, strength, sign)
    assert result.shape == image.shape and result.min() >= 0 and result.max() <= 255


def test_the_table_is_a_function_of_seed_and_epoch():
    augment = BatchAugment(crop=2, flip=0.5, mixup=0.3)
    table = augment.table(20, 1, 2)
    assert torch.equal(table, augment.table(20, 1, 2))
    assert not torch.equal(table, augment.table(20, 1, 3)) and not torch.equal(table, augment.table(20, 2, 2))


def test_switching_an_option_on_leaves_the_draws_of_others():
    crop, both = BatchAugment(crop=2), BatchAugment(crop=2, flip=0.5, erase=0.5)
    assert torch.equal(crop.table(9, 0, 0), both.table(9, 0, 0)[:, :2])


def test_an_augmentation_with_nothing_on_draws_nothing_and_changes_nothing():
    augment, images = BatchAugment(), images_of(4)
    table = augment.table(4, 0, 0)
    assert table.shape == (4, 0)
    assert augment.on_pixels(images, table) is images
    batch = {"input": images.float(), "target": torch.zeros(4, dtype=torch.long)}
    assert augment.on_normalized(batch, table, 3) is batch


def test_every_shift_of_a_crop_occurs():
    assert integers_below(torch.tensor([0.0, 0.5, 1 - 2**-24]), 9).tolist() == [0, 4, 8]
    augment = BatchAugment(crop=1)
    table = augment.table(200, 0, 0)
    assert integers_below(table, 3).unique(dim=0).shape == (9, 2)


def test_erasing_blanks_one_rectangle_in_the_share_of_images_asked():
    augment = BatchAugment(erase=0.5)
    batch = {"input": torch.ones(400, 3, 20, 30), "target": torch.zeros(400, dtype=torch.long)}
    images = augment.on_normalized(batch, augment.table(400, 0, 0), 2)["input"]
    blank = images[:, 0] == 0
    share = blank.float().mean((1, 2))
    assert 0.4 < (share > 0).float().mean() < 0.6
    assert share.max() < 0.36
    for mask in blank[share > 0]:
        assert mask.sum() == mask.any(0).sum() * mask.any(1).sum()


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_mixed_targets_sum_to_one_and_say_how_much_of_each_image_is_left(options):
    augment = BatchAugment(**options)
    # The image of class k has the value k everywhere, so the mean of a mixture is its expected class.
    target = torch.arange(64) % 7
    batch = {"input": target.view(-1, 1, 1, 1).expand(-1, 3, 16, 16).float().contiguous(), "target": target}
    mixed = augment.on_normalized(batch, augment.table(64, 0, 0), 7)
    soft = mixed["soft_target"]
    torch.testing.assert_close(soft.sum(1), torch.ones(64))
    torch.testing.assert_close(mixed["input"].mean((1, 2, 3)), soft @ torch.arange(7.0), atol=1e-4, rtol=1e-4)
    assert torch.equal(mixed["target"], target)
    assert ((soft > 0).sum(1) == 2).float().mean() > 0.5


def test_cutmix_pastes_a_rectangle_of_the_neighbour():
    augment = BatchAugment(cutmix=1.0)
    batch = {"input": torch.arange(8.0).view(-1, 1, 1, 1).repeat(1, 1, 16, 16), "target": torch.arange(8)}
    images = augment.on_normalized(batch, augment.table(8, 0, 0), 8)["input"]
    for number, image in enumerate(images):
        assert set(image.unique().tolist()) <= {float(number), float((number - 1) % 8)}


def test_affine_options_move_the_image_within_their_range():
    augment = BatchAugment(translate=0.1)
    images = images_of(40, channels=1, height=20, width=20)
    result = augment.on_pixels(images, augment.table(40, 0, 0))
    assert not torch.equal(result, images.float())
    torch.testing.assert_close(result.mean((1, 2, 3)), images.float().mean((1, 2, 3)), atol=30, rtol=0)
    same = BatchAugment(rotate=10.0, scale=0.2, translate=0.1)
    assert (
        torch.equal(augment.on_pixels(images[:5], augment.table(40, 0, 0)[:5]), result[:5])
        and same.on_pixels(images, same.table(40, 0, 0)).shape == images.shape
    )
