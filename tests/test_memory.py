"""What is left of memory, and how its end is told apart from other errors."""

import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.memory import (
    _left_by_groups,
    _status,
    available_memory,
    give_back_memory,
    is_out_of_memory,
    keep_freed_memory,
    limited_memory,
    peak_resident_memory,
    reset_peak_memory,
    resident_memory,
)

CPU = torch.device("cpu")
FRESH = multiprocessing.get_context("forkserver")


def in_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """Returns what a function gives in a fresh process, whose limits, peaks and heap are not those of the tests."""
    receiver, sender = FRESH.Pipe(duplex=False)
    child = FRESH.Process(target=answer, args=(sender, function, arguments))
    child.start()
    sender.close()
    result = receiver.recv()
    child.join()
    return result


def answer(sender: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)  # a second one would reserve 72 MB of addresses
    sender.send(function(*arguments))


def limit(number: int, line: str, room: int) -> None:
    most = (_status(line) or 0) + room
    resource.setrlimit(number, (most, most))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_every_kind_of_too_little_memory_is_known(error: Exception) -> None:
    assert is_out_of_memory(error)
    outer = ValueError("a batch failed")
    outer.__cause__ = error
    assert is_out_of_memory(outer)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error: device-side assert"), ValueError("out of memory"), OSError(28, "No space"), None],
)
def test_other_errors_are_not_of_memory(error: Exception | None) -> None:
    assert not is_out_of_memory(error)


LIMITS = [(resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")]


def fill_under_limit(number: int, line: str) -> tuple[int, int, bool]:
    limit(number, line, 300_000_000)
    left = available_memory(CPU)
    kept = torch.zeros(int(left * 0.9), dtype=torch.uint8)
    try:
        kept = torch.cat([kept, torch.zeros(int(left * 0.2), dtype=torch.uint8)])
    except RuntimeError as error:
        return left, available_memory(CPU), is_out_of_memory(error)
    return left, left, False


@pytest.mark.parametrize(("number", "line"), LIMITS)
def test_a_limit_of_the_process_bounds_what_is_available(number: int, line: str) -> None:
    left, rest, refused = in_child(fill_under_limit, number, line)
    assert left >= 290e6  # what the tests before it freed comes on top
    assert rest < 0.15 * left
    assert refused


def ask_for_more() -> list[bool]:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = available_memory(CPU) // 500_000_000 + 2
    kept: list[torch.Tensor] = []
    found = False
    with limited_memory(CPU):
        try:
            for _ in range(most):  # without touching it, so that a test that fails harms nobody
                kept.append(torch.empty(500_000_000, dtype=torch.uint8))
        except RuntimeError as error:
            found = is_out_of_memory(error)
    return [found, resource.getrlimit(resource.RLIMIT_DATA) == before]


def test_what_would_be_killed_becomes_an_error() -> None:
    assert in_child(ask_for_more) == [True, True]


def free_and_look() -> tuple[int, int]:
    keep_freed_memory()
    limit(resource.RLIMIT_AS, "VmSize", 500_000_000)
    before = available_memory(CPU)
    blocks = [torch.ones(10_000_000, dtype=torch.uint8) for _ in range(30)]
    top = torch.ones(1000)
    blocks.clear()
    return before, available_memory(CPU) + top.nbytes


def test_freed_memory_that_is_kept_counts_in_part() -> None:
    before, after = in_child(free_and_look)
    assert 0.6 * before < after <= 1.01 * before


def peaks_of_two() -> list[int]:
    peaks = []
    for size in (300_000_000, 100_000_000):
        give_back_memory()
        reset_peak_memory()
        start = peak_resident_memory() - resident_memory()
        torch.ones(size, dtype=torch.uint8)
        peaks += [start, peak_resident_memory() - resident_memory()]
    return peaks


def test_the_peak_is_counted_anew() -> None:
    nothing, large, nothing_again, small = in_child(peaks_of_two)
    assert max(nothing, nothing_again) < 20e6
    assert 280e6 < large < 350e6
    assert 80e6 < small < 150e6


def test_memory_is_no_more_than_the_machine_has() -> None:
    pages, size = resource.getpagesize(), int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert pages < available_memory(CPU) < size
    assert pages < resident_memory() <= peak_resident_memory() < size
    assert reset_peak_memory()


def files(folder: Path, **contents: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_a_control_group_and_those_above_it_bound_what_is_available(tmp_path: Path) -> None:
    files(tmp_path / "proc" / "self", cgroup="0::/user/job\n")
    root = tmp_path / "cgroup"
    files(root / "user", memory__max="1000\n", memory__current="700\n", memory__stat="anon 1\ninactive_file 100\n")
    files(root / "user" / "job", memory__max="max\n", memory__high="900\n", memory__current="650\n", memory__stat="")
    assert sorted(_left_by_groups(tmp_path / "proc", root)) == [900 - 650, 1000 - 600]


def test_a_container_finds_its_group_at_the_top(tmp_path: Path) -> None:
    files(tmp_path / "proc" / "self", cgroup="11:cpu:/x\n4:memory:/docker/abc\n0::/\n")
    stat = "inactive_file 5\ntotal_inactive_file 50\n"
    group = {"memory__limit_in_bytes": "1000\n", "memory__usage_in_bytes": "300\n", "memory__stat": stat}
    files(tmp_path / "cgroup" / "memory", **group)
    assert list(_left_by_groups(tmp_path / "proc", tmp_path / "cgroup")) == [1000 - 250]


def test_without_groups_nothing_is_bound(tmp_path: Path) -> None:
    assert not list(_left_by_groups(tmp_path, tmp_path))
