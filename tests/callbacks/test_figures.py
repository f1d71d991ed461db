import numpy as np
import pytest

from zoo.callbacks import figures


def inked(image: np.ndarray) -> float:
    return float((image.min(axis=2) < 250).mean())


@pytest.mark.parametrize("num_classes", [2, 10, 31, 100, 150])
def test_a_confusion_matrix_of_any_size_is_drawn(num_classes):
    counts = np.eye(num_classes, dtype=int) * 90 + 1
    image = figures.confusion_matrix(counts, [f"class {k}" for k in range(num_classes)])
    height, width, channels = image.shape
    assert image.dtype == np.uint8 and channels == 3
    assert 300 < height < 2200 and height <= width < 2800
    assert inked(image) > 0.05


def test_a_confusion_matrix_shows_where_the_mistakes_are():
    names = ["cat", "dog"]
    right = figures.confusion_matrix(np.array([[9, 0], [0, 9]]), names)
    wrong = figures.confusion_matrix(np.array([[0, 9], [9, 0]]), names)
    assert right.shape == wrong.shape
    assert not np.array_equal(right, wrong)


def test_class_names_are_taken_literally_and_unknown_glyphs_are_no_warning():
    figures.confusion_matrix(np.eye(3, dtype=int), ["$x_{", "$5 bill", "\U00013000"])


def test_a_class_without_samples_is_drawn():
    assert inked(figures.confusion_matrix(np.array([[3, 0], [0, 0]]), ["a", "b"])) > 0.05


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (224, 160, 3)])
@pytest.mark.parametrize("count", [1, 7])
def test_mistakes_of_any_image_size_are_drawn(shape, count):
    images = [np.full(shape, 40, dtype=np.uint8)] * count
    picture = figures.worst_mistakes(images, [("a rather long class name", "b", 0.974)] * count)
    assert picture.shape[0] > 200 and picture.shape[1] > 200
    assert inked(picture) > 0.15


def test_tiny_images_are_enlarged_without_blur():
    checkers = (np.indices((8, 8)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None]
    picture = figures.worst_mistakes([checkers], [("a", "b", 0.9)])
    middle = picture[picture.shape[0] // 2 : -30]
    grey = ((middle > 60) & (middle < 195)).mean()
    assert grey < 0.02


def test_the_reliability_diagram_names_the_calibration_error(monkeypatch):
    titles = []
    from matplotlib.axes import Axes

    original = Axes.set_title
    monkeypatch.setattr(
        Axes, "set_title", lambda self, label, **more: titles.append(label) or original(self, label, **more)
    )
    confidence = np.array([0.9] * 10 + [0.7] * 10)
    correct = np.array([True] * 5 + [False] * 5 + [True] * 7 + [False] * 3)
    image = figures.reliability_diagram(confidence, correct)
    assert image.dtype == np.uint8 and inked(image) > 0.05
    assert any("0.200" in title for title in titles)  # half the samples are 0.4 off


def test_a_picture_is_saved_as_it_is(tmp_path):
    from PIL import Image

    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    figures.save_png(image, tmp_path / "picture.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "picture.png")), image)
