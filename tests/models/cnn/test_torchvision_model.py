import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from zoo.models.cnn.torchvision_model import TorchvisionClassifier, replace_first_convolution

# One of each family that is quick to build; only shapes are computed.
FAMILIES = ["alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "maxvit_t"]
FAMILIES += ["mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_0"]
FAMILIES += ["swin_t", "swin_v2_t", "vgg11_bn", "vit_b_16"]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_takes_the_classes_and_channels_of_the_data(name: str) -> None:
    with torch.device("meta"):
        model = TorchvisionClassifier(5, 1, name=name)
        size = 299 if name == "inception_v3" else 224
        assert model(torch.empty(2, 1, size, size)).shape == (2, 5)  # a tensor while training, too


@pytest.mark.parametrize("name", FAMILIES)
def test_layer_groups_of_every_family_hold_every_parameter_once(name: str) -> None:
    with torch.device("meta"):
        model = TorchvisionClassifier(5, 1, name=name)
    groups = model.layer_groups()
    grouped = [id(parameter) for group in groups for module in group for parameter in module.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    assert len(groups) > 4
    assert {parameter.shape[0] for module in groups[-1] for parameter in module.parameters()} == {5}


def test_a_grey_image_gives_what_it_gave_in_three_colours() -> None:
    torch.manual_seed(0)
    colour, grey = models.resnet18().eval(), models.resnet18().eval()
    grey.load_state_dict(colour.state_dict())
    replace_first_convolution(grey, 1, keep_weights=True)
    images = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(grey(images), colour(images.expand(-1, 3, -1, -1)), atol=1e-4, rtol=1e-4)


def test_a_misspelt_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"unknown torchvision classifier 'resnet81'; did you mean resnet18\?"):
        TorchvisionClassifier(5, 3, name="resnet81")


def test_unknown_weights_are_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"unknown weights of torchvision resnet18 'IMAGENET'.*IMAGENET1K_V1, DEFAULT"):
        TorchvisionClassifier(5, 3, weights="IMAGENET")


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(ValueError, match="unexpected keyword argument 'drop'"):
        TorchvisionClassifier(5, 3, arguments={"drop": 0.5})


def test_arguments_reach_the_builder() -> None:
    model = TorchvisionClassifier(5, 3, name="mobilenet_v2", arguments={"dropout": 0.7})
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.7]


@pytest.mark.parametrize("argument", ["pretrained", "weights"])
def test_weights_come_by_one_way_only(argument: str) -> None:
    with pytest.raises(ValueError, match="weights are not named in arguments; give pretrained="):
        TorchvisionClassifier(5, 3, arguments={argument: True})


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torchvision's folder of weights, in which `squeezenet1_1` has those that are put there as "weights.pth"."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def _put(cache: Path, content: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.save(content, cache / "new")
    digest = hashlib.sha256((cache / "new").read_bytes()).hexdigest()
    path = (cache / "new").rename(cache / f"squeezenet1_1-{digest[:8]}.pth")
    weights = models.SqueezeNet1_1_Weights.DEFAULT.value
    monkeypatch.setattr(weights, "url", f"http://127.0.0.1:1/{path.name}")  # where nobody answers
    return path


def test_published_weights_in_the_cache_are_loaded(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = models.squeezenet1_1()
    _put(cache, source.state_dict(), monkeypatch)
    model = TorchvisionClassifier(5, 3, name="squeezenet1_1", weights="DEFAULT")
    assert torch.equal(model.network.features[0].weight, source.features[0].weight)


def test_published_weights_that_were_damaged_are_not_loaded(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _put(cache, models.squeezenet1_1().state_dict(), monkeypatch)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cannot be downloaded"):
        TorchvisionClassifier(5, 3, name="squeezenet1_1", weights="DEFAULT")
    assert [file.name for file in cache.iterdir()] == [path.name]


@pytest.mark.parametrize("variable", ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD"])
def test_code_in_published_weights_is_not_run(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    path = _put(cache, Touch(tmp_path / "mark"), monkeypatch)
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)  # tests before this one may have built something
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ValueError, match="hold more than tensors"):
        TorchvisionClassifier(5, 3, name="squeezenet1_1", weights="DEFAULT")
    assert not (tmp_path / "mark").exists() and os.environ[variable] == "1"
    monkeypatch.delenv(variable)
    torch.load(path, weights_only=False)  # as torchvision would
    assert (tmp_path / "mark").exists()
