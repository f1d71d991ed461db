from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from zoo.optim import schedules

CONFIGS = Path(__file__).parents[2] / "configs" / "scheduler"
PER_STEP = sorted(path for path in CONFIGS.glob("*.yaml") if path.stem != "plateau")
TOTAL = 40


def two_groups() -> SGD:
    """An optimizer whose groups have learning rates of their own."""
    return SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.02)])


def from_config(path: Path) -> Callable[..., LRScheduler]:
    cfg = OmegaConf.create({"task": {"monitor_mode": "max"}, "scheduler": OmegaConf.load(path)})
    return instantiate(cfg.scheduler, _convert_="all")


def learning_rates(optimizer: SGD, schedule: LRScheduler, num_steps: int) -> list[list[float]]:
    rates = []
    for _ in range(num_steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return rates


def of(factory: Callable[[SGD], LRScheduler], num_steps: int = TOTAL) -> torch.Tensor:
    optimizer = two_groups()
    return torch.tensor(learning_rates(optimizer, factory(optimizer), num_steps), dtype=torch.float64)


def with_warmup(num_steps: int, factory: Callable[[SGD], LRScheduler]) -> Callable[[SGD], LRScheduler]:
    """The reference after torch's own warm-up."""

    def build(optimizer: SGD) -> LRScheduler:
        rise = LinearLR(optimizer, start_factor=1 / (num_steps + 1), total_iters=num_steps)
        return SequentialLR(optimizer, [rise, factory(optimizer)], milestones=[num_steps])

    return build


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (schedules.cosine, partial(CosineAnnealingLR, T_max=TOTAL)),
        (partial(schedules.linear, final=0.1), partial(LinearLR, start_factor=1.0, end_factor=0.1, total_iters=TOTAL)),
        (partial(schedules.step, milestones=[0.25, 0.5, 0.75], gamma=0.3), partial(StepLR, step_size=10, gamma=0.3)),
    ],
    ids=["cosine", "linear", "step"],
)
def test_a_schedule_equals_that_of_torch(
    ours: Callable[..., LRScheduler], theirs: Callable[[SGD], LRScheduler]
) -> None:
    torch.testing.assert_close(of(lambda o: ours(o, TOTAL)), of(theirs), rtol=1e-9, atol=1e-12)


def test_the_floor_of_a_cosine_is_a_fraction_of_each_group() -> None:
    ours = of(lambda o: schedules.cosine(o, TOTAL, final=0.1))
    theirs = of(partial(CosineAnnealingLR, T_max=TOTAL, eta_min=0.01))
    torch.testing.assert_close(ours[:, 0], theirs[:, 0], rtol=1e-9, atol=0)
    torch.testing.assert_close(ours[:, 1], 0.2 * ours[:, 0], rtol=1e-9, atol=0)


@pytest.mark.parametrize(("curve", "name"), [("cosine", "cos"), ("linear", "linear")])
def test_one_cycle_equals_that_of_torch(curve: str, name: str) -> None:
    ours = of(lambda o: schedules.one_cycle(o, TOTAL, warmup=0.25, start=0.1, final=0.001, curve=curve))
    options = {"total_steps": TOTAL, "pct_start": 0.25, "div_factor": 10, "final_div_factor": 100}
    theirs = of(
        lambda o: OneCycleLR(o, max_lr=[0.1, 0.02], anneal_strategy=name, cycle_momentum=False, **options), TOTAL - 1
    )
    torch.testing.assert_close(ours[:-1], theirs, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(ours[-1], torch.tensor([0.1, 0.02], dtype=torch.float64) * 0.001, rtol=1e-9, atol=0)


@pytest.mark.parametrize("warmup", [0.25, 10.0])
def test_a_warmup_by_fraction_or_by_steps_equals_that_of_torch(warmup: float) -> None:
    ours = of(lambda o: schedules.cosine(o, TOTAL, warmup=warmup))
    theirs = of(with_warmup(10, partial(CosineAnnealingLR, T_max=TOTAL - 10)))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("curve", "halfway"), [("linear", 0.5), ("sqrt", 1 - 0.5**0.5)])
def test_warmup_stable_decay_holds_and_then_falls(curve: str, halfway: float) -> None:
    factor = partial(schedules.warmup_stable_decay_factor, warmup_steps=4, decay_steps=10, final=0.0, curve=curve)
    assert [factor(step, TOTAL) for step in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert {factor(step, TOTAL) for step in range(4, 31)} == {1.0}
    assert factor(35, TOTAL) == pytest.approx(halfway)
    assert factor(40, TOTAL) == 0


@pytest.mark.parametrize("path", PER_STEP, ids=lambda path: path.stem)
@pytest.mark.parametrize("total_steps", [1, 2, 3, 100])
def test_every_schedule_starts_above_zero_and_stays_between_zero_and_one(path: Path, total_steps: int) -> None:
    rates = of(lambda o: from_config(path)(o, total_steps), total_steps + 5)[:, 0] / 0.1
    assert 0 < rates[0] <= 1
    assert (rates >= 0).all()
    assert (rates <= 1).all()


@pytest.mark.parametrize("path", PER_STEP, ids=lambda path: path.stem)
def test_a_resumed_schedule_continues_bit_for_bit(path: Path, tmp_path: Path) -> None:
    factory = from_config(path)
    optimizer = two_groups()
    schedule = factory(optimizer, TOTAL)
    learning_rates(optimizer, schedule, 13)
    torch.save({"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, tmp_path / "last.ckpt")
    expected = learning_rates(optimizer, schedule, 20)

    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    resumed_optimizer = two_groups()
    resumed = factory(resumed_optimizer, TOTAL)
    resumed_optimizer.load_state_dict(state["optimizer"])
    resumed.load_state_dict(state["schedule"])
    assert learning_rates(resumed_optimizer, resumed, 20) == expected


def test_a_prolonged_run_follows_the_longer_schedule_from_its_next_step() -> None:
    optimizer = two_groups()
    schedule = schedules.linear(optimizer, 10)
    learning_rates(optimizer, schedule, 10)
    prolonged_optimizer = two_groups()
    prolonged = schedules.linear(prolonged_optimizer, 20)
    prolonged_optimizer.load_state_dict(optimizer.state_dict())
    prolonged.load_state_dict(schedule.state_dict())
    rates = learning_rates(prolonged_optimizer, prolonged, 2)
    assert rates[1][0] == pytest.approx(0.1 * (1 - 11 / 20))


def test_plateau_drops_when_the_monitored_metric_stops_rising() -> None:
    optimizer = two_groups()
    schedule = from_config(CONFIGS / "plateau.yaml")(optimizer, TOTAL)
    assert isinstance(schedule, ReduceLROnPlateau)
    for accuracy in (0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6):
        schedule.step(accuracy)
    assert optimizer.param_groups[0]["lr"] == 0.1
    schedule.step(0.6)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


@pytest.mark.parametrize("path", PER_STEP, ids=lambda path: path.stem)
def test_a_run_without_steps_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="total_steps 0: a schedule needs at least 1 step"):
        from_config(path)(two_groups(), 0)


def test_a_warmup_longer_than_the_run_is_refused() -> None:
    with pytest.raises(ValueError, match="warmup 50: the run has 40 steps in all"):
        schedules.cosine(two_groups(), TOTAL, warmup=50.0)


def test_warmup_and_decay_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"warmup 0\.6 and decay 0\.5 take 44 steps of 40"):
        schedules.warmup_stable_decay(two_groups(), TOTAL, warmup=0.6, decay=0.5)


def test_a_milestone_outside_the_run_is_refused() -> None:
    with pytest.raises(ValueError, match="milestone 30: milestones are fractions of the run"):
        schedules.step(two_groups(), TOTAL, milestones=[0.5, 30])
