from pathlib import Path

import numpy as np
import pytest
import torch

from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo.callbacks.image_grid import displayable
from zoo.callbacks.sound_examples import SoundExamples
from zoo.callbacks.tensorboard import TensorBoard


class TinySounds(TinyData):
    """Images that pretend to be spectrograms of noise."""

    sample_rate = 8000
    sizes = {"train": 48, "val": 48}  # noqa: RUF012
    labels = {"train": torch.arange(48) % 3, "val": torch.arange(48) % 3}  # noqa: RUF012

    def listen(self, split: str, rows: torch.Tensor, *, train: bool) -> torch.Tensor:
        assert train == (split == "train")
        return torch.stack([0.9 * torch.sin(torch.arange(400.0) * (1 + int(row))) for row in rows])

    def spectrograms(self, waves: torch.Tensor) -> torch.Tensor:
        return waves.view(len(waves), 1, 20, 20)


def offered(directory: Path, data: TinyData, callback: SoundExamples, monkeypatch: pytest.MonkeyPatch) -> dict:
    shown: dict = {}
    monkeypatch.setattr(TensorBoard, "log_image", lambda self, name, image, step: shown.update({name: image.shape}))
    sound = TensorBoard.log_audio
    monkeypatch.setattr(
        TensorBoard,
        "log_audio",
        lambda self, name, wave, step, **options: (
            shown.update({name: wave.shape}),
            sound(self, name, wave, step, **options),
        ),
    )
    trainer = tiny_trainer(directory, max_epochs=1, callbacks=[callback], logger=[TensorBoard(directory)])
    trainer.fit(TinyTask(), datamodule=data)
    return shown


def test_sounds_of_the_first_batch_and_of_validation_are_offered_once(tmp_path, monkeypatch):
    callback = SoundExamples(num_sounds=2)
    shown = offered(tmp_path, TinySounds(), callback, monkeypatch)
    assert callback.on_train_batch_end is None
    names = ["dark", "mid, grey"]
    expected = {f"train/report/sounds/{number}_{name}": (400,) for number, name in enumerate(names)}
    expected |= {"val/report/sounds/0_dark": (400,), "val/report/sounds/1_bright|white": (400,)}
    pictures = {f"{split}/report/spectrograms" for split in ("train", "val")}
    assert {name: shape for name, shape in shown.items() if name not in pictures} == expected
    assert pictures < set(shown) and list((tmp_path / "tensorboard" / "val").iterdir())


def test_data_that_make_no_sound_are_passed_over(tmp_path, monkeypatch):
    callback = SoundExamples()
    assert offered(tmp_path, TinyData(), callback, monkeypatch) == {}
    assert callback.on_train_batch_end is None


def test_a_spectrogram_has_its_own_levels_back_and_low_frequencies_at_the_bottom():
    levels = torch.tensor([[5.0, 4.0], [1.0, 2.0], [0.0, 0.0]])  # the lowest frequency first
    mean, std = torch.tensor([3.0, 1.0, -1.0]), torch.tensor([2.0, 0.5, 1.0])
    standardised = ((levels - mean[:, None]) / std[:, None]).view(1, 1, 3, 2)
    shown = displayable(standardised, {"features": "mel", "mean": mean.tolist(), "std": std.tolist()})
    expected = (levels.flip(0) / 5 * 255).round().byte().numpy()
    np.testing.assert_array_equal(shown[0, ..., 0], expected)
