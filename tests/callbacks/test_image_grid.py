import numpy as np
import pytest
import torch

from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo.callbacks.image_grid import AugmentedImages, displayable, image_grid
from zoo.callbacks.tensorboard import TensorBoard


def test_normalisation_is_undone():
    pixels = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
    normalised = (pixels / 255 - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)
    shown = displayable(normalised, {"mean": mean, "std": std})
    assert np.array_equal(shown, pixels.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (2, 1), (3, 3), (12, 3)])
def test_without_statistics_each_image_is_stretched_to_its_own_range(channels, shown):
    images = displayable(torch.linspace(-5, 9, channels * 16).view(1, channels, 4, 4), {})
    assert images.shape == (1, 4, 4, shown) and images.dtype == np.uint8
    assert images.min() == 0


def test_a_grid_enlarges_tiny_images_and_fills_the_last_row_with_white():
    images = np.zeros((5, 8, 8, 1), dtype=np.uint8)
    grid = image_grid(images, columns=3, tile=32, gap=2)
    assert grid.shape == (2 * 34 + 2, 3 * 34 + 2, 3)
    assert (grid[2:34, 2:34] == 0).all()
    assert (grid[36:68, 70:102] == 255).all()


def test_large_images_keep_their_size_in_a_grid():
    assert image_grid(np.zeros((2, 224, 224, 3), dtype=np.uint8)).shape == (224 + 8, 2 * 228 + 4, 3)


def test_the_first_batch_is_shown_once_and_the_hook_then_costs_nothing(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        TensorBoard, "log_image", lambda self, name, image, step: shown.append((name, image.shape, step))
    )
    callback = AugmentedImages(num_images=4)
    trainer = tiny_trainer(tmp_path, max_epochs=1, callbacks=[callback], logger=[TensorBoard(tmp_path)])
    trainer.fit(TinyTask(), datamodule=TinyData())
    assert shown == [("train/report/augmented_inputs", (104, 404, 3), 1)]
    assert callback.on_train_batch_end is None
