"""What holds for every YAML file in configs/model whose class classifies images."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from zoo.layers.activation import ACTIVATIONS

CONFIGS = Path(__file__).parents[2] / "configs" / "model"
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 48)]
NUM_CLASSES = 5
# Not two: batch norm of two 1x1 pixels is ±1 whatever comes in, so that no gradient passes.
BATCH_SIZE = 4


def _config(name: str, shape: tuple[int, int, int], **overrides: Any) -> DictConfig:
    channels, height, width = shape
    image_size = height if height == width else [height, width]
    facts = {"num_classes": NUM_CLASSES, "in_channels": channels, "image_size": image_size}
    model = OmegaConf.merge(OmegaConf.load(CONFIGS / f"{name}.yaml"), overrides)
    return OmegaConf.create({"data": facts, "model": model}).model


# The models of images need their channels, those of other data do not; these find objects, make images or name pixels.
OTHERS = "zoo.models.detection", "zoo.models.gan", "${data.num_mask_classes}"
MODELS = sorted(
    path.stem
    for path in CONFIGS.glob("*.yaml")
    if "${data.in_channels}" in (text := path.read_text()) and not any(other in text for other in OTHERS)
)
WITH_ACTIVATION = [name for name in MODELS if "activation" in OmegaConf.load(CONFIGS / f"{name}.yaml")]
# Transformers normalise each place by itself, and their norms have names of their own.
TRANSFORMERS = [name for name in MODELS if "num_heads" in OmegaConf.load(CONFIGS / f"{name}.yaml")]
WITH_NORM = [name for name in MODELS if "norm" in OmegaConf.load(CONFIGS / f"{name}.yaml") and name not in TRANSFORMERS]


def _build(name: str, shape: tuple[int, int, int], **overrides: Any) -> nn.Module:
    if name == "timm":
        pytest.importorskip("timm")
    torch.manual_seed(0)
    return instantiate(_config(name, shape, **overrides), _convert_="all")


@cache
def _model(name: str, shape: tuple[int, int, int]) -> nn.Module:
    """Built once; no test may change it."""
    return _build(name, shape).eval()


def _images(shape: tuple[int, int, int]) -> Tensor:
    return torch.randn(BATCH_SIZE, *shape, generator=torch.Generator().manual_seed(0))


every_model = pytest.mark.parametrize("name", MODELS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))


@every_shape
@every_model
def test_it_gives_one_logit_per_class(name: str, shape: tuple[int, int, int]) -> None:
    assert _model(name, shape)(_images(shape)).shape == (BATCH_SIZE, NUM_CLASSES)


@every_shape
@every_model
def test_a_gradient_reaches_every_parameter(name: str, shape: tuple[int, int, int]) -> None:
    model = _build(name, shape)
    nn.functional.cross_entropy(model(_images(shape)), torch.arange(BATCH_SIZE)).backward()
    without = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert not without


@every_model
def test_in_evaluation_equal_images_give_equal_logits(name: str) -> None:
    model, images = _model(name, SHAPES[1]), _images(SHAPES[1])
    assert torch.equal(model(images), model(images))


@every_model
def test_in_evaluation_an_image_does_not_depend_on_its_batch(name: str) -> None:
    model, images = _model(name, SHAPES[1]), _images(SHAPES[1])
    torch.testing.assert_close(model(images)[:1], model(images[:1]), atol=1e-4, rtol=1e-4)


@every_model
def test_a_saved_state_restores_the_logits(name: str) -> None:
    saved = _model(name, SHAPES[1])
    with torch.random.fork_rng():
        restored = _build(name, SHAPES[1])
        for parameter in restored.parameters():
            nn.init.normal_(parameter)
    restored.load_state_dict(saved.state_dict())
    images = _images(SHAPES[1])
    assert torch.equal(saved(images), restored.eval()(images))


@every_model
def test_memory_in_channels_last_changes_no_logit(name: str) -> None:
    model, images = _model(name, SHAPES[2]), _images(SHAPES[2])
    expected = model(images)
    torch.testing.assert_close(model(images.to(memory_format=torch.channels_last)), expected, atol=1e-4, rtol=1e-4)


@every_model
def test_layer_groups_hold_every_parameter_once(name: str) -> None:
    model = _model(name, SHAPES[1])
    grouped = [id(parameter) for group in model.layer_groups() for module in group for parameter in module.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())


@every_model
def test_the_last_layer_group_is_the_head(name: str) -> None:
    *_, head = _model(name, SHAPES[1]).layer_groups()
    biases = [parameter for module in head for parameter in module.parameters() if parameter.ndim == 1]
    assert [bias.shape for bias in biases] == [(NUM_CLASSES,)]


@pytest.mark.parametrize("name", WITH_ACTIVATION)
def test_the_activation_option_replaces_every_activation(name: str) -> None:
    model = _build(name, SHAPES[0], activation="torch.nn.Mish")
    kinds = {type(module) for module in model.modules()}
    assert nn.Mish in kinds
    assert not kinds & set(ACTIVATIONS.values())


@pytest.mark.parametrize("norm", ["batch", "layer", "group", None])
@pytest.mark.parametrize("name", WITH_NORM)
def test_every_norm_trains(name: str, norm: str | None) -> None:
    model = _build(name, SHAPES[0], norm=norm)
    model(_images(SHAPES[0])).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("init", ["kaiming", "xavier", "orthogonal"])
@pytest.mark.parametrize("name", ["mlp", "lenet", "convnet", "resnet_cifar", "convnext"])
def test_every_init_gives_finite_logits(name: str, init: str) -> None:
    assert _build(name, SHAPES[0], init=init)(_images(SHAPES[0])).isfinite().all()


@pytest.mark.parametrize("name", ["resnet_small", "resnet_cifar", "wide_resnet", "convnext"])
def test_drop_path_and_zero_residual_are_options_of_residual_models(name: str) -> None:
    model = _build(name, SHAPES[0], drop_path=0.5, init="zero_residual")
    rates = [module.p for module in model.modules() if type(module).__name__ == "DropPath"]
    assert rates[0] == 0
    assert rates[-1] == 0.5
    assert model(_images(SHAPES[0])).isfinite().all()


@pytest.mark.parametrize("name", WITH_ACTIVATION)
def test_dropout_changes_the_logits_of_training(name: str) -> None:
    model = _build(name, SHAPES[0], dropout=0.5, **({"norm": None} if name in WITH_NORM else {}))
    images = _images(SHAPES[0])
    assert not torch.equal(model(images), model(images))
