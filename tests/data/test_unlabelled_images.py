"""Images without classes are found at any depth, split, and looked at as those with classes are."""

import shutil
from pathlib import Path

import pytest

from tests.data.images_on_disk import folder
from zoo.data.unlabelled_images import UnlabelledImages
from zoo.errors import DataError

STATISTICS = {"mean": [0.5] * 3, "std": [0.2] * 3}


def images_of(root: Path, **options) -> UnlabelledImages:
    data = UnlabelledImages(root=str(root), image_size=8, batch_size=4, min_crop=None, **STATISTICS, **options)
    data.facts()
    return data


def test_folders_within_a_folder_are_no_classes(tmp_path):
    data = images_of(folder(tmp_path))
    assert data.sizes == {"train": 31, "val": 3, "test": 6}
    assert not data.class_names and "num_classes" not in data.found_facts()
    assert next(iter(data.train_dataloader()))["input"].shape == (4, 3, 8, 8)


def test_a_folder_of_images_alone_will_do(tmp_path):
    for place in sorted(folder(tmp_path / "sorted").rglob("*.jpeg")):
        shutil.move(place, tmp_path / f"{place.parent.name}{place.name}")
    shutil.rmtree(tmp_path / "sorted")
    assert sum(images_of(tmp_path).sizes.values()) == 40


def test_folders_of_splits_stand_as_they_are(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "test", count=3)
    assert images_of(tmp_path).sizes == {"train": 36, "val": 4, "test": 6}


def test_all_images_are_judged_where_none_are_trained_on(tmp_path):
    data = images_of(folder(tmp_path, count=3), evaluation_only=True)
    data.align_classes([])
    assert data.sizes == {"test": 6}


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "notes.txt").write_text("")
    with pytest.raises(DataError, match="no images"):
        images_of(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        images_of(tmp_path / "nowhere")
