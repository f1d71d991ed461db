"""Samples of two splits: what is the same is found, in memory and in files; what cannot be told is not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from zoo.data.duplicates import duplicates


def held(values: list[list[int]]) -> Any:
    return SimpleNamespace(inputs=torch.tensor(values, dtype=torch.uint8))


def of_files(paths: list[Path]) -> Any:
    class Files:
        def __len__(self) -> int:
            return len(paths)

        def place(self, row: int) -> str:
            return str(paths[row])

    return SimpleNamespace(files=Files())


def test_equal_samples_in_memory_are_counted() -> None:
    loaders = {"train": held([[1, 2], [3, 4]]), "val": held([[1, 2], [1, 2], [9, 9]]), "test": held([[0, 0]])}
    assert duplicates(loaders) == ({"val": 2, "test": 0}, {"val": 3, "test": 1})


def test_files_are_compared_by_content_and_not_by_name_size_or_end(tmp_path: Path) -> None:
    contents = [b"a" * 5000, b"b" + b"a" * 4999, b"a" * 5000, b"c", b""]
    paths = [tmp_path / f"{number}.bin" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    loaders = {"train": of_files([paths[0], paths[4]]), "val": of_files(paths[1:4])}
    assert duplicates(loaders) == ({"val": 1}, {"val": 3})
    paths[2].unlink()
    assert duplicates(loaders) == ({}, {})


def test_other_loaders_are_not_looked_at() -> None:
    assert duplicates({"train": object(), "val": object()}) == ({}, {})
    assert duplicates({"train": of_files([Path("no file")]), "val": of_files([])}) == ({}, {})
