"""What is wrong with a pair of networks is said with its figures, and only where it is wrong."""

import functools
import math
from typing import Any

import pytest
from omegaconf import OmegaConf

from zoo.config.entry import compose
from zoo.diagnosis.adversarial import Observation, diagnose
from zoo.diagnosis.verdict import Verdict

HEALTHY: dict[str, float] = {
    "distance": 0.1,
    "diversity": 1.0,
    "coverage": 1.0,
    "likeness": 1.0,
    "accuracy": 0.6,
    "real_score": 0.2,
    "fake_score": -0.2,
    "generator_loss": 0.8,
    "generator_gradient_norm": 1.0,
}
RING = ["data=ring", "optimizer.discriminator.lr=0.01"]
IMAGES = ["data=digits", "task=adversarial"]


@functools.cache
def composed(*overrides: str) -> Any:
    return OmegaConf.to_container(compose(overrides))  # which checks it


def verdicts(*overrides: str, length: int = 4, config: list[str] = RING, **figures: Any) -> list[Verdict]:
    """Diagnoses a run whose figures stay, or are lists by validation."""
    values = HEALTHY | figures
    history = [
        Observation(
            step=(number + 1) * 500,
            epoch=number + 1,
            **{name: value[number] if isinstance(value, list) else value for name, value in values.items()},
        )
        for number in range(length)
    ]
    return diagnose(history, composed(*config, *overrides))


def names(*overrides: str, **figures: Any) -> list[str]:
    return [verdict.name for verdict in verdicts(*overrides, **figures)]


@pytest.mark.parametrize(
    ("figures", "name", "figure"),
    [
        ({"diversity": 0.12}, "mode collapse", "0.12 times as diverse as real ones (limit 0.5)"),
        ({"coverage": 0.5}, "mode collapse", "come near 50% of the real ones (limit 60%), though 100% of them look"),
        (
            {"accuracy": 0.999},
            "discriminator saturation",
            "tells 99.9% of real and generated samples apart (limit 99%)",
        ),
        (
            {"accuracy": 0.95, "generator_gradient_norm": [5, 5, 0.01, 0.02], "generator_loss": [1, 2, 3, 4]},
            "discriminator saturation",
            "the norm of the generator's gradients is 0.02, 0.4% of the largest so far (limit 1%)",
        ),
        ({"real_score": [1, 20, 40, 80]}, "discriminator saturation", "scores drift away: 80 and -0.2, 40 more apart"),
        ({"accuracy": 0.95}, "generator stall", "stay at 0.8 and 0.1 within 1% for 3 validations, while 95.0%"),
        (
            {"accuracy": 0.5, "likeness": 0.0},
            "discriminator stall",
            "tells 50.0% of real and generated samples apart (limit 55%), though only 0% of these look real",
        ),
    ],
)
def test_each_alarm_tells_its_figures_and_overrides_that_the_run_has(
    figures: dict[str, Any], name: str, figure: str
) -> None:
    for config in (RING, IMAGES):
        found = {verdict.name: verdict for verdict in verdicts(config=config, **figures)}
        assert figure in found[name].finding
        assert found[name].remedies and (found[name].step, found[name].epoch) == (2000, 4)
        for remedy in found[name].remedies:
            assert composed(*config, *remedy.split())


@pytest.mark.parametrize(
    "figures",
    [
        {},
        {"distance": [0.4, 0.3, 0.2, 0.1], "diversity": 0.1, "accuracy": 1.0},  # samples still come nearer
        {"diversity": [1, 0.1, 1, 0.1]},  # not twice running
        {"coverage": 0.1, "likeness": 0.2},  # poor, but not of few modes
        {"accuracy": 0.95, "generator_loss": [1.0, 1.5, 2.0, 1.2]},
        {"accuracy": 0.5},  # at the end of a good run
        {"generator_gradient_norm": [5, 5, 0.01, 0.01]},  # the discriminator does not win
        {"real_score": [30, 30, 30, 30]},  # far apart, but not drifting
        dict.fromkeys(HEALTHY, math.nan),
    ],
)
def test_what_is_not_wrong_is_not_said(figures: dict[str, Any]) -> None:
    assert names(**figures) == []


def test_nothing_is_judged_while_it_warms_up() -> None:
    assert names(diversity=0.1, length=2) == []
    assert diagnose([Observation(step=5, epoch=1)] * 4, {}) == []


def test_remedies_follow_the_recipe() -> None:
    def remedies(*overrides: str, config: list[str] = RING, **figures: Any) -> tuple[str, ...]:
        return tuple(verdicts(*overrides, config=config, **figures)[0].remedies)

    few = {"diversity": 0.1}
    assert remedies(**few)[:2] == ("task.criterion.r1=0.02", "optimizer.discriminator.lr=0.0004")
    assert remedies("task.criterion.r1=0.02", **few)[0] == "task.criterion.r1=0.1"
    minimax = "task.criterion._target_=zoo.losses.adversarial.Minimax"
    assert remedies(minimax, **few)[0] == "task.criterion._target_=zoo.losses.adversarial.NonSaturating"
    assert remedies(config=IMAGES, **few)[0] == "task.criterion.r1=0.5 model.discriminator.norm=null"
    critic = ["task.criterion._target_=zoo.losses.adversarial.Wasserstein", "+task.criterion.gradient_penalty=0"]
    assert remedies(*critic, **few)[0] == "task.criterion.gradient_penalty=10"
    one_optimizer = ["data=ring", "optimizer=adam", "optimizer.lr=0.001"]
    assert remedies(config=one_optimizer, **few)[1] == "optimizer.lr=0.0005"
