import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data.decode import UNREADABLE
from zoo.data.image_scan import check_file, scan


def content(form: str, side: int = 300, **options) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, form, **options)
    return file.getvalue()


def with_thumbnail() -> bytes:
    """A photograph with a small JPEG, which has an end of its own, in its header."""
    whole = content("JPEG", side=30, comment=content("JPEG", side=8))
    assert whole.count(b"\xff\xd9") == 2
    return whole


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_whole_images_pass(tmp_path, form):
    (tmp_path / "image").write_bytes(content(form))
    check_file(tmp_path / "image")


@pytest.mark.parametrize("trailing", [10, 100_000])
def test_a_photograph_may_be_followed_by_other_bytes(tmp_path, trailing):
    for whole in (content("JPEG"), content("JPEG", progressive=True), with_thumbnail()):
        (tmp_path / "image.jpg").write_bytes(whole + bytes(trailing))
        check_file(tmp_path / "image.jpg")


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("left", [0.001, 0.1, 0.5, 0.999])
def test_an_image_cut_off_anywhere_is_refused(tmp_path, form, left):
    whole = content(form)
    (tmp_path / "image").write_bytes(whole[: round(left * len(whole))])
    with pytest.raises(UNREADABLE):
        check_file(tmp_path / "image")


def test_the_end_of_a_thumbnail_is_not_that_of_the_photograph(tmp_path):
    (tmp_path / "image.jpg").write_bytes(with_thumbnail()[:-200])
    with pytest.raises(UNREADABLE, match="truncated"):
        check_file(tmp_path / "image.jpg")


def test_an_image_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    (tmp_path / "image.png").write_bytes(content("PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UNREADABLE, match="decompression bomb"):
        check_file(tmp_path / "image.png")


def folders(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "0.png").touch()
    return root


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ants", "bees"], {"train": ["ants", "bees"]}),
        (["train/ants", "train/bees", "more/cats"], {"train": ["ants", "bees"]}),
        (["test/ants", "test/bees"], {"test": ["ants", "bees"]}),
        (["valid/ants", "test/ants", "test/bees"], {"val": ["ants"], "test": ["ants", "bees"]}),
        (["bikes", "test"], {"train": ["bikes", "test"]}),
    ],
)
def test_a_folder_is_one_of_splits_or_of_classes(tmp_path, names, expected):
    found = scan(folders(tmp_path, *names))
    assert {split: sorted(classes) for split, classes in found.items()} == expected
