"""What holds for every YAML file in configs/model whose class finds objects."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

CONFIGS = Path(__file__).parents[3] / "configs" / "model"
MODELS = sorted(path.stem for path in CONFIGS.glob("*.yaml") if "zoo.models.detection" in path.read_text())
NUM_CLASSES, MOST = 3, 20
# Backbones that are smaller than the default ones.
SMALLER: dict[str, dict[str, Any]] = {name: {"backbone": "resnet18"} for name in ("fasterrcnn", "retinanet", "fcos")}
# Each level has its own head, of which only those learn that an object is matched to.
BY_LEVEL = {"ssdlite": ("network.head.", "network.backbone.extra.")}

SLOW = ("fasterrcnn", "fcos")  # the others go the same ways
every_model = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in MODELS]
)


def build(name: str, *, in_channels: int = 3, seed: int = 0, **overrides: Any) -> nn.Module:
    torch.manual_seed(seed)
    model = OmegaConf.merge(OmegaConf.load(CONFIGS / f"{name}.yaml"), SMALLER.get(name, {}), overrides)
    data = {"num_classes": NUM_CLASSES, "in_channels": in_channels, "image_size": [96, 128]}
    config = OmegaConf.create({"data": data, "task": {"max_detections": MOST}, "model": model})
    return instantiate(config.model, _convert_="all")


@cache
def model(name: str) -> nn.Module:
    """Built once; no test may change it."""
    return build(name).eval()


def images(in_channels: int = 3) -> Tensor:
    return torch.randn(4, in_channels, 96, 128, generator=torch.Generator().manual_seed(0))


def objects() -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, labels, and which are ignored, of four images: of all sizes, some, of which one is ignored, and none."""
    each = torch.tensor([[2.0, 2, 16, 16], [20, 2, 50, 32], [60, 30, 124, 94], [4, 4, 116, 92]])
    boxes = each.repeat(4, 1, 1)
    labels = torch.tensor([[0, 1, 2, 0], [1, -1, 2, -1], [-1, -1, -1, -1], [2, 0, 1, 1]])
    boxes[labels < 0] = 0
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[1, 2] = True
    return boxes, labels, ignored


@every_model
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    learner = build(name, in_channels=1)
    parts = learner.losses(learner(images(1)), *objects())
    assert all(part.ndim == 0 and part.isfinite() for part in parts.values())
    sum(parts.values()).backward()
    without = [key for key, value in learner.named_parameters() if value.grad is None or not value.grad.any()]
    assert not [key for key in without if not key.startswith(BY_LEVEL.get(name, ("none",)))]


@every_model
def test_images_without_objects_are_learned_from(name: str) -> None:
    boxes, labels, ignored = torch.zeros(4, 0, 4), torch.zeros(4, 0).long(), torch.zeros(4, 0).bool()
    learner = build(name)
    for none in (
        (boxes, labels, ignored),
        (torch.zeros(4, 1, 4), labels.new_full((4, 1), -1), ignored.new_zeros(4, 1)),
    ):
        parts = learner.losses(learner(images()), *none)
        assert all(part.isfinite() for part in parts.values())


@every_model
def test_in_evaluation_it_has_a_loss_and_equal_images_give_equal_detections(name: str) -> None:
    finder = model(name)
    with torch.no_grad():
        outputs = finder(images())
        assert all(part.isfinite() for part in finder.losses(outputs, *objects()).values())
        found, again = finder.detect(outputs), finder.detect(finder(images()))
    assert torch.equal(found, again)
    assert found.shape == (4, MOST, 6)


@every_model
def test_detections_come_best_first_and_are_filled_up(name: str) -> None:
    finder = build(name, score_threshold=0.0).eval()
    with torch.no_grad():
        found = finder.detect(finder(images()))
    scores, labels = found[..., 4], found[..., 5]
    assert (scores.diff(dim=1) <= 0).all()
    assert (labels[scores > 0] >= 0).all() and (labels < NUM_CLASSES).all()
    assert (labels[scores == 0] == -1).all()


@every_model
def test_a_saved_state_restores_the_detections(name: str) -> None:
    saved, restored = model(name), build(name, seed=1)
    restored.load_state_dict(saved.state_dict())
    with torch.no_grad():
        assert torch.equal(saved.detect(saved(images())), restored.eval().detect(restored(images())))


@every_model
def test_layer_groups_hold_every_parameter_once(name: str) -> None:
    finder = model(name)
    grouped = [id(parameter) for group in finder.layer_groups() for part in group for parameter in part.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in finder.parameters())


@every_model
def test_what_depends_on_the_classes_is_in_the_last_layer_group(name: str) -> None:
    def shapes(finder: nn.Module) -> dict[str, torch.Size]:
        *_, head = finder.layer_groups()
        of_head = {id(parameter) for part in head for parameter in part.parameters()}
        return {key: value.shape for key, value in finder.named_parameters() if id(value) not in of_head}

    assert shapes(model(name)) == shapes(build(name, num_classes=NUM_CLASSES + 2))
