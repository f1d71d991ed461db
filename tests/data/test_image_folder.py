import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from zoo.data.augment import BatchAugment
from zoo.data.decode import centre_box, decode, random_box, to_mode
from zoo.data.image_folder import ImageFolder
from zoo.errors import DataError, OptionError, RunError, TrainingStopped

STATISTICS = {"mean": [0.5] * 3, "std": [0.2] * 3}


def draw(path: Path, number: int, width: int = 40, height: int = 30) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(path)


def flat(root: Path, count: int = 20) -> Path:
    for name in ("ants", "bees"):
        for number in range(count):
            draw(root / name / f"{number:02}.{'png' if number % 2 else 'jpg'}", number)
    return root


def folder_of(root: Path, **options) -> ImageFolder:
    data = ImageFolder(**{"root": str(root), "batch_size": 4, "image_size": 16, **options})
    data.facts()
    return data


def epoch_of(data: ImageFolder, epoch: int) -> dict[str, torch.Tensor]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    batches = [data.prepare_batch(batch, train=True) for batch in loader]
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def test_a_flat_folder_is_split_in_three(tmp_path):
    data = folder_of(flat(tmp_path))
    assert data.class_names == ["ants", "bees"]
    assert [len(data.files[split]) for split in ("train", "val", "test")] == [31, 3, 6]
    files = [path for split in data.files.values() for path in split]
    assert len(files) == len(set(files)) == 40
    assert data.labels["test"].bincount().tolist() == [3, 3]
    assert [path.parent.name == "bees" for path in data.files["train"]] == data.labels["train"].bool().tolist()
    assert data.sample_name("test", 0).startswith("ants/")


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_folders_of_splits_are_taken_as_they_are(tmp_path, validation):
    flat(tmp_path / "train")
    flat(tmp_path / validation, 3)
    data = folder_of(tmp_path)
    assert {split: len(files) for split, files in data.files.items()} == {"train": 40, "val": 6}
    assert not data.has_test


def test_validation_is_split_off_where_it_has_no_folder(tmp_path):
    flat(tmp_path / "train")
    flat(tmp_path / "test", 3)
    data = folder_of(tmp_path, train_samples=10)
    assert {split: len(files) for split, files in data.files.items()} == {"train": 10, "test": 6, "val": 4}


def test_splits_depend_on_the_split_seed_alone(tmp_path):
    flat(tmp_path)
    first, second, other = folder_of(tmp_path, seed=0), folder_of(tmp_path, seed=1), folder_of(tmp_path, split_seed=1)
    assert first.files == second.files and first.fingerprint == second.fingerprint
    assert first.files != other.files and first.fingerprint != other.fingerprint


def test_hidden_files_and_files_that_are_no_images_are_passed_over(tmp_path):
    flat(tmp_path)
    (tmp_path / "ants" / "notes.txt").write_text("no image")
    (tmp_path / "ants" / ".hidden.jpg").write_text("no image")
    (tmp_path / ".git").mkdir()
    assert sum(len(files) for files in folder_of(tmp_path).files.values()) == 40


def test_workers_give_the_same_batches_as_none(tmp_path):
    flat(tmp_path)
    options = {"augment": BatchAugment(flip=0.5, erase=0.5), "seed": 3}
    alone, workers = folder_of(tmp_path, **options), folder_of(tmp_path, num_workers=2, **options)
    for epoch in (2, 3):
        expected, batch = epoch_of(alone, epoch), epoch_of(workers, epoch)
        assert all(torch.equal(batch[name], expected[name]) for name in expected)
    assert not torch.equal(expected["input"], epoch_of(alone, 4)["input"])


def test_crops_are_a_function_of_the_epoch_and_not_of_the_batch_size(tmp_path):
    flat(tmp_path)
    batches = [epoch_of(folder_of(tmp_path, batch_size=size), epoch) for size, epoch in ((1, 1), (31, 1), (31, 2))]
    small, large, later = (batch["input"][batch["index"].argsort()] for batch in batches)
    assert torch.equal(small, large)
    assert (large != later).flatten(1).any(1).all()


def test_evaluation_crops_the_middle(tmp_path):
    flat(tmp_path)
    data = folder_of(tmp_path, center_crop=1.0)
    batch = next(iter(data.val_dataloader()))
    image = (
        Image.open(data.files["val"][0]).convert("RGB").crop((5, 0, 35, 30)).resize((16, 16), Image.Resampling.BILINEAR)
    )
    expected = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    assert (batch["input"][0].int() - expected.int()).abs().max() <= 2


def test_random_boxes_keep_within_the_image_and_the_share_asked():
    for number in range(200):
        left, top, right, bottom = random_box(60, 20, (16, 16), 0.3, ("box", number))
        assert 0 <= left < right <= 60 and 0 <= top < bottom <= 20
        assert (right - left) * (bottom - top) >= 0.3 * 60 * 20 - 1e-6 or (right - left, bottom - top) == (20, 20)


@pytest.mark.parametrize("size", [(58, 64), (64, 58), (64, 64)])
def test_a_box_that_rounding_leads_over_the_edge_is_decoded(size):
    box = centre_box(*size, (224, 224), 1.0)
    assert decode(Image.new("RGB", size), box, (224, 224), 3).shape == (3, 224, 224)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(tmp_path, orientation):
    draw(tmp_path / "plain.png", 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.open(tmp_path / "plain.png")
    image.save(tmp_path / "turned.png", exif=exif)
    from PIL import ImageOps

    with Image.open(tmp_path / "turned.png") as turned:
        upright = ImageOps.exif_transpose(turned)
        box = centre_box(*upright.size, (12, 12), 1.0)
        expected = np.array(upright.resize((12, 12), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0))
    with Image.open(tmp_path / "turned.png") as turned:
        np.testing.assert_array_equal(decode(turned, box, (12, 12), 3), expected.transpose(2, 0, 1))


def test_large_photographs_are_decoded_small(tmp_path):
    draw(tmp_path / "large.jpg", 0, width=800, height=640)
    with Image.open(tmp_path / "large.jpg") as image:
        pixels = decode(image, (100.0, 0.0, 740.0, 640.0), (32, 32), 3)
        assert image.size[0] < 800
    with Image.open(tmp_path / "large.jpg") as image:
        expected = np.array(image.resize((32, 32), Image.Resampling.BILINEAR, box=(100, 0, 740, 640)))
    assert np.abs(pixels.astype(int) - expected.transpose(2, 0, 1)).mean() < 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_becomes_colour_or_grey(mode):
    image = Image.new("RGBA", (5, 4), (250, 0, 0, 255))
    if mode == "I;16":
        image = Image.fromarray(np.full((4, 5), 40_000, dtype=np.uint16))
    elif mode == "PA":
        image = image.convert("P").convert("PA")
    else:
        image = image.convert("RGB").convert(mode) if mode in ("CMYK", "I", "F", "P", "1") else image.convert(mode)
    assert to_mode(image, "RGB").mode == "RGB" and to_mode(image, "L").mode == "L"
    if mode == "I;16":
        assert to_mode(image, "L").getpixel((0, 0)) == 40_000 // 256


def test_what_is_transparent_becomes_white():
    image = Image.new("RGBA", (2, 2), (250, 0, 0, 0))
    assert to_mode(image, "RGB").getpixel((0, 0)) == (255, 255, 255)
    assert to_mode(image.convert("P"), "RGB").mode == "RGB"


def test_grey_images_are_given_where_one_channel_is_asked(tmp_path):
    data = folder_of(flat(tmp_path), in_channels=1, image_size=[12, 20])
    assert next(iter(data.val_dataloader()))["input"].shape[1:] == (1, 12, 20)
    assert data.facts()["image_size"] == [12, 20] and len(data.facts()["mean"]) == 1


def test_a_file_that_is_no_image_is_named_or_left_out(tmp_path, caplog):
    flat(tmp_path)
    bad = tmp_path / "ants" / "00.jpg"
    bad.write_bytes(b"no image")
    with pytest.raises(DataError) as error:
        folder_of(tmp_path)
    assert str(error.value).startswith(f"{bad}: cannot be read as an image (")
    assert str(error.value).endswith("; mend it, remove it, or set data.on_bad_sample=skip")
    data = folder_of(tmp_path, on_bad_sample="skip")
    assert sum(len(files) for files in data.files.values()) == 39
    assert "left out 1 unreadable of 40 images" in caplog.text and str(bad) in caplog.text


def cut_off(path: Path) -> Path:
    draw(path, 7, width=300, height=300)
    path.write_bytes(path.read_bytes()[:1500])
    return path


def cut_off_unseen(path: Path) -> Path:
    """Puts an image in place of another whose damage only decoding shows."""
    path.unlink()
    return cut_off(path.with_suffix(".bmp"))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_an_image_cut_off_in_the_middle_is_named_before_the_first_step(tmp_path, suffix):
    flat(tmp_path)
    bad = cut_off(tmp_path / "bees" / f"bad{suffix}")
    with pytest.raises(DataError) as error:
        folder_of(tmp_path, **STATISTICS)
    assert str(error.value).startswith(f"{bad}: cannot be read as an image (")
    data = folder_of(tmp_path, **STATISTICS, on_bad_sample="skip")
    assert sum(len(files) for files in data.files.values()) == 40


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_image_that_cannot_be_decoded_is_named_by_its_batch(tmp_path, num_workers):
    flat(tmp_path)
    bad = cut_off_unseen(folder_of(tmp_path, **STATISTICS).files["train"][0])
    data = folder_of(tmp_path, **STATISTICS, num_workers=num_workers)
    with pytest.raises(TrainingStopped, match=rf"{bad.stem}\.bmp: cannot be decoded \(.*on_bad_sample=skip"):
        epoch_of(data, 0)


def test_an_image_that_cannot_be_decoded_can_be_left_out(tmp_path, caplog):
    flat(tmp_path)
    cut_off_unseen(tmp_path / "ants" / "00.jpg")
    data = folder_of(tmp_path, on_bad_sample="skip", **STATISTICS, batch_size=1)
    total = sum(
        len(batch["index"])
        for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
        for batch in loader
    )
    assert total == 39 and caplog.text.count("cannot be decoded") == 1


def test_too_many_bad_images_end_the_run(tmp_path):
    flat(tmp_path)
    for number in range(0, 20, 2):
        cut_off_unseen(tmp_path / "ants" / f"{number:02}.jpg")
    data = folder_of(tmp_path, on_bad_sample="skip", **STATISTICS)
    with pytest.raises(TrainingStopped, match="of 31 images cannot be decoded"):
        epoch_of(data, 0)


def test_an_image_that_cannot_be_measured_is_named_or_left_out(tmp_path):
    flat(tmp_path / "train")
    bad = cut_off_unseen(tmp_path / "train" / "ants" / "00.jpg")
    with pytest.raises(DataError) as error:
        folder_of(tmp_path, val_fraction=0.03)
    assert str(error.value).startswith(f"{bad}: cannot be decoded (")
    assert str(error.value).endswith("; mend it, remove it, or set data.on_bad_sample=skip")
    assert len(folder_of(tmp_path, val_fraction=0.03, on_bad_sample="skip").mean) == 3


def test_images_none_of_which_can_be_measured_are_reported(tmp_path):
    for name in ("ants", "bees"):
        for number in range(5):
            cut_off(tmp_path / name / f"{number}.bmp")
    with pytest.raises(DataError, match=r"none of 7 images of train can be decoded, the last for .*; mend them"):
        folder_of(tmp_path, on_bad_sample="skip")


def test_the_home_folder_is_known_by_its_short_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    flat(tmp_path / "photos")
    data = folder_of(Path("~/photos"))
    assert data.sample_name("train", 0).startswith("ants/") and len(data.fingerprint) == 64


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("evaluation_only", [False, True])
def test_a_folder_of_one_split_can_be_evaluated_but_not_trained_on(tmp_path, split, evaluation_only):
    flat(tmp_path / split, 3)
    data = folder_of(tmp_path, evaluation_only=evaluation_only)
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    assert torch.cat([batch["index"] for batch in loader]).tolist() == list(range(6))
    assert data.has_test == (split == "test") and len(data.mean) == 3
    with pytest.raises(DataError) as error:
        data.check_training()
    assert str(error.value) == (
        f"{tmp_path}: no images to train on; put some into train/CLASS, and leave data.evaluation_only false"
    )


def test_a_split_that_is_not_there_is_asked_for_in_vain(tmp_path):
    flat(tmp_path / "test", 3)
    with pytest.raises(DataError) as error:
        folder_of(tmp_path).val_dataloader()
    assert str(error.value) == "data: there is no val split; ask for test"


def test_all_images_of_a_flat_folder_can_be_evaluated(tmp_path):
    data = folder_of(flat(tmp_path, 2), evaluation_only=True, batch_size=64)
    assert {split: len(files) for split, files in data.files.items()} == {"test": 4}
    assert torch.cat([batch["target"] for batch in data.test_dataloader()]).tolist() == [0, 0, 1, 1]
    with pytest.raises(DataError, match="no images to train on"):
        data.train_dataloader()


def test_photographs_of_one_class_can_be_evaluated(tmp_path):
    draw(tmp_path / "bees" / "0.png", 0)
    data = folder_of(tmp_path, evaluation_only=True, **STATISTICS)
    data.align_classes(["ants", "bees"])
    assert data.labels["test"].tolist() == [1]


def test_a_share_that_is_given_counts_in_evaluation_too(tmp_path):
    data = folder_of(flat(tmp_path), evaluation_only=True, test_fraction=0.5)
    assert len(data.files["test"]) == 20


def test_evaluation_takes_folders_of_splits_as_they_are(tmp_path):
    flat(tmp_path / "train")
    flat(tmp_path / "test", 3)
    assert folder_of(tmp_path, evaluation_only=True).files == folder_of(tmp_path).files


def missing(root: Path) -> Path:
    return root / "nowhere"


def empty(root: Path) -> Path:
    return root


def one_class(root: Path) -> Path:
    draw(root / "ants" / "0.png", 0)
    return root


def class_without_images(root: Path) -> Path:
    flat(root)
    (root / "wasps").mkdir()
    return root


def unknown_class(root: Path) -> Path:
    flat(root / "train")
    draw(root / "val" / "cats" / "0.png", 0)
    return root


@pytest.mark.parametrize(
    ("layout", "line"),
    [
        (missing, "{root}/nowhere: no such folder; set data.root to the folder that holds a folder a class"),
        (
            empty,
            "{root}: 0 folders of classes found, but 2 or more are needed; sort the images into one folder a class",
        ),
        (
            one_class,
            "{root}: 1 folders of classes found, but 2 or more are needed; sort the images into one folder a class",
        ),
        (class_without_images, "{root}/wasps: no images ("),
        (unknown_class, "{root}: classes cats of val are not in train; add them to train or remove them"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named_with_its_remedy(tmp_path, layout, line):
    with pytest.raises(DataError) as error:
        folder_of(layout(tmp_path))
    assert str(error.value).startswith(line.format(root=tmp_path))


def test_a_root_that_is_not_given_is_asked_for():
    with pytest.raises(OptionError) as error:
        ImageFolder(root=None).facts()
    assert str(error.value) == "data.root: no folder of images given; add data.root=FOLDER"
    assert isinstance(error.value, RunError)


def test_statistics_are_those_of_the_training_images(tmp_path):
    data = folder_of(flat(tmp_path), center_crop=1.0, image_size=[30, 40])
    images = torch.stack([functional.pil_to_tensor(Image.open(path).convert("RGB")) for path in data.files["train"]])
    np.testing.assert_allclose(data.mean, (images / 255).mean((0, 2, 3)), atol=1e-3)


@pytest.mark.realdata
@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")
def test_photographs_of_ants_and_bees_are_read():
    data = folder_of(Path(os.environ["ZOO_DATA_DIR"]) / "hymenoptera", image_size=64)
    assert [len(data.files[split]) for split in ("train", "val")] == [244, 153]
    assert next(iter(data.train_dataloader()))["input"].shape == (4, 3, 64, 64)
