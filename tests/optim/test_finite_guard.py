"""A step is refused where its losses or gradients are not finite, and nowhere else; the report says where and whose."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.errors import TrainingStopped
from zoo.optim.finite_guard import FiniteGuard, not_finite

BAD = [float("nan"), float("inf"), float("-inf")]


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def batch(*index: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(sum(index))
    return {"input": torch.rand(len(index), 4, generator=generator), "index": torch.tensor(index)}


def gradients_of(*tensors: Tensor) -> torch.optim.Optimizer:
    """An optimizer whose parameters have these gradients."""
    parameters = [nn.Parameter(torch.zeros(tensor.shape, dtype=tensor.dtype)) for tensor in tensors]
    for parameter, tensor in zip(parameters, tensors, strict=True):
        parameter.grad = tensor
    return torch.optim.SGD(parameters, lr=0.1)


def sparse(value: float, dtype: torch.dtype = torch.float32) -> Tensor:
    values = torch.tensor([1.0, 1.0, value], dtype=dtype)
    return torch.sparse_coo_tensor(torch.tensor([[0, 0, 4]]), values, (6,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64])
@pytest.mark.parametrize("value", BAD)
def test_one_bad_gradient_is_found_in_any_dtype(dtype: torch.dtype, value: float) -> None:
    good, bad = torch.full((5,), 2.0, dtype=dtype), torch.tensor([1.0, value], dtype=dtype)
    kept = good.clone()
    assert FiniteGuard().check(gradients_of(good, good.clone())) == ""
    assert torch.equal(good, kept)
    assert FiniteGuard().check(gradients_of(good, bad)) == "gradient"


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # torch says so of the first sparse tensor
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("value", BAD)
def test_sparse_gradients_are_looked_at_beside_dense_ones(dtype: torch.dtype, value: float) -> None:
    dense = torch.ones(3)
    assert FiniteGuard().check(gradients_of(dense, sparse(1.0, dtype))) == ""
    assert FiniteGuard().check(gradients_of(dense, sparse(value, dtype))) == "gradient"
    assert FiniteGuard().check(gradients_of(torch.tensor([value]), sparse(1.0, dtype))) == "gradient"


def test_gradients_of_several_dtypes_are_all_looked_at() -> None:
    good = [torch.ones(2, dtype=dtype) for dtype in (torch.float32, torch.bfloat16, torch.float64)]
    assert FiniteGuard().check(gradients_of(*good)) == ""
    for place in range(3):
        spoiled = [tensor.clone() for tensor in good]
        spoiled[place][0] = float("nan")
        assert FiniteGuard().check(gradients_of(*spoiled)) == "gradient"


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_large_numbers_are_finite() -> None:
    guard = FiniteGuard()
    for loss in (3e38, 3e38):
        guard.watch(model(), batch(0), 0)
        guard.add_loss(torch.tensor(loss))
    most = torch.full((4,), torch.finfo(torch.float32).max)
    huge = torch.full((4,), 1e300, dtype=torch.float64)
    assert guard.check(gradients_of(most, huge, sparse(3e38))) == ""


def test_without_gradients_there_is_nothing_to_refuse() -> None:
    optimizer = torch.optim.SGD(model().parameters(), lr=0.1)
    assert FiniteGuard().check(optimizer) == ""


@pytest.mark.parametrize("value", BAD)
def test_a_bad_loss_is_told_from_a_bad_gradient(value: float) -> None:
    guard = FiniteGuard()
    guard.add_loss(torch.tensor(1.0))
    guard.add_loss(torch.tensor(value))
    assert guard.check(gradients_of(torch.tensor([value]))) == "loss"


def test_a_window_that_was_well_is_forgotten() -> None:
    guard = FiniteGuard()
    guard.watch(model(), batch(7), 0)
    guard.add_loss(torch.tensor(1.0))
    assert guard.check(gradients_of(torch.ones(1))) == ""
    guard.watch(model(), batch(8), 1)
    guard.add_loss(torch.tensor(2.0))
    assert guard.check(gradients_of(torch.tensor([float("nan")]))) == "gradient"
    _, names = guard.report(model(), what="gradient", forward=lambda *_: None, name=str)
    assert names == ["8"]
    assert [float(loss) for loss in guard.history] == [1.0, 2.0]


def test_an_overflow_under_a_loss_scaler_is_no_failure_but_twenty_one_in_a_row_are() -> None:
    guard, bad = FiniteGuard(), gradients_of(torch.tensor([float("inf")]))
    found = [guard.check(bad, is_scaled=True) for _ in range(21)]
    assert found == [""] * 20 + ["gradient"]


def test_a_good_step_between_starts_the_count_anew() -> None:
    guard, bad, good = FiniteGuard(), gradients_of(torch.tensor([float("inf")])), gradients_of(torch.ones(1))
    for _ in range(3):
        assert {guard.check(bad, is_scaled=True) for _ in range(20)} == {""}
        assert guard.check(good, is_scaled=True) == ""


def test_a_bad_loss_is_a_failure_under_a_loss_scaler_too() -> None:
    guard = FiniteGuard()
    guard.add_loss(torch.tensor(float("nan")))
    assert guard.check(gradients_of(torch.ones(1)), is_scaled=True) == "loss"


def step(net: nn.Module, guard: FiniteGuard, optimizer: torch.optim.Optimizer, *batches: dict[str, Tensor]) -> str:
    """Computes a step as a task does, and takes it unless it is refused or left out."""
    for number, each in enumerate(batches):
        guard.watch(net, each, number)
        loss = net(each["input"]).square().mean()
        loss.backward()
        guard.add_loss(loss.detach())
    what = guard.check(optimizer)
    if not what or guard.action == "skip":
        if what:
            guard.skip(net, optimizer)
        optimizer.step()
        optimizer.zero_grad()
    return what


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_a_step_that_is_left_out_changes_neither_weights_nor_statistics(kind: Callable[..., Any]) -> None:
    net, guard = model(), FiniteGuard("skip")
    optimizer = kind(net.parameters(), lr=0.1, weight_decay=0.1)
    assert step(net, guard, optimizer, batch(1, 2)) == ""
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    spoiled = batch(3, 4)
    spoiled["input"][0] = float("nan")
    assert step(net, guard, optimizer, batch(5, 6), spoiled) == "loss"
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert guard.num_skipped == 1
    assert step(net, guard, optimizer, batch(7, 8)) == ""
    assert not all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_leaving_out_says_how_many_batches_and_has_a_limit() -> None:
    net, guard = model(), FiniteGuard("skip", max_skipped=2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for number in (0, 1, 2):
        guard.watch(net, batch(number), number)
    assert guard.skip(net, optimizer) == 3
    assert guard.skip(net, optimizer) == 0
    with pytest.raises(TrainingStopped, match=r"^task\.on_nonfinite: 3 steps were not finite .* task\.max_skipped"):
        guard.skip(net, optimizer)


def test_the_count_goes_through_a_checkpoint() -> None:
    first, second = FiniteGuard("skip"), FiniteGuard("skip")
    first.num_skipped = 3
    second.load(first.state())
    assert second.num_skipped == 3


def report(net: nn.Module, guard: FiniteGuard, what: str) -> tuple[str, list[str]]:
    return guard.report(net, what=what, forward=lambda _, each: net(each["input"]), name=lambda index: f"file{index}")


def refused(net: nn.Module, *batches: dict[str, Tensor]) -> tuple[str, list[str]]:
    guard = FiniteGuard()
    what = step(net, guard, torch.optim.SGD(net.parameters(), lr=0.1), *batches)
    return report(net, guard, what)


def test_the_samples_of_the_bad_batch_alone_are_named() -> None:
    spoiled = batch(3, 4)
    spoiled["input"][1] = float("inf")
    assert refused(model(), batch(1, 2), spoiled, batch(5, 6)) == ('the batch itself ("input")', ["file3", "file4"])


def test_the_first_layer_whose_output_is_bad_is_named() -> None:
    net = model()
    net[3].register_forward_pre_hook(lambda module, inputs: (inputs[0] * 1e38 * 1e38,))
    assert refused(net, batch(1, 2))[0] == "the output of 3 (Linear)"
    with torch.no_grad():
        net[0].weight[0, 0] = float("nan")
    assert refused(net, batch(1, 2))[0] == "the weights 0.weight"


def test_a_loss_that_spoils_itself_is_named() -> None:
    net, guard = model(), FiniteGuard()
    guard.watch(net, batch(1, 2), 0)
    guard.add_loss(torch.tensor(float("nan")))
    assert report(net, guard, "loss") == ("the loss itself", ["file1", "file2"])


def test_the_bad_gradient_nearest_to_the_loss_is_named() -> None:
    net, guard = model(), FiniteGuard()
    guard.watch(net, batch(1, 2), 0)
    for name in ("0.bias", "1.weight"):
        parameter = net.get_parameter(name)
        parameter.grad = torch.full_like(parameter, float("nan"))
    assert report(net, guard, "gradient")[0] == "the gradient of 1.weight"


def test_a_report_changes_nothing() -> None:
    net, guard = model(), FiniteGuard()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    guard.watch(net, batch(1, 2), 0)
    report(net, guard, "loss")
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("value", BAD)
def test_weights_and_statistics_that_are_bad_are_named(value: float) -> None:
    net = model()
    assert not_finite(net) == []
    net[1].running_var[2] = value
    assert not_finite(net) == ["1.running_var"]


def test_weights_whose_sum_is_too_large_for_their_dtype_are_finite() -> None:
    net = nn.Linear(1, 1)
    net.register_buffer("positions", torch.arange(2048, dtype=torch.float16))
    net.register_buffer("large", torch.full((4,), 3e38))
    net.register_buffer("precise", torch.full((4,), 1e300, dtype=torch.float64))
    net.register_buffer("wave", torch.full((4,), 1j))
    assert not_finite(net) == []
    net.wave[1] = complex(0, float("nan"))
    assert not_finite(net) == ["wave"]
