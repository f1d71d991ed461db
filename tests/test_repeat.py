"""Several seeds of one run: each a run of its own, and what they give together."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.comparison.runs import find_runs
from zoo.comparison.statistics import summarized
from zoo.config.entry import compose
from zoo.config.many_seeds import seeds_of
from zoo.errors import OptionError
from zoo.repeat import train_seeds
from zoo.run import train

ROOT = Path(__file__).parent.parent
TINY = ["data=synthetic_images", "data.source.num_samples=200", "data.source.num_test_samples=50", "model=lenet"]
TINY += ["trainer=cpu", "trainer.max_epochs=1", "explanations=false"]


def read(directory: Path) -> dict:
    return json.loads((directory / "metrics.json").read_text())


@pytest.mark.parametrize(("given", "seeds"), [(None, []), (3, [4, 5, 6]), ([7, 0], [7, 0]), (1, [4])])
def test_a_number_counts_from_the_seed_on_and_a_list_names_them(given: object, seeds: list[int]) -> None:
    assert seeds_of({"seed": 4, "seeds": given}) == seeds


@pytest.mark.parametrize("given", [0, -1, 2.5, "many", True, [], [1, 1], [-1], ["a"], 5000, {"a": 1}])
def test_what_names_no_seeds_is_refused_in_words(given: object) -> None:
    with pytest.raises(OptionError, match="seeds"):
        seeds_of({"seed": 0, "seeds": given})


def test_a_wrong_option_imports_no_torch() -> None:
    command = [sys.executable, "-X", "importtime", "train.py", "seeds=[1,1]"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 2 and "error: seeds: [1, 1] names a seed twice" in process.stderr
    assert not {"torch", "lightning"} & {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}


def test_runs_of_several_seeds_are_those_of_each_alone_and_are_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    together, alone = tmp_path / "together", tmp_path / "alone"
    score = train_seeds(compose([*TINY, "seeds=2", f"output_dir={together}"]), [0, 1])
    train(compose([*TINY, "seed=1", f"output_dir={alone}"]))
    values, runs = read(together), [read(together / f"seed_{seed}") for seed in (0, 1)]
    assert runs[1]["test/loss"] == read(alone)["test/loss"] != runs[0]["test/loss"]
    found = summarized([run["test/accuracy"] for run in runs])
    assert (values["test/accuracy"], values["test/accuracy_interval_95"]) == (found.mean, found.interval)
    assert score == pytest.approx(sum(run["val/accuracy"] for run in runs) / 2)
    with (together / "seeds.csv").open() as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["0", "1"]
    assert find_runs([together]) == [together / "seed_0", together / "seed_1"]

    before = (together / "seed_1" / "metrics.json").stat().st_mtime_ns
    (together / "seed_0" / "metrics.json").unlink()  # as if it had been killed
    capsys.readouterr()
    train_seeds(compose([*TINY, "seeds=2", f"output_dir={together}", "resume=auto"]), [0, 1])
    assert "seed 1: has ended" in capsys.readouterr().out
    assert (together / "seed_1" / "metrics.json").stat().st_mtime_ns == before
    assert read(together)["test/accuracy"] == values["test/accuracy"]


@pytest.mark.slow
def test_runs_that_are_stopped_go_on_by_the_printed_command(tmp_path: Path) -> None:
    command = ["train.py", "data=digits", "model=mlp", "trainer.max_epochs=20", "seeds=2", f"output_dir={tmp_path}/run"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, text=True, **pipes) as process:
        while not (tmp_path / "run" / "seed_0" / "checkpoints" / "last.ckpt").exists():
            assert process.poll() is None
            time.sleep(0.1)
        process.terminate()
        _, said = process.communicate()
    assert process.returncode == 143 and "at seed 0, 1 of 2; go on with:" in said, said
    printed = said.splitlines()[-1].split()[1:]
    assert subprocess.run([sys.executable, *printed], cwd=ROOT, env=os.environ, capture_output=True).returncode == 0
    assert read(tmp_path / "run")["num_seeds"] == 2
