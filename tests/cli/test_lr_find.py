"""`python -m zoo lr-find`: learning rates tried on the first batches of a run."""

import csv
from pathlib import Path

import pytest

from zoo.__main__ import commands, main

DATA = ["data=synthetic_images", "data.source.num_samples=400", "model=lenet", "trainer=cpu"]


def lr_find(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, list[str]]:
    """Returns exit code, what was printed, and the lines of stderr."""
    with pytest.raises(SystemExit) as stop:
        main(["lr-find", *arguments])
    shown = capsys.readouterr()
    return int(stop.value.code or 0), shown.out, shown.err.splitlines()


def test_the_command_is_listed_under_its_name() -> None:
    assert "lr-find" in commands() and "lr_find" not in commands()


def test_it_finds_where_the_loss_falls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = lr_find(capsys, *DATA, f"output_dir={tmp_path}", "steps=60")
    assert code == 0
    suggested = float(shown.split("optimizer.lr=")[1])
    assert 1e-4 < suggested < 0.1
    assert f"python train.py {' '.join(DATA)} optimizer.lr=" in shown
    with (tmp_path / "lr_find.csv").open() as file:
        rows = [(float(row["lr"]), float(row["loss"])) for row in csv.DictReader(file)]
    rates, losses = zip(*rows, strict=True)
    assert rates[0] == pytest.approx(1e-7) and list(rates) == sorted(rates)
    assert min(losses) < 0.8 * losses[0]
    assert (tmp_path / "lr_find.png").stat().st_size > 5000
    assert not list(tmp_path.glob("checkpoints"))  # nothing of the steps is kept


def test_a_loss_that_explodes_ends_the_test_and_not_in_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["optimizer=sgd", "start=1e-3", "end=1e30", "steps=100"]
    code, shown, _ = lr_find(capsys, *DATA, *options, f"output_dir={tmp_path}")
    assert code == 0 and int(shown.partition(" steps")[0]) < 50


def test_gradients_that_are_accumulated_make_one_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [*DATA, "data.batch_size=8", "trainer.accumulate_grad_batches=4", "steps=12", f"output_dir={tmp_path}"]
    code, shown, _ = lr_find(capsys, *given, "end=1e-2", "start=1e-4")
    assert shown.startswith("12 steps from 0.0001 to 0.01") and code in (0, 2)


def test_it_starts_as_a_run_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [*DATA, "task.criterion.class_weights=balanced", "finetune=linear_probe", "steps=20"]
    code, _, errors = lr_find(capsys, *given, f"output_dir={tmp_path}", "start=1e-4")
    assert code == 0, errors  # the weights of classes were found, and the frozen layers said to be random
    assert "finetune: the layers that are frozen have random weights" in errors[0]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["start=0"], "error: start: 0 to 10 asked; give two above 0, the lower one first"),
        (["start=1", "end=0.1"], "error: start: 1 to 0.1 asked; give two above 0, the lower one first"),
        (["steps=3"], "error: steps: 3 asked; give a whole number from 10 on"),
        (["steps=many"], "error: steps: 'many' is no number; give one, such as 100"),
        (["data.batch_size=auto"], "error: data.batch_size: auto asked, and the best learning rate depends on it"),
        (["model=nothing"], "error: model=nothing: unknown choice"),
    ],
)
def test_a_wrong_option_is_one_line(options: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = lr_find(capsys, *options)
    assert code == 2 and len(errors) == 1 and errors[0].startswith(line)
