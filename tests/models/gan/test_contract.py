"""What holds for every YAML file in configs/model that makes images, at every size."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor, nn

from zoo.models.gan.pair import GAN, generate

CONFIGS = Path(__file__).parents[3] / "configs"
MODELS = sorted(
    path.stem
    for path in (CONFIGS / "model").glob("*.yaml")
    if "_target_: zoo.models.gan." in (text := path.read_text()) and "num_features" not in text
)
SHAPES = [(1, 8), (1, 28), (3, 64)]
NUM_CLASSES = 3
every_model = pytest.mark.parametrize("name", MODELS)


def build(name: str, shape: tuple[int, int], *overrides: str) -> GAN:
    channels, side = shape
    facts = {"in_channels": channels, "image_size": side, "num_classes": NUM_CLASSES}
    data = [f"+data.{key}={value}" for key, value in facts.items()]
    data += [f"+data.mean={[0.25] * channels}", f"+data.std={[0.5] * channels}"]
    small = ["model.generator.width=4", "model.discriminator.width=4", *overrides]
    with initialize_config_dir(str(CONFIGS), version_base=None):
        cfg = compose(overrides=[f"+model={name}", *data, *small])
    torch.manual_seed(0)
    return instantiate(cfg.model, _convert_="all")


def sample(model: GAN, count: int = 4) -> tuple[Tensor, Tensor]:
    noise = torch.randn(count, model.latent_dim, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(count) % NUM_CLASSES
    torch.manual_seed(2)
    return generate(model.generator, noise, labels), labels


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
@every_model
def test_images_have_the_size_of_the_data_and_gradients_reach_every_parameter(
    name: str, shape: tuple[int, int]
) -> None:
    model = build(name, shape)
    images, labels = sample(model)
    assert images.shape == (4, shape[0], shape[1], shape[1])
    scores = model.score(images, labels)
    assert scores.shape == (4,)
    scores.square().sum().backward()
    assert not [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]


@every_model
def test_a_saved_state_restores_images_and_scores(name: str) -> None:
    saved = build(name, SHAPES[1])
    sample(saved)  # statistics of a batch
    restored = build(name, SHAPES[1])
    for parameter in restored.parameters():
        nn.init.normal_(parameter)
    restored.load_state_dict(saved.state_dict())
    images, labels = sample(saved.eval())
    assert torch.equal(images, sample(restored.eval())[0])
    assert torch.equal(saved.score(images, labels), restored.score(images, labels))


@every_model
def test_the_slope_at_an_image_can_be_differentiated(name: str) -> None:
    model = build(name, SHAPES[1])
    images, labels = sample(model)
    images = images.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(model.score(images, labels).sum(), images, create_graph=True)
    slope.square().sum().backward()
    assert any(value.grad is not None and value.grad.any() for value in model.discriminator.parameters())


@pytest.mark.parametrize("name", [name for name in MODELS if name.endswith("_conditional")])
def test_images_and_scores_depend_on_the_class(name: str) -> None:
    model = build(name, SHAPES[1])
    for parameter in model.parameters():  # so that norms tell classes apart, which they learn to
        nn.init.normal_(parameter, 0.0, 0.3)
    images, labels = sample(model.eval())
    noise = torch.randn(1, model.latent_dim).expand(2, -1)
    first, second = generate(model.generator, noise, torch.tensor([0, 1]))
    assert not torch.allclose(first, second)
    assert not torch.allclose(model.score(images, labels), model.score(images, (labels + 1) % NUM_CLASSES))


@pytest.mark.parametrize("side", [10, 256])
@pytest.mark.parametrize("name", [name for name in MODELS if not name.endswith("_conditional")])
def test_sizes_up_to_256_are_made(name: str, side: int) -> None:
    narrow = ["model.generator.width=1", "model.discriminator.width=1"]
    model = build(name, (1, side), *narrow)
    images, labels = sample(model, 2)
    assert images.shape == (2, 1, side, side)
    assert model.score(images, labels).shape == (2,)
