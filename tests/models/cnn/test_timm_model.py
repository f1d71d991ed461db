import sys

import pytest
import torch

from zoo.models.cnn.timm_model import TimmClassifier


@pytest.mark.parametrize(("name", "arguments"), [("resnet10t", {}), ("vit_tiny_patch16_224", {"img_size": 32})])
def test_it_takes_the_classes_and_channels_of_the_data(name: str, arguments: dict[str, int]) -> None:
    pytest.importorskip("timm")
    model = TimmClassifier(5, 1, name=name, arguments=arguments)
    assert model(torch.randn(2, 1, 32, 32)).shape == (2, 5)


def test_a_misspelt_name_is_refused_with_the_nearest_one() -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=r"unknown timm model 'resnt18'; did you mean resnet18\?"):
        TimmClassifier(5, 1, name="resnt18")


def test_an_unknown_argument_is_refused() -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=r"unexpected keyword argument 'drop'.*; correct the arguments"):
        TimmClassifier(5, 1, name="resnet10t", arguments={"drop": 0.5})


def test_without_timm_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)  # makes `import timm` fail
    with pytest.raises(ValueError, match="timm is not installed; run `make install EXTRAS=dev,timm`"):
        TimmClassifier(5, 1)


@pytest.mark.parametrize("argument", ["checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay"])
def test_weights_come_by_one_way_only(argument: str) -> None:
    with pytest.raises(ValueError, match="weights are not named in arguments; give pretrained="):
        TimmClassifier(5, 1, arguments={argument: {"file": "weights.pth"}})


@pytest.mark.parametrize("name", ["hf-hub:somebody/something", "local-dir:folder"])
def test_no_model_is_read_from_elsewhere(name: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match="unknown timm model"):
        TimmClassifier(5, 1, name=name)
