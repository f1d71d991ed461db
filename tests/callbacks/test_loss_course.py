"""The course of the loss: means of equal parts, few of them, the same after a resumption."""

import pytest
import torch

from zoo.callbacks.loss_course import LossCourse


@pytest.mark.parametrize("batches", [1, 7, 19, 20, 100, 1000])
def test_it_keeps_few_means_in_the_order_of_time(batches: int) -> None:
    course = LossCourse()
    for batch in range(batches):
        course.add(torch.tensor(float(batch)))
    means = course.take()
    assert min(batches, 10) <= len(means) < 20 and means == sorted(means)
    assert means[0] == pytest.approx((means[1] - means[0] - 1) / 2 if means[1:] else 0.0)
    assert course.take() == []


def test_it_goes_on_from_its_state_and_leaves_out_what_is_not_finite() -> None:
    one, two = LossCourse(), LossCourse()
    for batch in range(90):
        one.add(torch.tensor(float(batch)))
        if batch == 42:
            two.load(one.state())
        elif batch > 42:
            two.add(torch.tensor(float(batch)))
    one.add(torch.tensor(torch.nan))
    assert one.take() == two.take() != []
