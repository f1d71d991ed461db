"""`python -m zoo list`: what there is, without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli.list import CONFIGS, main
from zoo.config.choices import GROUPS, Tree


def test_every_choice_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    words = set(capsys.readouterr().out.replace(",", " ").split())
    assert words >= {choice.name for group in GROUPS for choice in Tree(CONFIGS).of(group)}


def test_experiments_come_with_their_measured_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiments"]) == 0
    said = capsys.readouterr().out
    assert "digits_cnn  [data=digits model=convnet]" in said and "98.6 to 99.7 % test accuracy" in said


def test_what_goes_with_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "model", "tasks"]) == 0
    said = capsys.readouterr().out
    assert "digits  [task=classification model=convnet]" in said
    assert "lstm  [tasks: classification, forecasting" in said
    assert "goes with: data=digits" in said


def test_an_unknown_group_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modles"]) == 2
    assert capsys.readouterr().err.startswith("error: modles: unknown group; did you mean models? (groups: callbacks")


def test_a_reader_that_stops_is_no_error() -> None:
    command = f"{sys.executable} -m zoo list experiments | true"
    process = subprocess.run(["bash", "-c", command], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert not process.stderr


def test_neither_torch_nor_hydra_is_imported() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-X", "importtime", "-m", "zoo", "list", "experiments"]
    process = subprocess.run(command, cwd=root, capture_output=True, text=True)
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in process.stderr.splitlines()}
    assert process.returncode == 0 and not imported & {"torch", "lightning", "numpy", "hydra"}
