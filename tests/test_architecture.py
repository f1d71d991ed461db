"""Imports point down only, and what a wrong option must not wait for stays free of torch."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [
    {"__main__"},
    {"cli"},
    {"repeat"},
    {"run"},
    {"restore"},
    {"build"},
    {"weights", "judging", "export"},
    {"resume", "failure", "report"},
    {"tasks", "callbacks", "data"},
    {"models", "losses", "metrics", "optim", "diagnosis", "comparison", "costs"},
    {"layers"},
    {"checkpoint"},
    {"batch", "download", "errors", "files", "memory", "ranges", "seeds", "signals"},
]
LEVEL = {package: level for level, row in enumerate(ROWS) for package in row}
FILES = sorted((ROOT / "zoo").rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file}: relative import"
            yield from (f"zoo.{alias.name}" for alias in node.names) if node.module == "zoo" else [node.module]


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def room_of(file: Path) -> str:
    return file.relative_to(ROOT / "zoo").with_suffix("").parts[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_down_only(file: Path) -> None:
    own = room_of(file)
    for module in imports(file):
        top, other = module.split(".")[0], room(module)
        if top != "zoo" or other == own:
            continue
        if own == "config":
            assert other in {"ranges", "errors", "signals"}, f"config must stay free of torch, but imports {module}"
        elif other == "config":
            assert own in {"__main__", "repeat", "run", "restore", "cli", "build", "weights", "judging", "resume"}, (
                f"{module} is for entry points and build"
            )
        else:
            assert LEVEL[other] > LEVEL[own], f"{own} imports {module}, which does not lie below it"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_hydra_and_lightning_stay_where_they_belong(file: Path) -> None:
    own = room_of(file)
    tops = {module.split(".")[0] for module in imports(file)}
    if own not in {"config", "build", "weights", "judging", "resume", "restore", "repeat", "run", "cli"}:
        assert not tops & {"hydra", "omegaconf"}
    if own not in {"tasks", "callbacks", "data", "build", "failure", "run", "cli"}:
        assert "lightning" not in tops
    if own in {"comparison", "config", "diagnosis", "download", "ranges", "errors", "seeds", "signals"}:
        assert not tops & {"torch", "lightning", "numpy", "torchvision", "torchmetrics"}


def test_package_files_are_empty() -> None:
    full = [file for file in (ROOT / "zoo").rglob("__init__.py") if file.read_text().strip()]
    assert not full
