"""Shapes are checked while the tests run, and every test computes on one thread."""

import jaxtyping
import pytest

import tests.typechecker  # noqa: F401  the hook finds it by its name

jaxtyping.install_import_hook(["zoo.layers", "zoo.models", "zoo.losses", "zoo.metrics"], "tests.typechecker.check")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
