"""Shapes are checked while the tests run, every test computes on one thread, and none leaves its logging behind."""

import logging
from collections.abc import Iterator

import jaxtyping
import pytest

import tests.typechecker  # noqa: F401  the hook finds it by its name

jaxtyping.install_import_hook(["zoo.layers", "zoo.models", "zoo.losses", "zoo.metrics"], "tests.typechecker.check")

# The files that take longest; begun last, one of them would run alone at the end.
LONG = (
    "tests/test_command_line.py",
    "tests/test_runs.py",
    "tests/faults/test_storage.py",
    "tests/test_configs.py",
    "tests/faults/test_signals.py",
    "tests/faults/test_not_finite.py",
    "tests/faults/test_resume.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(LONG)))


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Puts back what a test of Hydra's logging has switched off for the tests after it."""
    root = logging.getLogger()
    handlers, level, disabled = root.handlers[:], root.level, root.manager.disable
    yield
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.disable(disabled)
    for logger in root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False
