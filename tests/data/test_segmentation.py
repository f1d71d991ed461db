"""Images with masks: augmented together, aligned by class, digits in memory."""

import pytest
import torch

from zoo.batch import NO_TARGET
from zoo.data.digits_canvas import DigitsCanvas
from zoo.data.digits_segmentation import DigitsSegmentation
from zoo.data.mask_augment import NO_CLASS, MaskAugment
from zoo.errors import DataError


def digits(**options) -> DigitsSegmentation:
    source = DigitsCanvas(num_train=24, num_val=6, num_test=5, image_size=48, largest=20)
    data = DigitsSegmentation(source=source, **{"batch_size": 4, **options})
    data.facts()
    return data


def epoch_of(data: DigitsSegmentation, epoch: int) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    finished = [data.prepare_batch(batch, train=True) for batch in loader]
    return {
        int(row): (image, target)
        for batch in finished
        for row, image, target in zip(batch["index"], batch["input"], batch["target"], strict=True)
    }


def test_digits_have_a_class_for_each_pixel():
    data = digits()
    assert data.found_facts()["num_mask_classes"] == 11 and data.class_names[0] == "background"
    batch = data.prepare_batch(next(iter(data.val_dataloader())), train=False)
    assert batch["input"].shape == (3, 1, 48, 48) and batch["input"].dtype == torch.float32
    assert batch["target"].shape == (3, 48, 48) and batch["target"].dtype == torch.int64
    assert batch["target"].min() == 0 and batch["target"].max() > 0


AUGMENTS = {
    "flip": {"flip": 1.0},
    "rotate": {"rotate": 45.0},
    "all": {"flip": 0.5, "rotate": 20.0, "translate": 0.2, "scale": 0.3},
}


@pytest.mark.parametrize("name", AUGMENTS)
def test_a_mask_moves_with_its_image(name):
    augment = MaskAugment(**AUGMENTS[name])
    masks = torch.zeros(8, 40, 40, dtype=torch.uint8)
    masks[:, 8:20, 10:26] = 1
    images = 200 * masks[:, None]
    moved, targets = augment(images, masks, augment.table(8, 0, 0))
    assert not torch.equal(targets, masks)
    bright = moved[:, 0] > 100
    both = targets != NO_CLASS
    assert ((bright == (targets == 1)) | ~both).float().mean() > 0.99
    assert not moved[:, 0][~both].gt(100).any()


def test_colours_change_the_image_alone():
    augment = MaskAugment(brightness=0.5, contrast=0.5)
    masks = torch.randint(3, (4, 8, 8), dtype=torch.uint8)
    images = 80 * masks[:, None]
    changed, same = augment(images, masks, augment.table(4, 0, 0))
    assert torch.equal(same, masks) and not torch.equal(changed, images)


def test_what_happens_to_an_image_is_a_function_of_seed_epoch_and_row():
    options = {"augment": MaskAugment(rotate=30.0, brightness=0.3), "seed": 3}
    first, again = epoch_of(digits(**options), 2), epoch_of(digits(batch_size=8, **options), 2)
    for row, (image, target) in first.items():
        assert torch.equal(target, again[row][1])
        torch.testing.assert_close(image, again[row][0])
    later = epoch_of(digits(**options), 3)
    assert not torch.equal(first[0][1], later[0][1])


def test_classes_are_aligned_by_name_and_unknown_ones_refused():
    data = digits()
    batch = next(iter(data.val_dataloader()))
    before = data.prepare_batch(batch, train=False)["target"]
    data.align_classes(["other", *data.class_names])
    assert torch.equal(data.prepare_batch(batch, train=False)["target"], before + 1)
    batch["target"][:, 0] = NO_CLASS
    assert (data.prepare_batch(batch, train=False)["target"][:, 0] == NO_TARGET).all()
    with pytest.raises(DataError, match="classes 9 are not among the checkpoint's"):
        digits().align_classes(["background", *"012345678"])


def test_the_pixels_of_each_class_are_counted():
    data = digits()
    masks = data.canvases["train"].masks
    assert data.class_counts() == masks.flatten().int().bincount(minlength=11).tolist()
    assert sum(data.class_counts()) == masks.numel()
