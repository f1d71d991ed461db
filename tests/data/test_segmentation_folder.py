"""Folders of images and masks: found, read, cut alike; what is wrong is one line before training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.masks_on_disk import sample, save, write
from zoo.batch import NO_TARGET
from zoo.data.mask_augment import MaskAugment
from zoo.data.segmentation_folder import SegmentationFolder
from zoo.errors import DataError


def folder_of(root: Path, **options) -> SegmentationFolder:
    data = SegmentationFolder(**{"root": str(root), "batch_size": 4, "image_size": 16, **options})
    data.facts()
    return data


def refusal(root: Path, **options) -> str:
    with pytest.raises(DataError) as error:
        folder_of(root, **options)
    line = str(error.value)
    assert "\n" not in line and line.isprintable()
    return line


def targets(data: SegmentationFolder) -> torch.Tensor:
    return torch.cat([data.prepare_batch(batch, train=False)["target"] for batch in data.val_dataloader()])


def test_a_folder_is_split_in_three_and_its_values_are_classes(tmp_path):
    data = folder_of(write(tmp_path, value=3))
    assert {split: len(pairs) for split, pairs in data.pairs.items()} == {"train": 15, "val": 2, "test": 3}
    assert data.class_names == ["0", "3"] and data.found_facts()["num_mask_classes"] == 2
    assert sorted(targets(data).unique().tolist()) == [0, 1]
    assert data.sample_name("test", 0).startswith("images/")


def test_folders_of_splits_are_taken_as_they_are(tmp_path):
    write(tmp_path / "train", 12)
    write(tmp_path / "val", 3)
    data = folder_of(tmp_path)
    assert {split: len(pairs) for split, pairs in data.pairs.items()} == {"train": 12, "val": 3}
    assert not data.has_test


def test_a_pixel_keeps_its_class_through_crop_and_resizing(tmp_path):
    data = folder_of(write(tmp_path, size=(80, 60)), image_size=[30, 40], augment=MaskAugment(flip=0.5), mean=[0.0] * 3)
    for batch in data.train_dataloader():
        finished = data.prepare_batch(batch, train=True)
        bright = finished["input"].mean(1) * torch.tensor(data.std).mean() > 0.45
        assert (bright == (finished["target"] == 1)).float().mean() > 0.97


def test_workers_give_the_same_batches_as_none(tmp_path):
    write(tmp_path)
    alone, workers = (list(folder_of(tmp_path, num_workers=number).train_dataloader()) for number in (0, 1))
    for one, other in zip(alone, workers, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in ("input", "target", "index"))


def test_masks_of_0_and_255_are_binary(tmp_path):
    data = folder_of(write(tmp_path, value=255))
    assert data.class_names == ["background", "foreground"] and data.binary
    assert sorted(targets(data).unique().tolist()) == [0, 1]


def test_255_beside_other_values_is_no_target(tmp_path):
    write(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        values = np.array(Image.open(path))
        values[0] = 255
        Image.fromarray(values).save(path)
    data = folder_of(tmp_path)
    assert data.class_names == ["0", "1"] and not data.binary
    assert NO_TARGET in targets(data)


def test_names_come_from_a_file_or_an_option_and_must_agree(tmp_path):
    write(tmp_path)
    assert folder_of(tmp_path, classes=["ground", "square", "unseen"]).class_names == ["ground", "square", "unseen"]
    (tmp_path / "classes.txt").write_text("sky\nhouse\n")
    assert folder_of(tmp_path).class_names == ["sky", "house"]
    assert "names sky, house, but data.classes ground, square" in refusal(tmp_path, classes=["ground", "square"])


def palette(image: Image.Image) -> Image.Image:
    indices = Image.frombytes("P", image.size, image.tobytes())
    indices.putpalette([0, 0, 0, 200, 30, 30] + [0] * 762)
    return indices


FORMS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "palette": palette,
    "colour": lambda image: Image.merge("RGB", [image] * 3),
    "16 bit": lambda image: Image.fromarray(np.array(image).astype(np.uint16)),
    "1 bit": lambda image: Image.fromarray(np.array(image) > 0),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_mask_is_read(tmp_path, form):
    write(tmp_path)
    expected = targets(folder_of(tmp_path))
    for path in (tmp_path / "masks").iterdir():
        FORMS[form](Image.open(path)).save(path)
    assert torch.equal(targets(folder_of(tmp_path)), expected)


def missing(root: Path) -> None:
    (root / "masks" / "03.png").unlink()


def of_another_size(root: Path) -> None:
    save(sample(3, size=(30, 40))[1], root / "masks" / "03.png")


def turned_by_exif(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(sample(3)[0], root / "images" / "03.png", exif=exif)


def no_class(root: Path) -> None:
    save(sample(3, value=7)[1], root / "masks" / "03.png")


def coloured(root: Path) -> None:
    save(sample(3)[0], root / "masks" / "03.png")


def photograph(root: Path) -> None:
    sample(3)[1].save(root / "masks" / "03.png", format="JPEG")


def damaged(root: Path) -> None:
    path = root / "masks" / "03.png"
    path.write_bytes(path.read_bytes()[:-30])


BAD = {
    missing: "has no mask 03.png in",
    of_another_size: "is 40x30 but its mask 03.png 30x40",
    turned_by_exif: "is 30x40, turned as its EXIF orientation says, but its mask 03.png 40x30",
    no_class: "its mask 03.png holds the value 7, which is none of the 2 classes 0 to 1, nor data.ignore_index",
    coloured: "its mask 03.png cannot be read (in colour (RGB) and not of class indices)",
    photograph: "its mask 03.png cannot be read (a JPEG, whose compression changes the values)",
    damaged: "its mask 03.png cannot be read (",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_a_bad_pair_is_named_before_training_and_can_be_left_out(tmp_path, spoil, caplog):
    write(tmp_path)
    spoil(tmp_path)
    line = refusal(tmp_path, classes=["ground", "square"])
    assert line.startswith(f"{tmp_path}/images/03.png: {BAD[spoil]}")
    assert line.endswith("; mend it, remove it, or set data.on_bad_sample=skip")
    data = folder_of(tmp_path, classes=["ground", "square"], on_bad_sample="skip")
    assert sum(map(len, data.pairs.values())) == 19
    assert BAD[spoil] in caplog.text


def test_all_bad_pairs_are_counted(tmp_path):
    write(tmp_path)
    for number in range(9):
        (tmp_path / "masks" / f"0{number}.png").unlink()
    line = refusal(tmp_path)
    assert "02.png" in line and "03.png" not in line and "and 6 more" in line
    assert "9 of 20; mend or remove them: more than 10% are not left out" in refusal(tmp_path, on_bad_sample="skip")


def test_what_is_no_such_folder_is_refused_with_its_layout(tmp_path):
    assert "no such folder" in refusal(tmp_path / "nowhere")
    assert "no folder images/ in it; put images into images/ and their masks into masks/" in refusal(tmp_path)
    write(tmp_path, 8, value=0)
    assert "1 classes in its masks (0), but there must be 2 to 254" in refusal(tmp_path)
