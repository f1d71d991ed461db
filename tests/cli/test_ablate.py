"""`python -m zoo ablate`: its options, its processes, and what it reports; the runs are made up."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from scipy import stats

from tests.cli.test_compare import SLOW, make_run
from zoo import signals
from zoo.cli import _ablation_runs
from zoo.cli._ablation_report import effects_of, report
from zoo.cli._ablation_runs import FULL, Variant, has_ended, train_all
from zoo.cli.ablate import main
from zoo.comparison.runs import find_runs
from zoo.comparison.statistics import paired
from zoo.errors import OptionError, RunError, StorageError

ROOT = Path(__file__).parents[2]
DIGITS = ["data=digits", "check=true"]
REMOVED = {FULL: [], "dropout": ["model.dropout=0"], "ema": ["callbacks.ema=null"]}
# In the place of train.py: does what the option `does` says, in the folder that it is given.
STUB = """
import json, os, pathlib, signal, sys, time
options = dict(option.split("=", 1) for option in sys.argv[1:])
folder = pathlib.Path(options["output_dir"])
def end(number, frame):
    (folder / "stopped").write_text(str(number))
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, end)
print("starts", flush=True)
does = options["does"]
if does == "waits":
    (folder / "waiting").touch()
    time.sleep(60)
if does.startswith("fails"):
    print("Traceback", "error: train/loss: it is nan; lower optimizer.lr", sep="\\n", file=sys.stderr)
    sys.exit(int(does[-1]))
for seed in json.loads(options["seeds"]):
    run = folder / f"seed_{seed}"
    run.mkdir(exist_ok=True)
    (run / "metrics.json").write_text('{"test/accuracy": 0.9}')
"""


@pytest.fixture
def variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "stub.py").write_text(STUB)
    monkeypatch.setattr(_ablation_runs, "_TRAIN", tmp_path / "stub.py")
    return lambda name, does: Variant(name, tmp_path / name, [f"does={does}"])


def ablate(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_is_on_is_chosen_and_the_plan_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = ablate(capsys, *DIGITS, "callbacks=ema")
    assert code == 0 and "3 seeds of 5 variants, 15 runs:" in said
    assert "without ema           callbacks.ema=null\n" in said and "without weight_decay  optimizer.weight" in said


def test_what_is_off_is_named_and_left(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = ablate(capsys, *DIGITS, "over=[ema,dropout]", "seeds=[0,7]")
    assert code == 0 and "ema: off in this run, there is nothing to take out\n" in said and "2 variants, 4 runs" in said


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["over=dropot"], "error: over: unknown regulariser dropot; did you mean dropout? (regularisers: activation_"),
        (["over=[ema]"], "error: over: ema: off in this run; what is on: dropout, weight_decay, augmentation"),
        (["model.droput=1"], "error: model.droput: unknown option; did you mean dropout?"),
        (["seeds=0"], "error: seeds: 0 is neither"),
        (["seeds=null"], "error: seeds: is null; set seeds=3"),
        (["resume=nowhere"], "error: resume: an ablation goes on by itself; repeat its command"),
    ],
)
def test_a_wrong_option_is_one_line(options: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = ablate(capsys, *DIGITS, *options)
    assert code == 2 and error.startswith(line) and error.count("\n") == 1


def test_other_options_in_the_same_directory_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "ablation.yaml").write_text("options: [data=digits, model.dropout=0.5]\nruns: {full: []}\n")
    code, _, error = ablate(capsys, "data=digits", "model.dropout=0.2", f"output_dir={tmp_path / 'a'}")
    assert code == 2 and "holds an ablation of other options (model.dropout=0.5); repeat its command" in error
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "config.yaml").touch()
    code, _, error = ablate(capsys, "data=digits", f"output_dir={tmp_path / 'b'}")
    assert code == 2 and "b holds something else; choose another directory" in error


def test_a_wrong_option_imports_no_torch() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "zoo", "ablate", "data=digits", "over=nothing"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 2 and "error: over: unknown regulariser nothing" in process.stderr
    assert not {"torch", "lightning"} & {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}


def test_what_has_ended_is_not_repeated(variant) -> None:
    variants = [variant(FULL, "trains"), variant("ema", "trains")]
    assert train_all(variants, [0, 1], again="") == {}
    assert all(has_ended(each.folder / f"seed_{seed}") for each in variants for seed in (0, 1))
    again = [Variant(each.name, each.folder, ["does=fails2"]) for each in variants]
    assert train_all(again, [0, 1], again="") == {}


def test_training_that_stops_without_a_regulariser_is_a_finding(variant) -> None:
    variants = [variant(FULL, "trains"), variant("ema", "fails3"), variant("dropout", "trains")]
    assert train_all(variants, [0], again="") == {"ema": "without_ema: train/loss: it is nan"}
    assert has_ended(variants[-1].folder / "seed_0")


@pytest.mark.parametrize(("does", "code", "kind"), [("fails2", 2, OptionError), ("fails4", 4, StorageError)])
def test_a_failure_ends_in_its_code_and_its_words(does: str, code: int, kind: type[RunError], variant) -> None:
    with pytest.raises(kind, match=r"^full: train/loss: it is nan; lower") as caught:
        train_all([variant(FULL, does)], [0], again="")
    assert caught.value.exit_code == code


def test_a_defect_names_the_log(variant, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"exit code 1; see .*full/console.log") as caught:
        train_all([variant(FULL, "fails1")], [0], again="")
    assert caught.value.exit_code == 1 and "Traceback" in (tmp_path / FULL / "console.log").read_text()


def test_a_signal_is_passed_on(variant, tmp_path: Path) -> None:
    def stop() -> None:
        while not (tmp_path / FULL / "waiting").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    with signals.watched():
        threading.Thread(target=stop).start()
        with pytest.raises(signals.StoppedBySignal) as caught:
            train_all([variant(FULL, "waits")], [0, 1], again="THE COMMAND")
    assert str(caught.value) == "stopped by SIGTERM after 0 of 2 runs; go on with:\n  THE COMMAND"
    assert (tmp_path / FULL / "stopped").read_text() == "15"


def test_differences_are_taken_seed_by_seed() -> None:
    full, other = (0.90, 0.95, 0.99), (0.88, 0.94, 0.97)
    difference, p_value = paired(full, other)
    assert difference.mean == pytest.approx(-0.05 / 3)
    assert p_value == pytest.approx(stats.ttest_rel(full, other).pvalue)
    assert paired([0.9, 0.8], [0.8, 0.7])[1] is None and paired([0.9], [0.8])[1] is None  # no spread, one pair
    better = effects_of({FULL: full, "dropout": other, "ema": full}, is_higher_better=True)
    assert list(better) == ["dropout", "ema"] and better["dropout"].gain > 0
    worse = effects_of({FULL: full, "dropout": other, "ema": full}, is_higher_better=False)
    assert list(worse) == ["ema", "dropout"] and worse["dropout"].gain < 0


def test_the_report_says_what_each_is_worth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accuracies = {"full": SLOW, "without_dropout": [each - 0.05 for each in (*SLOW[1:], 0.9)], "without_ema": SLOW}
    for folder, values in accuracies.items():
        for seed, accuracy in enumerate(values):
            make_run(tmp_path / folder / f"seed_{seed}", accuracy, seed=seed)
    report(tmp_path, REMOVED, range(5), failed={"mixup": "it is nan"}, options=["++data=x"], again="ablate data=x")
    said = capsys.readouterr().out
    assert "dropout improves test/accuracy by 0.05 ± " in said and "without mixup training stops: it is nan" in said
    assert "test/accuracy is the very same without ema." in said
    rows = list(csv.DictReader((tmp_path / "ablation.csv").read_text().splitlines()))
    assert [row["variant"] for row in rows] == ["full", "without dropout", "without ema"]
    assert float(rows[1]["test/accuracy difference"]) == pytest.approx(-0.05)
    assert (tmp_path / "ablation.png").read_bytes().startswith(b"\x89PNG") and len(find_runs([tmp_path])) == 15


@pytest.mark.slow
def test_an_ablation_of_real_runs_goes_on_where_it_was(tmp_path: Path) -> None:
    options = ["data=synthetic_images", "data.source.num_samples=200", "data.source.num_test_samples=50"]
    options += ["model=lenet", "model.dropout=0.2", "trainer=cpu", "trainer.max_epochs=1", "explanations=false"]
    command = [sys.executable, "-m", "zoo", "ablate", *options, "over=dropout", f"output_dir={tmp_path / 'a'}"]
    subprocess.run([*command, "seeds=1"], cwd=ROOT, check=True, capture_output=True)
    first = tmp_path / "a" / "full" / "seed_0" / "metrics.json"
    before = first.stat().st_mtime_ns
    said = subprocess.run([*command, "seeds=2"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "seeds 0,1: mean" in said and first.stat().st_mtime_ns == before
    runs = {path.parent: json.loads(path.read_text()) for path in tmp_path.glob("a/*/seed_1/metrics.json")}
    assert len(runs) == 2 and all("test/accuracy" in values for values in runs.values())
