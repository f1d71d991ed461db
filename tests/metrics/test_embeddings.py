import torch

from zoo.metrics.embeddings import linear_accuracy, neighbour_accuracy


def clouds(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    return torch.eye(3)[labels] * 4 + torch.randn(count, 3, generator=draw), labels


def test_classes_apart_are_told_apart() -> None:
    train, test = clouds(90, 0), clouds(2000, 1)
    assert neighbour_accuracy(*train, *test) > 0.9
    assert linear_accuracy(*train, *test) > 0.9


def test_a_single_neighbour_knows_its_own_sample() -> None:
    train = clouds(30, 0)
    assert neighbour_accuracy(*train, *train, neighbours=1) == 1.0
