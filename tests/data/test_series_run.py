"""Runs on a series: trained on by a command of its own, judged from the checkpoint alone, and asked what comes next."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.data.series import header, rows, write
from zoo.__main__ import main
from zoo.config.entry import compose
from zoo.errors import RunError
from zoo.run import evaluate, train

LEVELS = [0.1, 0.5, 0.9]


def options(path: Path, directory: Path, *more: str) -> list[str]:
    return [
        "data=series_file",
        f"data.path={path}",
        "data.targets=[load,heat]",
        "data.covariates=[wind]",
        "data.lookback=48",
        "data.horizon=12",
        "trainer=cpu",
        "logger.tensorboard=null",
        f"output_dir={directory}",
        *more,
    ]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], list[str]]:
    """Returns the exit code and the lines of both outputs of a command."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    shown = capsys.readouterr()
    return code, shown.out.splitlines(), shown.err.splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("series")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A run on waves that a linear model can learn, with quantiles."""
    path = write(folder / "a.csv", rows(600))
    quantiles = f"task.quantiles={LEVELS}".replace(" ", "")
    train(compose(options(path, folder / "run", quantiles, "trainer.max_epochs=8", "optimizer.lr=0.02")))
    return folder / "run"


def test_a_series_is_learned_better_than_without_learning(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test/mase"] < 0.5
    assert {"test/mse", "test/mae", "test/smape", "test/crps", "test/coverage"} <= metrics.keys()
    baselines = {row["forecaster"]: row for row in read(run / "report" / "baselines.csv")}
    assert list(baselines) == ["model", "seasonal naive", "naive", "drift"]
    for name in ("mse", "mae", "mase", "smape"):
        assert float(baselines["model"][name]) == pytest.approx(metrics[f"test/{name}"], rel=1e-4)
    assert float(baselines["model"]["mse"]) < float(baselines["seasonal naive"]["mse"])
    assert "zoo.models.forecasting.nlinear.NLinear" in (run / "config.yaml").read_text()


def test_the_report_is_in_the_units_of_the_data_with_dates(run: Path) -> None:
    true = {row[0]: row for row in rows(600)}
    found = read(run / "report" / "forecasts.csv")
    assert len(found) == 10 * 12 * 2  # ten horizons fit into the test rows, and each row is forecast once
    for row in found:
        when = row["time"] + (":00" if " " in row["time"] else " 00:00:00")
        assert float(row["came"]) == pytest.approx(float(true[when][1 + (row["target"] == "heat")]), abs=0.01)
        assert float(row["q0.1"]) <= float(row["q0.5"]) <= float(row["q0.9"])
        assert row["q0.5"] == row["forecast"]
    errors = read(run / "report" / "errors_by_step.csv")
    assert [(row["step"], row["target"]) for row in errors[:3]] == [("1", "load"), ("1", "heat"), ("2", "load")]
    by_hand = np.mean([abs(float(row["came"]) - float(row["forecast"])) for row in found if row["target"] == "load"])
    listed = np.mean([float(row["mae_model"]) for row in errors if row["target"] == "load"])
    assert listed == pytest.approx(by_hand, rel=0.3)  # of all windows, and of every twelfth
    assert {path.name for path in (run / "report").glob("*.png")} == {"forecasts.png", "errors.png"}


def test_the_naive_baseline_is_that_of_the_rows_by_hand(run: Path) -> None:
    values = np.array([[float(cell) for cell in row[1:3]] for row in rows(600)])
    std = values[:420].std(0)
    first, horizon = 480, 12
    terms = [
        ((values[origin : origin + horizon] - values[origin - 1]) / std) ** 2
        for origin in range(first, 600 - horizon + 1)
    ]
    naive = next(row for row in read(run / "report" / "baselines.csv") if row["forecaster"] == "naive")
    assert float(naive["mse"]) == pytest.approx(np.mean(terms), rel=1e-3)


def test_evaluation_repeats_the_test_and_takes_other_files_as_a_whole(run: Path, tmp_path: Path) -> None:
    again = evaluate(compose([f"ckpt={run}", f"output_dir={tmp_path / 'own'}"], "evaluate"))
    tested = json.loads((run / "metrics.json").read_text())
    assert again["test/mse"] == pytest.approx(tested["test/mse"], rel=1e-5)
    other = write(tmp_path / "b.csv", rows(100))
    judged = evaluate(compose([f"ckpt={run}", f"data.path={other}", f"output_dir={tmp_path / 'other'}"], "evaluate"))
    assert judged["test/mase"] < 0.5
    assert len(read(tmp_path / "other" / "backtest.csv")) == -(-(100 - 60 + 1) // 12)


def test_more_rows_leave_the_test_where_it_was(run: Path, folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run, tmp_path / "run")
    before = (folder / "a.csv").read_text()
    try:
        write(folder / "a.csv", rows(700))
        again = evaluate(compose([f"ckpt={tmp_path / 'run'}", f"output_dir={tmp_path / 'own'}"], "evaluate"))
    finally:
        (folder / "a.csv").write_text(before)
    tested = json.loads((run / "metrics.json").read_text())
    assert again["test/mse"] == pytest.approx(tested["test/mse"], rel=1e-5)


def test_a_forecast_goes_on_from_the_last_row(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = rows(412)
    path = write(tmp_path / "b.csv", [[row[3], row[0], row[2], row[1]] for row in whole[300:400]])
    path.write_text("wind,date,heat,load\n" + path.read_text().partition("\n")[2])
    output = tmp_path / "next" / "c.csv"
    code, out, err = command(capsys, "forecast", f"ckpt={run}", f"input={path}", f"output={output}")
    assert (code, err) == (0, [])
    found = read(output)
    assert list(found[0]) == [
        "date",
        "load",
        "heat",
        *(f"{name}_q{level}" for name in ("load", "heat") for level in LEVELS),
    ]
    assert [row["date"] for row in found[:2]] == ["2020-01-17 16:00", "2020-01-17 17:00"]
    true = np.array([[float(cell) for cell in row[1:3]] for row in whole[400:]])
    said = np.array([[float(row["load"]), float(row["heat"])] for row in found])
    assert np.abs(said - true).mean() < 1.5
    assert output.with_suffix(".png").stat().st_size > 1000
    assert out[0].split()[:2] == ["date", "load"] and str(output) in out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": 40}, "40 rows, but the model sees the last 48"),
        ({"names": ["date", "load", "cold", "wind"]}, "has no column heat; its columns are date, load, cold, wind"),
        ({"gap": 51}, "row 53 column date has 2020-01-03 04:00 after 2020-01-03 02:00, where the step is 1 hour"),
        ({"cell": "x"}, "row 5 column load is text (x)"),
    ],
)
def test_a_forecast_that_cannot_be_made_is_one_line(
    change: dict[str, object], said: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = rows(int(change.get("rows", 100)))  # type: ignore[call-overload]
    if "gap" in change:
        del body[int(change["gap"])]  # type: ignore[call-overload]
    if "cell" in change:
        body[3][1] = str(change["cell"])
    path = write(tmp_path / "b.csv", body, names=change.get("names", header()))  # type: ignore[arg-type]
    code, _, err = command(capsys, "forecast", f"ckpt={run}", f"input={path}")
    assert code == 2 and len(err) == 1 and err[0].startswith("error: ") and said in err[0]


def test_rows_that_are_missing_are_filled_in_where_they_may_be(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = rows(100)
    del body[51]
    path = write(tmp_path / "b.csv", body)
    code, out, _ = command(capsys, "forecast", f"ckpt={run}", f"input={path}", "data.missing=last")
    assert code == 0 and str(run / "checkpoints" / "forecast" / "b.csv") in out


def test_a_back_test_has_a_row_for_each_origin(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = command(capsys, "backtest", f"ckpt={run}", "stride=24", f"output_dir={tmp_path / 'back'}")
    assert (code, err) == (0, [])
    found = read(tmp_path / "back" / "backtest.csv")
    assert [row["first_step"] for row in found[:2]] == ["2020-01-21", "2020-01-22"]
    assert len(found) == -(-(120 - 12 + 1) // 24)
    assert any(line.split()[:2] == ["first_step", "mse"] for line in out)
    assert any(line.startswith("seasonal naive") for line in out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["backtest", "stride=0"], "stride: 0 given"),
        (["forecast"], "input: needs a value"),
        (["backtest", "x=1"], "x: unknown"),
    ],
)
def test_wrong_options_of_the_commands_are_one_line(
    arguments: list[str], said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *rest = arguments
    code, _, err = command(capsys, name, f"ckpt={run}", *rest)
    assert code == 2 and said in err[-1]


def test_a_checkpoint_of_no_forecaster_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.faults.processes import TINY

    train(compose([*TINY, "trainer.max_epochs=1", f"output_dir={tmp_path / 'run'}"]))
    code, _, err = command(capsys, "forecast", f"ckpt={tmp_path / 'run'}", f"input={write(tmp_path / 'b.csv')}")
    assert code == 2 and "is no forecaster" in err[-1]


@pytest.mark.parametrize("name", ["ett_h1", "ett_h2", "ett_m1", "ett_m2", "co2", "series_file"])
def test_data_of_series_choose_task_and_model_by_themselves(name: str) -> None:
    config = compose([f"data={name}"])
    assert config.task._target_ == "zoo.tasks.forecasting.ForecastingTask"
    assert config.model._target_.startswith("zoo.models.forecasting.")


@pytest.mark.parametrize("model", ["lstm", "transformer", "tcn"])
def test_a_name_of_several_tasks_stands_for_a_forecaster(model: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    small = ["trainer=fast_dev_run", "data.batch_size=4", "task.quantiles=[0.1,0.5,0.9]"]
    train(compose(options(path, tmp_path / "run", f"model={model}", *small)))


def test_a_model_of_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError) as refused:
        compose(options(write(tmp_path / "a.csv"), tmp_path / "run", "model=convnet"))
    assert "model" in str(refused.value)


def test_a_forecaster_is_refused_where_there_is_no_series() -> None:
    with pytest.raises(RunError) as refused:
        compose(["data=digits", "model=patchtst"])
    assert "model" in str(refused.value)


def test_wrong_quantiles_are_one_line(tmp_path: Path) -> None:
    overrides = options(write(tmp_path / "a.csv"), tmp_path / "run", "task.quantiles=[0.1,0.9]")
    with pytest.raises(RunError, match=r"task: quantiles \[0\.1, 0\.9\]: must ascend .*; set them to"):
        train(compose(overrides))
