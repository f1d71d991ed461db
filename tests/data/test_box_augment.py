import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes

from tests.data import boxes_on_disk
from zoo.data.annotations import Sample
from zoo.data.box_augment import BoxAugment
from zoo.data.box_files import BoxFiles
from zoo.data.letterbox import Boxes
from zoo.data.voc import VOCDetection

SIZE = (48, 64)


def bright_square(x1: int, y1: int, x2: int, y2: int, level: int = 250) -> Sample:
    pixels = np.zeros((60, 80), dtype=np.uint8)
    pixels[y1:y2, x1:x2] = level
    box = np.array([[x1, y1, x2, y2]], dtype=np.float32)
    return Sample(pixels, box, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=bool))


def files_of(samples: list[Sample], **options) -> BoxFiles:
    return BoxFiles(samples, size=SIZE, padding=[0], augment=BoxAugment(**options), seed=3)


def around(pixels: np.ndarray) -> list[int]:
    """The box around what is bright."""
    rows, columns = np.nonzero(pixels > 125)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("zoom", [(1.0, 1.0), (0.5, 0.9), (1.1, 2.0), (0.3, 3.0)])
def test_boxes_stay_around_their_objects(zoom):
    files = files_of([bright_square(20, 15, 60, 45)], flip=0.5, flip_vertical=0.5, min_scale=zoom[0], max_scale=zoom[1])
    seen = 0
    for epoch in range(60):
        canvas, _, target, _ = files[0, epoch]
        if target["labels"][0] >= 0:
            seen += 1
            assert (target["boxes"][0] - torch.tensor(around(canvas[0]))).abs().max() <= 1.5
    assert seen > 40


def test_boxes_stay_around_their_objects_in_a_mosaic():
    samples = [bright_square(5, 5, 75, 55, level) for level in (130, 160, 190, 250)]
    files = files_of(samples, mosaic=1.0, flip=0.5, min_visible=0.0)
    assert files.most_boxes == 4
    for epoch in range(20):
        canvas, _, target, _ = files[epoch % 4, epoch]
        inside = np.zeros(SIZE, dtype=bool)
        for x1, y1, x2, y2 in target["boxes"].round().int()[target["labels"] >= 0].tolist():
            assert (canvas[0, y1 + 2 : y2 - 2, x1 + 2 : x2 - 2] > 100).all()
            inside[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1] = True
        assert (canvas[0][~inside] < 100).all()
        assert target["content"].tolist() == [0, 0, 64, 48]


def test_flips_are_those_of_torchvision():
    corners = np.array([[1, 2, 11, 8], [30, 3, 40, 30]], dtype=np.float32)
    ours = Boxes(corners, np.zeros(2, dtype=np.int64), np.zeros(2, dtype=bool))
    theirs = BoundingBoxes(torch.from_numpy(corners), format="XYXY", canvas_size=(30, 40))
    assert np.array_equal(ours.flipped(width=40).corners, v2.functional.horizontal_flip(theirs))
    assert np.array_equal(ours.flipped(height=30).corners, v2.functional.vertical_flip(theirs))


def test_a_box_of_which_too_little_is_left_is_dropped():
    corners = np.array([[0, 0, 10, 10], [0, 0, 40, 10]], dtype=np.float32)
    boxes = Boxes(corners, np.array([0, 1]), np.zeros(2, dtype=bool))
    left = boxes.clipped((5, 0, 20, 10), min_visible=0.5)
    assert left.corners.tolist() == [[5, 0, 10, 10]] and left.labels.tolist() == [0]


def test_mosaics_end_when_they_should():
    augment = BoxAugment(mosaic=1.0, mosaic_epochs=2)
    assert [len(augment.spots(5, 9, SIZE, seed=0, epoch=epoch)) for epoch in range(4)] == [4, 4, 1, 1]


def test_an_image_that_cannot_be_decoded_leaves_its_place_in_a_mosaic_empty(tmp_path):
    broken = bright_square(5, 5, 75, 55)._replace(image=tmp_path / "missing.png")
    files = files_of([bright_square(5, 5, 75, 55), broken], mosaic=1.0)
    assert files[0, 0][0] is not None and not files[0, 0][1]
    assert files[1, 0][0] is None and files[1, 0][1] == "No such file or directory"


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colours_change_as_by_torchvision(name):
    images = torch.randint(60, 190, (2, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    draws = torch.tensor([[0.9], [0.2]])
    ours = BoxAugment(**{name: 0.3}).on_pixels(images, draws)
    for row, factor in enumerate((1.24, 0.82)):
        theirs = getattr(v2.functional, f"adjust_{name}")(images[row].float() / 255, factor) * 255
        assert (ours[row] - theirs).abs().max() < 0.2  # weights of grey with three digits or four


def test_a_turn_of_the_hue_keeps_greys_and_brightness():
    images = torch.randint(60, 190, (1, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[:, :, :4] = images[:, :1, :4]
    turned = BoxAugment(hue=0.1).on_pixels(images, torch.tensor([[1.0]]))
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    assert (turned[:, :, :4] - images[:, :, :4]).abs().max() < 0.5
    assert (turned[:, :, 4:] - images[:, :, 4:]).abs().max() > 10
    assert ((turned - images) * weights).sum(1).abs().max() < 0.5


def test_augmentation_is_a_function_of_the_epoch_and_not_of_batches_or_workers(tmp_path):
    boxes_on_disk.voc(tmp_path)
    augment = {"flip": 0.5, "min_scale": 0.5, "max_scale": 2.0, "mosaic": 0.5, "brightness": 0.2}

    def epoch_of(epoch: int, **options) -> dict[str, torch.Tensor]:
        data = VOCDetection(
            root=str(tmp_path), image_size=32, seed=3, test_fraction=0.0, augment=BoxAugment(**augment), **options
        )
        data.facts()
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        batches = [data.prepare_batch(batch, train=True) for batch in loader]
        joined = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
        return {name: values[joined["index"].argsort()] for name, values in joined.items()}

    first, other, workers = (
        epoch_of(1, batch_size=9),
        epoch_of(1, batch_size=3),
        epoch_of(1, batch_size=9, num_workers=2),
    )
    assert all(torch.equal(first[name], other[name]) and torch.equal(first[name], workers[name]) for name in first)
    assert not torch.equal(first["input"], epoch_of(2, batch_size=9)["input"])
