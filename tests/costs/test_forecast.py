"""The arithmetic of a forecast, and its units."""

import pytest

from zoo.costs.devices import peak_flops
from zoo.costs.forecast import Forecast, Length, Memory
from zoo.costs.units import duration, megabytes, short


@pytest.mark.parametrize(
    ("value", "text"),
    [(11_173_962, "11.2 M"), (999_700, "1.00 M"), (950, "950"), (4.758e6, "4.76 M"), (3.2e12, "3.20 T")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_units_are_those_that_people_read() -> None:
    assert short(2.5e9, "FLOP") == "2.50 GFLOP"
    assert megabytes(34.5 * 2**20) == "34.5 MB" and megabytes(2**31) == "2.00 GB"
    assert [duration(seconds) for seconds in (0.034, 0.42, 12.3, 270, 11520)] == [
        *("34 ms", "0.42 s", "12.3 s", "4.5 min", "3.2 h")
    ]


def forecast(**more: float) -> Forecast:
    length = Length(batches=100, batch_size=50, epochs=10, validations=2)
    found = Forecast(1000, 600, length, Memory(weights=2**20), forward=100.0, backward=300.0, seconds_per_batch=0.1)
    for name, value in more.items():
        setattr(found, name, value)
    return found


def test_an_epoch_is_its_batches_and_its_validations() -> None:
    found = forecast(seconds_per_validation=1.0, watts=300.0)
    assert found.seconds_per_epoch == pytest.approx(12)
    assert found.seconds_in_all == pytest.approx(120)
    assert found.energy == pytest.approx(120 * 300 / 3600)
    assert (
        found.time_line() == "time: 12.0 s an epoch (2.00 s of it validation), 2.0 min for 10 epochs, 500 samples/s; "
        "energy: 10 Wh"
    )


def test_a_validation_is_guessed_from_the_share_of_the_forward_pass() -> None:
    found = forecast()
    found.guess_validation(1000)
    assert found.seconds_per_validation == pytest.approx(0.25 * 0.1 / 50 * 1000)


def test_what_is_not_known_is_not_said() -> None:
    found = Forecast(1000, 600, Length(float("inf"), 50, None), seconds_per_batch=0.1)
    assert found.size_line() == "1.00 K parameters (600 trained, 400 frozen)"
    assert found.time_line().endswith("the data have no end")
    assert found.plain()["seconds_per_epoch"] is None and found.plain()["flops_forward_per_sample"] is None


def test_the_peak_of_a_gpu_is_that_of_its_kind() -> None:
    assert peak_flops("NVIDIA H100 80GB HBM3", half=True, tensor_float=False) == 989e12
    assert peak_flops("NVIDIA H100 PCIe", half=True, tensor_float=False) == 756e12
    assert peak_flops("NVIDIA A100-SXM4-40GB", half=False, tensor_float=True) == 156e12
    assert peak_flops("Tesla T4", half=False, tensor_float=False) == 8.1e12
    assert peak_flops("Unheard-of 1", half=True, tensor_float=False) is None
