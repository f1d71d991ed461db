"""Weights named by `pretrained=` bring along what images were to them, and what is wrong with them is one line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torchvision import models

from tests.data.images_on_disk import folder as photos_in
from tests.faults.processes import TINY
from zoo.build import Run, build
from zoo.config.entry import compose
from zoo.errors import OptionError
from zoo.models.mlp import MLP
from zoo.run import train

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos_in(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.save(models.squeezenet1_1().state_dict(), path)
    return path


def built(folder: Path, photos: Path, *options: str) -> Run:
    small = ["data=image_folder", f"data.root={photos}", "data.num_workers=0", "data.batch_size=4", "trainer=cpu"]
    squeezenet = ["model=torchvision", "model.name=squeezenet1_1"]
    return build(compose([*small, *squeezenet, *options, f"output_dir={folder / 'run'}"]), started=0.0)


def facts(run: Run, *names: str) -> list[Any]:
    return [run.record.config["data"][name] for name in names]


def test_a_plain_file_brings_the_preprocessing_of_the_default_weights(
    tmp_path: Path, photos: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = built(tmp_path, photos, f"pretrained={weights}", "data.min_crop=null")
    found = dict(zip(("mean", "std"), facts(run, "mean", "std"), strict=True))
    assert found == IMAGENET and facts(run, "image_size", "center_crop") == [224, 0.875]
    assert "kept their start values: network.classifier.1.weight, network.classifier.1.bias" in capsys.readouterr().out
    assert run.data.preprocessing()["center_crop"] == 0.875


def test_what_is_said_wins_over_the_weights(tmp_path: Path, photos: Path, weights: Path) -> None:
    options = ["data.image_size=32", "data.center_crop=1.0", "data.mean=[0.5,0.5,0.5]", "data.in_channels=3"]
    run = built(tmp_path, photos, f"pretrained={weights}", *options)
    assert facts(run, "image_size", "center_crop", "mean", "std") == [32, 1.0, [0.5] * 3, IMAGENET["std"]]


def test_grey_images_take_the_mean_over_colours(tmp_path: Path, photos: Path, weights: Path) -> None:
    run = built(tmp_path, photos, f"pretrained={weights}", "data.in_channels=1", "data.image_size=32")
    assert facts(run, "mean", "std") == [[pytest.approx(0.449)], [pytest.approx(0.226)]]


def test_without_weights_images_are_measured_and_small(tmp_path: Path, photos: Path) -> None:
    run = built(tmp_path, photos)
    assert facts(run, "image_size")[0] == 64 and facts(run, "mean")[0] != IMAGENET["mean"]


def test_a_checkpoint_of_ours_brings_its_preprocessing_and_a_run_from_it_goes_on(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    tiny = [*TINY, "callbacks.console=null"]
    known = ["data.mean=[0.1,0.2,0.3]", "data.std=[1,1,1]", "trainer.max_epochs=1"]
    train(compose([*tiny, *known, f"output_dir={first}"]))
    train(compose([*tiny, f"init_from={first}", "trainer.max_epochs=1", f"output_dir={second}"]))
    train(compose([*tiny, "resume=auto", "trainer.max_epochs=2", f"output_dir={second}"]))
    assert OmegaConf.load(second / "config.yaml").data.mean == [0.1, 0.2, 0.3]
    taken = build(compose([*tiny, f"pretrained={first}", f"output_dir={tmp_path / 'third'}"]), started=0.0)
    assert facts(taken, "mean", "std") == [[0.1, 0.2, 0.3], [1, 1, 1]]


def truncated(folder: Path, weights: Path) -> Path:
    path = folder / "cut.pth"
    path.write_bytes(weights.read_bytes()[:5000])
    return path


def pickled(folder: Path, weights: Path) -> Path:
    torch.save(MLP(2, 3, image_size=4), folder / "model.pth")
    return folder / "model.pth"


def of_another_network(folder: Path, weights: Path) -> Path:
    torch.save(models.alexnet().features.state_dict(), folder / "alexnet.pth")
    return folder / "alexnet.pth"


def not_there(folder: Path, weights: Path) -> Path:
    return folder / "nothing.pth"


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (truncated, "pretrained: weights {}: cannot be read (damaged or cut off"),
        (pickled, "pretrained: weights {}: cannot be read (it holds more than plain values and tensors"),
        (of_another_network, "pretrained: weights {}: 50 tensors missing in the file: network.features.0.weight"),
        (not_there, "pretrained: there is no file {}; correct the path"),
    ],
)
def test_weights_that_cannot_be_used_are_named_in_one_line(
    make: Any, line: str, tmp_path: Path, photos: Path, weights: Path
) -> None:
    path = make(tmp_path, weights)
    with pytest.raises(OptionError) as error:
        built(tmp_path, photos, f"pretrained={path}", "data.image_size=32")
    assert str(error.value).startswith(line.format(path)) and "\n" not in str(error.value)


def test_weights_out_of_reach_are_named_with_the_folder_to_put_them_in(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(
        models.SqueezeNet1_1_Weights.DEFAULT.value, "url", "http://127.0.0.1:1/squeezenet1_1-b8a52dc0.pth"
    )
    with pytest.raises(OptionError) as error:
        built(tmp_path, photos, "pretrained=DEFAULT", "data.image_size=32")
    assert str(error.value).endswith(f"; put squeezenet1_1-b8a52dc0.pth into {tmp_path}/hub/checkpoints")
