"""Heat over images: after a test as a file, during a fit in TensorBoard; what cannot be explained is left out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo.callbacks.explanations import Explanations, Judged, draw
from zoo.callbacks.tensorboard import TensorBoard
from zoo.models.explain import Explanation


def picture(count: int, method: str = "Grad-CAM", shape: tuple[int, int, int] = (1, 8, 8)) -> np.ndarray:
    images = torch.rand(count, *shape)
    judged = [Judged(0.9, number, number % 2, 0, image) for number, image in enumerate(images)]
    heat = Explanation(torch.rand(count, *shape[1:]), method)
    preprocessing = {"mean": [0.0] * shape[0], "std": [1.0] * shape[0]}
    return draw(judged, images, heat, ["ant", "a bee of a long name"], preprocessing)


def test_each_image_stands_above_its_heat():
    one, many = picture(1), picture(8, "Attention rollout", (3, 20, 40))
    assert one.ndim == many.ndim == 3 and many.shape[1] > one.shape[1]
    greys = one.max(axis=2).astype(int) - one.min(axis=2)
    warm_rows = (greys > 60).sum(axis=1) > 30
    assert warm_rows.any() and warm_rows.nonzero()[0].min() > len(one) / 3


@pytest.mark.parametrize("stage", ["test", "val"])
def test_a_test_writes_a_picture(tmp_path: Path, stage: str) -> None:
    trainer = tiny_trainer(tmp_path, callbacks=[Explanations(tmp_path / "report")])
    (trainer.test if stage == "test" else trainer.validate)(TinyTask(), TinyData(), verbose=False)
    assert (tmp_path / "report" / "explanations.png").is_file()


def test_mistakes_come_first_and_then_images_that_are_right(tmp_path: Path, monkeypatch) -> None:
    seen: list[Judged] = []
    monkeypatch.setattr("zoo.callbacks.explanations.draw", lambda judged, *_: seen.extend(judged) or picture(1))
    trainer = tiny_trainer(tmp_path, callbacks=[Explanations(tmp_path, num_images=6)])
    torch.manual_seed(0)
    trainer.test(TinyTask(), TinyData(), verbose=False)
    wrong = [each.target != each.prediction for each in seen]
    assert 0 < len(seen) <= 6 and sum(wrong) <= 3 and wrong == sorted(wrong, reverse=True)
    confidence = [each.confidence for each, is_wrong in zip(seen, wrong, strict=True) if is_wrong]
    assert confidence == sorted(confidence, reverse=True)


def test_a_fit_shows_the_same_images_after_validations_1_2_and_4(tmp_path: Path) -> None:
    options = {"logger": TensorBoard(tmp_path), "max_epochs": 5, "callbacks": [Explanations(num_images=4)]}
    trainer = tiny_trainer(tmp_path, **options)
    trainer.fit(TinyTask(), TinyData())
    events = EventAccumulator(str(tmp_path / "tensorboard" / "val"), size_guidance={"images": 0})
    events.Reload()
    assert [event.step for event in events.Images("report/explanations")] == [3, 6, 12]


def test_a_model_that_has_no_places_is_left_out(tmp_path: Path) -> None:
    task = TinyTask()
    task.model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    tiny_trainer(tmp_path, callbacks=[Explanations(tmp_path)]).test(task, TinyData(), verbose=False)
    assert not (tmp_path / "explanations.png").exists()
