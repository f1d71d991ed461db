from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn
from torch.optim import Optimizer

from zoo.optim.muon import Muon
from zoo.optim.optimizers import build_optimizer, group_options, renew_options

CONFIGS = Path(__file__).parents[2] / "configs" / "optimizer"


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 16), nn.ReLU(), nn.Linear(16, 3)
    )


def train(model: nn.Module, optimizer: Optimizer, num_steps: int) -> list[float]:
    generator = torch.Generator().manual_seed(0)
    images, targets = torch.randn(32, 1, 8, 8, generator=generator), torch.arange(32) % 3
    losses = []
    for _ in range(num_steps):
        loss = nn.functional.cross_entropy(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


ONE_NETWORK = [path for path in sorted(CONFIGS.glob("*.yaml")) if path.stem != "two_adams"]


@pytest.mark.parametrize("path", ONE_NETWORK, ids=lambda path: path.stem)
def test_every_optimizer_config_lowers_the_loss(path: Path) -> None:
    model = small_model()
    optimizer = build_optimizer(instantiate(OmegaConf.load(path), _convert_="all"), model)
    losses = train(model, optimizer, 50)
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize(
    "factory", [partial(torch.optim.SGD, lr=0.1, momentum=0.9), partial(torch.optim.AdamW, lr=1e-2), Muon]
)
def test_a_resumed_optimizer_continues_bit_for_bit(factory: Callable[..., Optimizer], tmp_path: Path) -> None:
    model = small_model()
    optimizer = build_optimizer(factory, model)
    train(model, optimizer, 3)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "last.ckpt")
    expected = train(model, optimizer, 3)

    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    resumed_model = small_model()
    resumed_model.load_state_dict(state["model"])
    resumed = build_optimizer(factory, resumed_model)
    resumed.load_state_dict(state["optimizer"])
    assert train(resumed_model, resumed, 3) == expected
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), resumed_model.parameters(), strict=True))


@pytest.mark.parametrize("optimizer_class", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad])
def test_the_fused_kernel_gives_the_same_losses(optimizer_class: Callable[..., Optimizer]) -> None:
    losses = []
    for fused in (True, False):
        model = small_model()
        optimizer = build_optimizer(partial(optimizer_class, lr=1e-2), model, fused=fused)
        assert bool(optimizer.defaults["fused"]) is fused
        losses.append(train(model, optimizer, 10))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)  # another order of additions


def test_a_choice_of_the_user_wins_over_the_fused_kernel() -> None:
    optimizer = build_optimizer(partial(torch.optim.AdamW, foreach=True), small_model())
    assert not optimizer.defaults["fused"]


def test_complex_parameters_are_not_fused() -> None:
    model = small_model()
    model.register_parameter("spectrum", nn.Parameter(torch.zeros(4, dtype=torch.complex64)))
    assert not build_optimizer(torch.optim.AdamW, model).defaults["fused"]


def test_gradients_scaled_for_float16_can_be_clipped_before_a_fused_step() -> None:
    model = small_model()
    optimizer = build_optimizer(partial(torch.optim.SGD, lr=1.0), model)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    scaler.scale(model(torch.randn(4, 1, 8, 8)).square().mean()).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    scaler.step(optimizer)
    moved = [parameter.detach() - old for parameter, old in zip(model.parameters(), before, strict=True)]
    torch.testing.assert_close(torch.cat([change.flatten() for change in moved]).norm().item(), 0.1, rtol=1e-4, atol=0)


def test_weight_decay_falls_back_to_the_default_of_the_class() -> None:
    decay, no_decay = build_optimizer(torch.optim.AdamW, small_model()).param_groups
    assert (decay["weight_decay"], no_decay["weight_decay"]) == (0.01, 0.0)
    assert decay["param_names"] == ["0.weight", "4.weight", "6.weight"]


def test_an_optimizer_without_weight_decay_gets_one_group() -> None:
    optimizer = build_optimizer(torch.optim.LBFGS, small_model())
    assert [group["name"] for group in optimizer.param_groups] == ["all"]


def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="Flatten has no parameters"):
        build_optimizer(torch.optim.SGD, nn.Flatten())


def scheduled(lr: float, steps: int = 3, **options: float) -> tuple[Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """An optimizer some steps into a schedule that halves its learning rate at each."""
    optimizer = build_optimizer(partial(torch.optim.SGD, lr=lr, **options), small_model())
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    for _ in range(steps):
        optimizer.step()
        schedule.step()
    return optimizer, schedule


def resumed_with(lr: float, **options: float) -> tuple[Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The same at another learning rate, gone on from a checkpoint of one at 0.1."""
    before, old_schedule = scheduled(0.1, momentum=0.9)
    optimizer, schedule = scheduled(lr, 0, **options)
    wanted = group_options(optimizer)
    optimizer.load_state_dict(before.state_dict())
    schedule.load_state_dict(old_schedule.state_dict())
    renew_options(optimizer, schedule, wanted)
    return optimizer, schedule


def test_options_that_are_renewed_take_the_place_of_loaded_ones() -> None:
    optimizer, _ = resumed_with(0.1, momentum=0.5, weight_decay=0.3)
    assert [group["momentum"] for group in optimizer.param_groups] == [0.5, 0.5]
    assert {group["name"]: group["weight_decay"] for group in optimizer.param_groups} == {"decay": 0.3, "no_decay": 0.0}


@pytest.mark.parametrize("lr", [0.1, 0.4, 0.0])
def test_a_renewed_learning_rate_stands_where_its_schedule_does(lr: float) -> None:
    optimizer, schedule = resumed_with(lr)
    expected, own = scheduled(lr)
    for _ in range(3):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected.param_groups[0]["lr"])
        for stepped in (optimizer, expected):
            stepped.step()
        schedule.step()
        own.step()


def test_without_a_schedule_the_learning_rate_is_the_new_one() -> None:
    optimizer = build_optimizer(partial(torch.optim.SGD, lr=0.1), small_model())
    other = build_optimizer(partial(torch.optim.SGD, lr=0.7), small_model())
    wanted = group_options(other)
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["lr"] == 0.1
    renew_options(other, None, wanted)
    assert [group["lr"] for group in other.param_groups] == [0.7, 0.7]
    assert sum(len(group["params"]) for group in other.param_groups) == len(list(small_model().parameters()))
