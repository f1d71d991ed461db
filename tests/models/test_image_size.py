"""Images that are too small are refused with a size that fits, and nothing is computed to find it."""

import pytest
import torch
from torch import nn

from zoo.models.image_size import check_image_size


class Halving(nn.Module):
    """Three poolings without padding: 8 pixels are the least."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.pool = nn.Sequential(*[nn.MaxPool2d(2) for _ in range(3)])
        self.register_buffer("mask", torch.ones(1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.norm(x)) * self.mask


def test_a_size_that_fits_passes_and_leaves_the_model_as_it_was() -> None:
    model = Halving().train()
    check_image_size(model, 1, [8, 20])
    assert model.training
    assert model.norm.num_batches_tracked == 0


def test_too_small_a_size_is_refused_with_one_that_fits() -> None:
    with pytest.raises(ValueError, match=r"images 4x20 are too small for it; set data.image_size=16"):
        check_image_size(Halving(), 1, [4, 20])


def test_what_no_size_mends_is_called_so() -> None:
    with pytest.raises(ValueError, match="do not go through it"):
        check_image_size(nn.Linear(3, 3), 1, 8)


def test_rows_of_a_table_go_through_what_takes_numbers_and_not_through_convolutions() -> None:
    check_image_size(nn.Linear(3, 2), 3, [])
    with pytest.raises(ValueError, match=r"rows of 3 numbers do not go through it \(.*\); set model=mlp"):
        check_image_size(nn.Conv2d(3, 4, 1), 3, [])


def test_waveforms_go_through_convolutions_in_time_and_not_through_those_of_images() -> None:
    check_image_size(nn.Conv1d(1, 2, 3), 1, [8000])
    with pytest.raises(
        ValueError, match=r"waveforms of 8000 samples do not go through it \(.*\); set data.features=mel"
    ):
        check_image_size(Halving(), 1, [8000])
