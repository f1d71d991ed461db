import pytest
from torch import nn

from zoo.layers.layer_groups import grouped
from zoo.models.cnn.resnet_cifar import ResNetCIFAR
from zoo.models.cnn.torchvision_model import TorchvisionClassifier
from zoo.models.transformer.vit import ViT


def test_every_parameter_is_in_one_group() -> None:
    for model in (ResNetCIFAR(5, 3, depth=8, width=4), ViT(5, embed_dim=8, num_layers=2)):
        names = [name for group in grouped(model) for name in group.parameters]
        assert sorted(names) == sorted(name for name, _ in model.named_parameters())


def test_a_dropout_in_no_group_belongs_to_the_layers_that_follow() -> None:
    model = ResNetCIFAR(5, 3, depth=8, width=4, dropout=0.5)
    assert model.dropout in grouped(model)[-1].modules
    wrapped = TorchvisionClassifier(5, 3, name="mobilenet_v2")
    assert wrapped.network.classifier[0] in grouped(wrapped)[-1].modules


def test_groups_are_named_by_their_first_module() -> None:
    names = [group.name for group in grouped(ResNetCIFAR(5, 3, depth=8, width=4))]
    assert names == ["stem", "stages.0", "stages.1", "stages.2", "head"]


def test_a_model_that_does_not_name_its_groups_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Sequential has no layer_groups\(\): nothing can be frozen"):
        grouped(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
