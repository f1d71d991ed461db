"""Adversarial losses are those of their papers, and their penalties those of gradients that are known."""

import math

import pytest
import torch
from torch import nn

from zoo.losses.adversarial import (
    AdversarialLoss,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
    squared_gradients,
)

REAL, FAKE = torch.tensor([2.0, -0.5]), torch.tensor([0.5, -3.0])


def sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("loss", "discriminator", "generator"),
    [
        (
            NonSaturating(),
            -mean([math.log(sigmoid(2)), math.log(sigmoid(-0.5))])
            - mean([math.log(1 - sigmoid(0.5)), math.log(1 - sigmoid(-3))]),
            -mean([math.log(sigmoid(0.5)), math.log(sigmoid(-3))]),
        ),
        (Minimax(), None, mean([math.log(1 - sigmoid(0.5)), math.log(1 - sigmoid(-3))])),
        (Hinge(), mean([0, 1.5]) + mean([1.5, 0]), 1.25),
        (LeastSquares(), (mean([1, 2.25]) + mean([0.25, 9])) / 2, mean([0.25, 16]) / 2),
        (Wasserstein(), -1.25 - 0.75, 1.25),
        (
            Relativistic(),
            -mean([math.log(sigmoid(1.5)), math.log(sigmoid(2.5))]),
            -mean([math.log(sigmoid(-1.5)), math.log(sigmoid(-2.5))]),
        ),
    ],
)
def test_a_loss_is_that_of_its_paper(loss: AdversarialLoss, discriminator: float | None, generator: float) -> None:
    if discriminator is not None:
        assert loss.discriminator(REAL, FAKE).item() == pytest.approx(discriminator, abs=1e-5)
    assert loss.generator(FAKE, REAL).item() == pytest.approx(generator, abs=1e-5)


def test_penalties_are_those_of_a_linear_score() -> None:
    network = nn.Linear(3, 1)
    slope = network.weight.square().sum()
    real, fake = torch.randn(4, 3), torch.randn(4, 3)

    def score(x: torch.Tensor) -> torch.Tensor:
        return network(x).flatten()

    torch.testing.assert_close(squared_gradients(score, real), slope.expand(4))
    found = Hinge(r1=2.0, r2=0.5).penalties(score, real, fake, step=0)
    torch.testing.assert_close(found, {"r1": slope, "r2": slope / 4})
    penalty = Wasserstein(gradient_penalty=10.0).penalties(score, real, fake, step=0)["gradient_penalty"]
    torch.testing.assert_close(penalty, 10 * (slope.sqrt() - 1) ** 2)
    penalty.backward()
    assert network.weight.grad is not None and network.weight.grad.any()


def test_a_lazy_penalty_comes_seldom_and_counts_for_all_batches() -> None:
    network = nn.Linear(2, 1)
    real = torch.randn(4, 2)
    lazy = NonSaturating(r1=1.0, penalty_every=16)
    found = [lazy.penalties(lambda x: network(x).flatten(), real, real, step=step) for step in range(32)]
    assert [number for number, penalties in enumerate(found) if penalties] == [0, 16]
    torch.testing.assert_close(found[16]["r1"], 8 * network.weight.square().sum())


def test_weights_are_clipped_where_that_is_asked_for() -> None:
    network = nn.Linear(8, 8)
    Wasserstein().constrain(network)
    assert network.weight.abs().max() > 0.01
    Wasserstein(clip=0.01, gradient_penalty=0.0).constrain(network)
    assert network.weight.abs().max() <= 0.01
