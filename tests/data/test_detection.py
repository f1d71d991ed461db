import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.data import boxes_on_disk
from zoo.data.bccd import BCCD
from zoo.data.digits_canvas import DigitsCanvas
from zoo.data.scattered_digits import ScatteredDigits
from zoo.data.voc import VOCDetection
from zoo.errors import DataError

STATISTICS = {"mean": [0.5] * 3, "std": [0.2] * 3}


def voc_of(root, **options) -> VOCDetection:
    data = VOCDetection(**{"root": str(root), "batch_size": 4, "image_size": 32, **options})
    data.facts()
    return data


def test_an_image_is_scaled_to_fit_and_padded_with_zeros(tmp_path):
    data = voc_of(boxes_on_disk.voc(tmp_path), val_fraction=0.3, test_fraction=0.0, image_size=[32, 20])
    batch = next(iter(data.val_dataloader()))
    finished = data.prepare_batch(batch, train=False)
    assert batch["input"].dtype == torch.uint8 and batch["input"].shape == (3, 3, 32, 20)
    assert batch["scale"].tolist() == [0.5] * 3 and batch["content"].tolist() == [[0, 0, 20, 15]] * 3
    assert (finished["input"][:, :, 15:] == 0).all() and (finished["input"][:, :, :15] != 0).any()
    for row, index in enumerate(batch["index"].tolist()):
        number = int(data.sample_name("val", index)[:2])
        written = torch.tensor([thing[1:] for thing in boxes_on_disk.things(number)])
        assert torch.equal(batch["boxes"][row, : len(written)], written / 2)
        assert batch["labels"][row].tolist() == ([0, 1] if number % 2 else [0, -1])
        assert (batch["boxes"][row, len(written) :] == 0).all()


def test_a_split_off_part_keeps_the_share_of_the_rarest_class(tmp_path):
    data = voc_of(boxes_on_disk.voc(tmp_path, 20), val_fraction=0.25, test_fraction=0.2)
    assert data.sizes == {"train": 12, "val": 4, "test": 4}
    assert [sum(1 in sample.labels for sample in data.samples[split]) for split in data.sizes] == [6, 2, 2]


def test_digits_are_drawn_by_the_split_seed_alone():
    def digits(**options) -> ScatteredDigits:
        source = DigitsCanvas(num_train=20, num_val=5, num_test=5, image_size=64)
        data = ScatteredDigits(source=source, in_channels=1, image_size=64, batch_size=4, **options)
        data.facts()
        return data

    first, second, other = digits(seed=0), digits(seed=1), digits(split_seed=1)
    assert first.fingerprint == second.fingerprint != other.fingerprint
    batch = next(iter(first.val_dataloader()))
    assert batch["input"].shape == (3, 1, 64, 64) and (batch["scale"] == 1).all()
    assert first.summary()[0] == "train        20 samples"


def test_files_without_boxes_are_seen_as_those_of_a_validation(tmp_path):
    data = voc_of(boxes_on_disk.voc(tmp_path), val_fraction=0.3, test_fraction=0.0)
    batch = next(iter(data.val_dataloader()))
    blind = VOCDetection(root=None, **data.preprocessing(), batch_size=4)
    files = [data.samples["val"][row].image for row in batch["index"].tolist()]
    seen = next(iter(blind.file_loader(files)))
    assert torch.equal(seen["input"], batch["input"]) and torch.equal(seen["scale"], batch["scale"])
    assert (seen["labels"] == -1).all() and seen["index"].tolist() == [0, 1, 2]
    expected = data.prepare_batch(batch, train=False)["input"]
    assert (blind.prepare_batch(seen, train=False)["input"] - expected).abs().max() < 1e-4  # rounded statistics


def test_a_part_is_for_testing_where_the_data_bring_no_splits(tmp_path):
    boxes_on_disk.voc(tmp_path / "flat", 20)
    assert voc_of(tmp_path / "flat", train_samples=9).sizes == {"train": 9, "val": 2, "test": 3}
    assert voc_of(tmp_path / "flat", evaluation_only=True).sizes == {"test": 20}
    for name in ("train", "val"):
        boxes_on_disk.voc(tmp_path / "nested" / name, 8)
    assert voc_of(tmp_path / "nested").sizes == {"train": 8, "val": 8}


def test_classes_are_renumbered_for_a_model_that_knows_more(tmp_path):
    data = voc_of(boxes_on_disk.voc(tmp_path), evaluation_only=True)
    data.align_classes(["dog", "bird", "cat"])
    batch = next(iter(data.test_dataloader()))
    assert batch["labels"][:2].tolist() == [[2, -1], [2, 0]]
    with pytest.raises(DataError, match=f"{tmp_path}/01.png: classes dog are not among the checkpoint's cat, bird"):
        voc_of(tmp_path).align_classes(["cat", "bird"])


def test_images_of_every_mode_are_taken(tmp_path):
    boxes_on_disk.voc(tmp_path)
    modes = {"00": "L", "01": "P", "02": "RGBA", "03": "I;16", "04": "1"}
    for stem, mode in modes.items():
        image = Image.new(mode, (40, 30)) if mode == "I;16" else Image.open(tmp_path / f"{stem}.png").convert(mode)
        image.save(tmp_path / f"{stem}.png")
    Image.open(tmp_path / "05.png").convert("CMYK").save(tmp_path / "05.jpg")
    (tmp_path / "05.png").unlink()
    for in_channels in (1, 3):
        data = voc_of(tmp_path, evaluation_only=True, in_channels=in_channels, batch_size=10)
        assert next(iter(data.test_dataloader()))["input"].shape == (10, in_channels, 32, 32)


@pytest.mark.realdata
def test_bccd_is_read_by_its_own_split(caplog):
    root = Path(os.environ.get("ZOO_DATA_DIR", "nowhere"))
    if not (root / "bccd").is_dir():
        pytest.skip("ZOO_DATA_DIR names no folder with bccd")
    data = BCCD(data_dir=str(root), on_bad_sample="skip", image_size=[240, 320], mean=[0.7] * 3, std=[0.1] * 3)
    data.facts()
    assert data.sizes == {"train": 205, "val": 87, "test": 72}
    assert sum(len(sample.labels) for samples in data.samples.values() for sample in samples) == 4886
    assert [record.getMessage()[:28] for record in caplog.records] == ["left out 2 of 4,888 objects:"]
