"""DeepLabV3 of torchvision: the network itself, another number of classes and channels, both heads while training."""

from pathlib import Path

import pytest
import torch
from torchvision import models

from zoo.errors import OptionError
from zoo.models.pretrained import load_weights
from zoo.models.segmentation.deeplab import TorchvisionSegmentation

IMAGES = torch.randn(2, 3, 48, 40, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def published() -> torch.nn.Module:
    torch.manual_seed(0)
    return models.get_model("deeplabv3_mobilenet_v3_large", weights=None, weights_backbone=None, aux_loss=True).eval()


def test_a_file_of_published_weights_gives_the_published_logits(published, tmp_path: Path) -> None:
    torch.save(published.state_dict(), tmp_path / "weights.pth")
    model = TorchvisionSegmentation(21, 3, auxiliary=True).eval()
    load_weights(model, tmp_path / "weights.pth")
    with torch.no_grad():
        assert torch.equal(model(IMAGES), published(IMAGES)["out"])


def test_weights_that_torch_has_already_come_without_the_net(published, tmp_path: Path, monkeypatch) -> None:
    enum = models.get_model_weights("deeplabv3_mobilenet_v3_large")
    monkeypatch.setattr("zoo.models.pretrained.fetch", lambda _, path, **__: path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(type(enum.DEFAULT), "get_state_dict", lambda *_, **__: published.state_dict())
    model = TorchvisionSegmentation(21, 3, weights="DEFAULT").eval()
    with torch.no_grad():
        assert torch.equal(model(IMAGES), published(IMAGES)["out"])
    other = TorchvisionSegmentation(4, 1, weights="DEFAULT").eval()
    assert other(IMAGES[:, :1]).shape == (2, 4, 48, 40)


def test_while_training_an_auxiliary_head_gives_its_logits_too() -> None:
    model = TorchvisionSegmentation(4, 3, auxiliary=True)
    assert model.train()(IMAGES).shape == (2, 2, 4, 48, 40)
    assert model.eval()(IMAGES).shape == (2, 4, 48, 40)
    assert len(model.layer_groups()[-1]) == 2


def test_what_cannot_be_is_said_in_words() -> None:
    with pytest.raises(ValueError, match=r"deeplabv3_resnet5.*did you mean"):
        TorchvisionSegmentation(4, 3, name="deeplabv3_resnet5")
    with pytest.raises(ValueError, match="weights of torchvision deeplabv3_mobilenet_v3_large"):
        TorchvisionSegmentation(4, 3, weights="COCO")
    with pytest.raises(OptionError, match=r"data.batch_size: 1, but .*; set it to 2 or more"):
        TorchvisionSegmentation(4, 3).train()(IMAGES[:1])


def test_published_weights_say_what_images_were_to_them() -> None:
    for weights in (None, "DEFAULT", "IMAGENET1K_V1"):
        found = TorchvisionSegmentation.published_preprocessing(name="deeplabv3_resnet50", weights=weights)
        assert found == {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
