"""Every pair of networks that makes images trains, and what is kept of it makes the same images again."""

import json
from pathlib import Path

import pytest

from zoo.config.entry import compose
from zoo.run import evaluate, train

SMALL = ["data=synthetic_images", "task=adversarial", "data.source.num_samples=60", "data.source.num_test_samples=16"]
SMALL += ["data.image_size=8", "data.batch_size=16", "data.eval_batch_size=16", "trainer=cpu", "trainer.max_epochs=1"]
SMALL += ["model.generator.width=4", "model.discriminator.width=4", "logger.tensorboard=null"]
SMALL += ["callbacks.model_graph=null", "callbacks.console=null"]
ALL_OPTIONS = ["model.augment.color=true", "model.augment.translation=0.2", "model.augment.cutout=0.3"]
RECIPES = {
    "dcgan": ["model=dcgan_conditional", "model.discriminator.spectral=true"],
    "sngan": ["model=sngan_conditional", "model.generator.attention=4", "model.discriminator.minibatch_std=true"],
    "stylegan2": ["model=stylegan2", "task.criterion.r1=1", "model.generator.num_classes=10"],
}


@pytest.mark.parametrize("model", RECIPES)
def test_a_pair_trains_and_is_kept(model: str, tmp_path: Path) -> None:
    train(compose([*SMALL, *ALL_OPTIONS, *RECIPES[model], f"output_dir={tmp_path}"]))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["global_step"] == 3
    judged = evaluate(compose([f"ckpt={tmp_path}", "trainer.accelerator=cpu"], "evaluate"))
    for name in ("sliced_wasserstein", "discriminator_loss"):
        assert judged[f"test/{name}"] == pytest.approx(metrics[f"test/{name}"], abs=1e-5)
