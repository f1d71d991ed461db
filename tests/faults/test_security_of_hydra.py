"""Hydra builds objects from its own options as well, before a job starts: they run nothing either."""

from pathlib import Path

import pytest

HYDRA_OPTIONS = [
    "+hydra.callbacks.x={_target_: os.system, command: 'touch MARK'}",
    "+hydra.callbacks.x={_target_: noisy.Thing}",
    "+hydra.callbacks.x={_target_: torch.nn.Identity, part: {_target_: os.system, command: 'touch MARK'}}",
    "+hydra.callbacks.x={_target_: '${name}', command: 'touch MARK'}",
    "hydra.launcher._target_=noisy.Thing",
    "hydra.sweeper._target_=noisy.Thing",
    "+hydra.launcher.x={_target_: os.system, command: 'touch MARK'}",
    "hydra.job_logging={version: 1, handlers: {x: {'()': os.system, command: 'touch MARK'}}}",
    "hydra.job_logging={version: 1, handlers: {x: {class: noisy.Thing}}}",
    "hydra.job_logging={version: 1, handlers: {x: {class: logging.StreamHandler, stream: 'ext://noisy.Thing'}}}",
    "hydra.job_logging={version: 1, handlers: {x: {class: logging.FileHandler, filename: MARK, mode: w}}}",
    "hydra.hydra_logging={version: 1, formatters: {x: {'()': noisy.Thing}}}",
    "hydra.job_logging={version: 1, filters: {x: {'()': noisy.Thing}}}",
    "+hydra.job.env_set.GIT_EXTERNAL_DIFF='touch MARK'",
    "hydra.searchpath=['pkg://noisy']",
    "hydra.searchpath=['pkg\\://noisy']",
    "hydra.searchpath=['${name}']",
]


@pytest.mark.parametrize("option", HYDRA_OPTIONS)
@pytest.mark.parametrize("flags", [[], ["-m"]])
def test_hydras_own_options_run_nothing(start, mark: Path, option: str, flags: list[str]) -> None:
    option = option.replace("MARK", str(mark))
    code, errors = start("name: os.system\nnode: {_target_: torch.nn.Identity}", option, *flags)
    assert code == 2 and errors.startswith("error: hydra")
    assert not mark.exists()


@pytest.mark.parametrize("option", [option for option in HYDRA_OPTIONS if "job_logging" in option or "pkg" in option])
def test_hydras_help_runs_nothing(start, mark: Path, option: str) -> None:
    start("name: os.system\nnode: {_target_: torch.nn.Identity}", option.replace("MARK", str(mark)), "--hydra-help")
    assert not mark.exists()


def test_a_callback_of_hydra_runs_where_it_is_allowed(start, mark: Path) -> None:
    option = f"+hydra.callbacks.x={{_target_: sandbox.Toucher, path: {mark}}}"
    assert start("node: {_target_: torch.nn.Identity}", option, "allow=[sandbox]") == (0, "")
    assert mark.exists()


@pytest.mark.parametrize("key", ["hydra.verbose", "hydra.job.name", "+hydra.job_logging.x", "hydra/job_logging"])
def test_hydras_own_options_cannot_be_swept(start, key: str) -> None:
    code, errors = start("node: {_target_: torch.nn.Identity}", "-m", f"{key}=none,default")
    assert code == 2 and "cannot be swept" in errors


def test_the_parameters_of_the_sweeper_cannot_set_hydras_options(start, mark: Path) -> None:
    logging = f"{{handlers: {{x: {{'()': os.system, command: 'touch {mark}'}}}}}}"
    text = "sweeper: {params: {hydra.job_logging: LOGGING}}".replace("LOGGING", f'"{logging}"')
    code, errors = start("node: {_target_: torch.nn.Identity}", "-m", hydra=text)
    assert (code, errors.count("hydra.job_logging: cannot be swept")) == (2, 1), errors
    assert not mark.exists()
    text = "sweeper: {params: {seed: '1,2'}}"
    assert start("seed: 0\nnode: {_target_: torch.nn.Identity}", "-m", hydra=text)[0] == 0


def test_a_pickled_job_is_not_run_again(start, mark: Path) -> None:
    code, errors = start("node: {_target_: torch.nn.Identity}", "--experimental-rerun", str(mark.with_name("pickle")))
    assert code == 2 and "unknown flag" in errors
    assert not mark.exists()


def test_hydras_shipped_choices_stay_allowed(start) -> None:
    text = "seed: 0\nnode: {_target_: torch.nn.Identity}"
    assert start(text, "hydra/job_logging=default", "hydra/hydra_logging=default") == (0, "")
    assert start(text, "-m", "seed=1,2", "hydra/launcher=basic", "hydra/sweeper=basic")[0] == 0
