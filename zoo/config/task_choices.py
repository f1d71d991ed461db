"""A typed task may bring a model and a recipe of its own, where those that the data choose are for their own task.

Hydra lets the data's choice of a model win over that of a task, whatever was typed. So `task/_choices/NAME.yaml` says
which choices belong to `task=NAME`, and they are added to what is typed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from zoo.config.command_line import option_of


def with_task_choices(overrides: Sequence[str], directories: Sequence[Path]) -> list[str]:
    """Returns overrides with what the task that they name brings; an experiment, if named, has chosen already.

    Args:
        overrides: as typed.
        directories: where configs lie.
    """
    values = dict(map(option_of, overrides))
    if values.get("experiment", "null") != "null" or not (task := values.get("task")):
        return list(overrides)
    files = [directory / "task" / "_choices" / f"{task}.yaml" for directory in directories]
    choices: dict[str, Any] = next((yaml.safe_load(file.read_text()) for file in files if file.is_file()), {})
    added = {name: choice for name, choice in choices.items() if not any(_within(key, name) for key in values)}
    return [*(f"{name}={'null' if choice is None else choice}" for name, choice in added.items()), *overrides]


def _within(key: str, name: str) -> bool:
    return key == name or (key.startswith(f"{name}.") and "." in name)
