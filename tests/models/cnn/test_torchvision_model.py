import pytest
import torch
from torch import nn
from torchvision import models

from zoo.models.cnn.torchvision_model import TorchvisionClassifier, _replace_first_convolution

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
    _replace_first_convolution(grey, 1, keep_weights=True)
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
