"""A linear probe on features that are computed once is the one that computes them in each epoch."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.faults.processes import TINY
from zoo.build import Run, build
from zoo.checkpoint import load_checkpoint
from zoo.config.entry import compose
from zoo.data.feature_data import FeatureData
from zoo.run import train

MODEL = ["model=resnet_cifar", "model.depth=8", "model.width=4", "trainer.max_epochs=2", "finetune=linear_probe"]
OPTIONS = [*(option for option in TINY if "model=" not in option and "hidden_sizes" not in option), *MODEL]


def run(directory: Path, *options: str) -> dict[str, Any]:
    train(compose([*OPTIONS, *options, f"output_dir={directory}"]))
    return load_checkpoint(directory / "checkpoints" / "best.ckpt", option="ckpt")


def test_weights_and_metrics_are_those_of_a_run_without_cached_features(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dropout = "model.dropout=0.3"
    cached = run(tmp_path / "cached", dropout)
    assert "features of train, computed once: 120x16" in capsys.readouterr().err
    plain = run(tmp_path / "plain", dropout, "finetune.cache_features=false")
    assert "computed once" not in capsys.readouterr().err
    assert cached["state_dict"].keys() == plain["state_dict"].keys()
    for name, value in plain["state_dict"].items():
        torch.testing.assert_close(cached["state_dict"][name], value, msg=name)


def test_augmented_images_are_computed_in_each_epoch(tmp_path: Path) -> None:
    def built(*options: str) -> Run:
        return build(compose([*OPTIONS, *options, f"output_dir={tmp_path / str(len(options))}"]), started=0.0)

    assert isinstance(built().training_data, FeatureData)
    augmented = built("data.augment.flip=0.5")
    assert augmented.training_data is augmented.data
