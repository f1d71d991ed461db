"""`python -m zoo compare`, over small made-up runs."""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from scipy import stats

from zoo.cli.compare import main
from zoo.comparison.runs import Run, differing, read_run
from zoo.comparison.statistics import holm, summarized, verdict, welch

SLOW, FAST = (0.90, 0.91, 0.92, 0.91, 0.90), (0.95, 0.96, 0.97, 0.96, 0.95)


def make_run(folder: Path, accuracy: float, *, lr: float = 0.1, seed: int = 0, metric: str = "accuracy") -> Path:
    folder.mkdir(parents=True)
    config = {
        "model": {"_target_": "zoo.models.mlp.MLP", "dropout": 0.0},
        "task": {"monitor": f"val/{metric}", "seed": seed},
        "optimizer": {"lr": lr},
        "data": {"seed": seed, "mean": [0.1 * seed]},
        "callbacks": {"best": {"dirpath": str(folder)}},
        "seed": seed,
        "output_dir": str(folder),
    }
    values = {f"test/{metric}": accuracy, "status": "completed", "seconds_total": 10.0, "num_parameters": 1000}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.json").write_text(json.dumps(values))
    rows = "".join(f"{step},,{accuracy - 1 / step}\n{step},{1 / step},\n" for step in range(1, 5))
    (folder / "metrics.csv").write_text(f"step,train/loss,val/{metric}\n{rows}")
    return folder


def make_group(folder: Path, accuracies: Sequence[float], lr: float) -> list[str]:
    return [str(make_run(folder / f"{lr}_{seed}", each, lr=lr, seed=seed)) for seed, each in enumerate(accuracies)]


def compare(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_seeds_are_one_group_and_a_difference_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_group(tmp_path / "runs", SLOW, 0.1)
    make_group(tmp_path / "runs", FAST, 0.2)
    output = tmp_path / "out"
    code, said, _ = compare(capsys, str(tmp_path / "runs"), f"output={output}")
    assert code == 0
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "optimizer.lr 0.1 0.2" in lines and "seeds 0,1,2,3,4 0,1,2,3,4" in lines
    assert not any(line.startswith(("data.", "callbacks.", "output_dir")) for line in lines)
    assert any(line.startswith("B: difference +0.05: significant at 5 % (p = ") for line in lines)
    rows = list(csv.DictReader((output / "comparison.csv").read_text().splitlines()))
    assert [row["optimizer.lr"] for row in rows] == ["0.1", "0.2"]
    assert float(rows[0]["test/accuracy mean"]) == pytest.approx(0.908)
    assert len((output / "runs.csv").read_text().splitlines()) == 11
    assert (output / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_one_run_of_each_is_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [*make_group(tmp_path, [0.9], 0.1), *make_group(tmp_path, [0.95], 0.2)]
    code, said, _ = compare(capsys, *runs, f"output={tmp_path / 'out'}")
    assert code == 0 and "too few seeds for a test" in said and "such as seed=1" in said


def test_seeds_alone_give_an_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = compare(capsys, *make_group(tmp_path, SLOW, 0.1), f"output={tmp_path / 'out'}")
    assert code == 0 and "test/accuracy over 5 seeds: 0.908 ± 0.01, standard deviation 0.0084" in said


def test_a_seed_run_twice_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = make_group(tmp_path, SLOW[:2], 0.1)
    again = make_run(tmp_path / "again", SLOW[0])
    said = compare(capsys, *runs, str(again), f"output={tmp_path / 'out'}")[1]
    assert f"left out: {again}: the same options and seed as {runs[0]}" in said


def test_damaged_and_unfinished_runs_are_named_and_the_rest_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_group(tmp_path / "runs", SLOW, 0.1)
    killed, torn, stopped, bare = (make_run(tmp_path / "runs" / name, 0.5) for name in ("k", "t", "s", "b"))
    (killed / "metrics.json").unlink()
    (torn / "metrics.json").write_text('{"test/acc')
    (stopped / "metrics.json").write_text('{"status": "interrupted"}')
    (bare / "config.yaml").write_text("model: [\n")
    code, said, _ = compare(capsys, str(tmp_path / "runs"), f"output={tmp_path / 'out'}")
    assert code == 0 and "over 5 seeds" in said
    assert f"left out: {killed}: there is no metrics.json" in said
    assert f"left out: {torn}: metrics.json cannot be read" in said
    assert f"left out: {stopped}: its status is interrupted" in said
    assert f"left out: {bare}: config.yaml cannot be read" in said


def test_runs_without_a_common_metric_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = str(make_run(tmp_path / "a", 0.9)), str(make_run(tmp_path / "b", 0.9, metric="mse"))
    code, _, error = compare(capsys, *runs)
    assert code == 2 and error.startswith("error: compare: the runs have no metric in common (A: test/accuracy; B: ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "error: nowhere: there is no such folder; name the directory of a run\n"),
        (["outptu=x"], "error: outptu: unknown option; options: output=FOLDER\n"),
        (["output=x"], "error: compare: no folder of a run is named; name two or more, such as logs/*/*/*\n"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(capsys, *arguments)[::2] == (2, line)


def test_a_single_run_or_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = compare(capsys, str(tmp_path))
    assert code == 2 and error == f"error: {tmp_path}: there are no runs; name directories of runs that have ended\n"
    run = make_run(tmp_path / "a", 0.9)
    code, _, error = compare(capsys, str(run))
    assert code == 2 and error == f"error: {run}: the only run that can be compared; name two or more\n"


def test_figures_are_those_of_scipy() -> None:
    found = summarized(SLOW)
    assert found.std is not None and found.interval is not None
    low, high = stats.t.interval(0.95, 4, found.mean, stats.sem(SLOW))
    assert found.interval == pytest.approx((high - low) / 2)
    uneven = FAST[:3]
    assert welch(SLOW, uneven) == pytest.approx(stats.ttest_ind(SLOW, uneven, equal_var=False).pvalue)
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_no_spread_and_few_seeds_are_said_in_words() -> None:
    assert welch([0.9, 0.9], [0.8, 0.8]) is None and welch([0.9], [0.8, 0.7]) is None
    assert "no spread" in verdict([0.9, 0.9], [0.8, 0.8], None)
    assert "not significant" in verdict([1.0, 2.0], [2.0, 1.5], 0.8) and "only 2 seeds" in verdict([1, 2], [2, 3], 0.5)


def test_neither_torch_nor_lightning_is_imported(tmp_path: Path) -> None:
    runs = make_group(tmp_path, SLOW[:2], 0.1)
    command = [sys.executable, "-X", "importtime", "-m", "zoo", "compare", *runs, f"output={tmp_path / 'out'}"]
    process = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in process.stderr.splitlines()}
    assert process.returncode == 0 and not imported & {"torch", "lightning"}


def test_callbacks_that_but_show_make_no_other_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = make_group(tmp_path, SLOW, 0.1)
    with (Path(runs[0]) / "config.yaml").open("r+") as file:
        config = yaml.safe_load(file)
        config["callbacks"] |= {"graph": None, "doctor": {"_target_": "zoo.callbacks.doctor.Doctor", "examples": 4}}
        file.seek(0)
        file.write(yaml.safe_dump(config))
    code, said, _ = compare(capsys, *runs, f"output={tmp_path / 'out'}")
    assert code == 0 and "test/accuracy over 5 seeds" in said


def test_of_an_object_that_is_not_there_the_class_is_named() -> None:
    ema = {"callbacks.ema._target_": "lightning.X", "callbacks.ema.decay": 0.9, "callbacks.ema.avg._target_": "y"}
    groups = [[Run(Path(), options, 0, {})] for options in (ema | {"lr": 1}, {"callbacks.ema": None, "lr": 2})]
    assert differing(groups) == {"callbacks.ema._target_": ["lightning.X", "-"], "lr": [1, 2]}


def test_values_of_steps_and_of_epochs_are_not_mixed(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", 0.9)
    rows = "epoch,step,train/loss,train/score\n,1,0.9,0.5\n,2,0.8,0.4\n0,2,0.85,\n"
    (folder / "metrics.csv").write_text(rows)
    assert read_run(folder).curves == {"train/loss": {2: 0.85}, "train/score": {1: 0.5, 2: 0.4}}


def test_seeds_in_a_folder_of_their_own_are_called_by_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, accuracies, lr in (("slow", SLOW, 0.1), ("fast", FAST, 0.2)):
        for seed, accuracy in enumerate(accuracies):
            make_run(tmp_path / "runs" / name / f"seed_{seed}", accuracy, lr=lr, seed=seed)
    said = compare(capsys, str(tmp_path / "runs" / "slow"), str(tmp_path / "runs"), f"output={tmp_path / 'out'}")[1]
    assert ["folder", "slow", "fast"] in [line.split() for line in said.splitlines()]


def test_augmentation_makes_no_other_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [make_run(tmp_path / name, 0.9) for name in ("a", "b", "c")]
    for run, change in zip(runs, ({"augment": {"_target_": "x"}}, {"augment": None}, {"path": "x.csv"}), strict=True):
        config = yaml.safe_load((run / "config.yaml").read_text())
        config["data"] |= change
        (run / "config.yaml").write_text(yaml.safe_dump(config))
    output = f"output={tmp_path / 'out'}"
    assert "note: the data differ" not in compare(capsys, str(runs[0]), str(runs[1]), output)[1]
    assert "note: the data differ (data.path)" in compare(capsys, str(runs[0]), str(runs[2]), output)[1]
