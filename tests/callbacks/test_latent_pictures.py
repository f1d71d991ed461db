"""Pictures of the same noise as a generator learns, each where it means something."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from zoo.config.entry import compose
from zoo.run import train

RUN = ["trainer=cpu", "trainer.max_epochs=2", "trainer.limit_train_batches=4", "trainer.limit_val_batches=1"]
RUN += ["data.batch_size=16", "callbacks.model_graph=null", "callbacks.console=null", "data.eval_batch_size=16"]
IMAGES = [
    "data=digits",
    "task=adversarial",
    "metric.features=null",
    "model.generator.width=2",
    "model.discriminator.width=2",
]
POINTS = ["data=ring", "data.num_samples=64", "data.num_eval_samples=16"]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([*IMAGES, "model=dcgan_conditional"], {"samples": [4, 8], "interpolation": [4, 8], "classes": [4, 8]}),
        ([*IMAGES, "callbacks.latent_pictures.every_n_steps=3"], {"evolution": [3, 6], "interpolation": [4, 8]}),
        ([*POINTS, "callbacks.latent_pictures.every_n_steps=3"], {"samples": [4, 8], "evolution": [3, 6]}),
    ],
)
def test_pictures_are_shown_at_their_steps(options: list[str], shown: dict[str, list[int]], tmp_path: Path) -> None:
    train(compose([*options, *RUN, f"output_dir={tmp_path}"]))
    events = EventAccumulator(str(tmp_path / "tensorboard" / "val"), size_guidance={"images": 0}).Reload()
    found = {
        tag.removeprefix("report/"): [event.step for event in events.Images(tag)] for tag in events.Tags()["images"]
    }
    assert found == {"samples": [4, 8], **shown}
