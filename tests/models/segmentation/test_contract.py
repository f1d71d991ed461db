"""What holds for every YAML file in configs/model whose class names the class of each pixel."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

CONFIGS = Path(__file__).parents[3] / "configs" / "model"
SHAPES = [(1, 48, 48), (3, 33, 50)]
NUM_CLASSES = 5
MODELS = sorted(path.stem for path in CONFIGS.glob("*.yaml") if "${data.num_mask_classes}" in path.read_text())

every_model = pytest.mark.parametrize("name", MODELS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))


def _build(name: str, shape: tuple[int, int, int], **overrides: Any) -> nn.Module:
    model = OmegaConf.merge(OmegaConf.load(CONFIGS / f"{name}.yaml"), overrides)
    facts = {"num_mask_classes": NUM_CLASSES, "in_channels": shape[0]}
    torch.manual_seed(0)
    return instantiate(OmegaConf.create({"data": facts, "model": model}).model, _convert_="all")


@cache
def _model(name: str, shape: tuple[int, int, int]) -> nn.Module:
    """Built once; no test may change it."""
    return _build(name, shape).eval()


def _images(shape: tuple[int, int, int]) -> Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))


@every_shape
@every_model
def test_it_gives_one_logit_per_class_and_pixel(name: str, shape: tuple[int, int, int]) -> None:
    assert _model(name, shape)(_images(shape)).shape == (2, NUM_CLASSES, *shape[1:])


@every_model
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    model = _build(name, SHAPES[0])
    outputs = model(_images(SHAPES[0]))
    targets = torch.randint(NUM_CLASSES, (2, *SHAPES[0][1:]), generator=torch.Generator().manual_seed(0))
    heads = outputs if outputs.ndim == 5 else [outputs]
    sum(nn.functional.cross_entropy(logits, targets) for logits in heads).backward()
    assert not [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]


@every_model
def test_in_evaluation_an_image_does_not_depend_on_its_batch(name: str) -> None:
    model, images = _model(name, SHAPES[0]), _images(SHAPES[0])
    assert torch.equal(model(images), model(images))
    torch.testing.assert_close(model(images)[:1], model(images[:1]), atol=1e-4, rtol=1e-4)


@every_model
def test_memory_in_channels_last_changes_no_logit(name: str) -> None:
    model, images = _model(name, SHAPES[1]), _images(SHAPES[1])
    laid_out = images.to(memory_format=torch.channels_last)
    torch.testing.assert_close(model(laid_out), model(images), atol=1e-4, rtol=1e-4)


@every_model
def test_a_saved_state_restores_the_logits(name: str) -> None:
    saved, restored = _model(name, SHAPES[0]), _build(name, SHAPES[0])
    with torch.random.fork_rng():
        for parameter in restored.parameters():
            nn.init.normal_(parameter)
    restored.load_state_dict(saved.state_dict())
    assert torch.equal(saved(_images(SHAPES[0])), restored.eval()(_images(SHAPES[0])))


@every_model
def test_layer_groups_hold_every_parameter_once_and_end_with_the_head(name: str) -> None:
    groups = _model(name, SHAPES[0]).layer_groups()
    grouped = [id(parameter) for group in groups for module in group for parameter in module.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in _model(name, SHAPES[0]).parameters())
    assert {parameter.shape[0] for module in groups[-1] for parameter in module.parameters()} == {NUM_CLASSES}
