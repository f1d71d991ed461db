"""A typed task brings a model and a recipe of its own, whatever the data choose for theirs."""

from pathlib import Path

import pytest

from zoo.config.compose import CONFIG_DIR, compose
from zoo.config.task_choices import with_task_choices


def test_a_gan_learns_from_data_that_choose_a_classifier():
    config = compose(["data=digits", "task=adversarial"])
    assert config.model.generator._target_.endswith("DCGANGenerator")
    assert config.optimizer.discriminator.lr and config.data.augment is None


@pytest.mark.parametrize("typed", ["optimizer=adam", "data.augment.flip=0.5", "scheduler=cosine"])
def test_what_is_typed_stands(typed: str):
    added = with_task_choices(["task=adversarial", typed], [CONFIG_DIR])
    group = "data.augment" if "augment" in typed else typed.partition("=")[0]
    assert [override for override in added if override.startswith(group)] == [typed]


@pytest.mark.parametrize("overrides", [["data=digits"], ["task=classification"], ["experiment=x", "task=adversarial"]])
def test_nothing_is_added_otherwise(overrides: list[str]):
    assert with_task_choices(overrides, [CONFIG_DIR]) == overrides


def test_a_task_of_ones_own_may_bring_something_too(tmp_path: Path):
    (tmp_path / "task" / "_choices").mkdir(parents=True)
    (tmp_path / "task" / "_choices" / "mine.yaml").write_text("model: vit\n")
    assert with_task_choices(["task=mine"], [CONFIG_DIR, tmp_path]) == ["model=vit", "task=mine"]
