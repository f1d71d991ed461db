"""The contract of a run, on real runs: what a command leaves behind, returns and says."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.quiet import QUIET
from zoo.checkpoint import load_checkpoint
from zoo.comparison.runs import read_run
from zoo.config.entry import compose
from zoo.errors import OptionError, RunError
from zoo.run import evaluate, fit, train

ROOT = Path(__file__).parent.parent
TINY = [
    "data=synthetic_images",
    "data.source.num_samples=400",
    "data.source.num_test_samples=100",
    "model=lenet",
    "trainer=cpu",
]
TINY += ["trainer.max_epochs=2", *QUIET]


def run_tiny(directory: Path, *overrides: str) -> dict[str, Any]:
    train(compose([*TINY, f"output_dir={directory}", *overrides]))
    return json.loads((directory / "metrics.json").read_text())


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The default job, as a user starts it."""
    directory = tmp_path_factory.mktemp("default") / "run"
    command = [sys.executable, "train.py", f"output_dir={directory}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # the other cores are other tests'
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment), directory


def test_the_default_job_reads_handwritten_digits(digits: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    process, directory = digits
    assert process.returncode == 0, process.stderr
    metrics = json.loads((directory / "metrics.json").read_text())
    assert metrics["test/accuracy"] >= 0.98
    assert metrics["status"] == "completed"


def test_the_console_ends_with_metrics_paths_and_next_commands(
    digits: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    process, directory = digits
    shown = process.stdout
    assert "test/accuracy" in shown
    assert shown.index("test/accuracy") < shown.index(str(directory)) < shown.index(f"evaluate.py ckpt={directory}")
    assert "tensorboard.main --logdir" in shown
    assert "Traceback" not in process.stderr and "Warning" not in process.stderr


def test_a_run_leaves_what_the_contract_names(digits: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, directory = digits
    for name in ("config.yaml", "checkpoints/best.ckpt", "checkpoints/last.ckpt", "metrics.json", "environment.json"):
        assert (directory / name).is_file(), name
    assert list(directory.glob("tensorboard/**/events.out.tfevents.*"))
    page, card = (directory / "report.html").read_text(), (directory / "model_card.md").read_text()
    for told in ("ConvNet on Digits", "test/accuracy", "95 % interval", "Confusion matrix", "python train.py seed=0"):
        assert told in page, told
    assert "http" not in page and "library_name: pytorch" in card
    metrics = json.loads((directory / "metrics.json").read_text())
    keys = "status epochs global_step num_parameters seconds_total seconds_to_first_step samples_per_second "
    keys += "peak_memory_mb device precision seed best_checkpoint output_dir"
    names = (
        "train/loss train/accuracy val/loss val/accuracy test/loss test/accuracy test/f1_macro test/calibration_error"
    )
    assert set(keys.split()) | set(names.split()) <= metrics.keys()
    environment = json.loads((directory / "environment.json").read_text())
    assert {"packages", "device", "data_fingerprint", "seed"} <= environment.keys()


def test_the_saved_config_holds_the_facts_found(digits: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    saved = (digits[1] / "config.yaml").read_text()
    assert "mean:\n  - 0.30" in saved  # of the digits' training split, scaled to 0..1
    assert "${" not in saved


def test_a_checkpoint_is_plain_values_and_tensors(digits: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    checkpoint = load_checkpoint(digits[1] / "checkpoints" / "best.ckpt", option="ckpt")
    assert checkpoint["zoo"]["class_names"] == [str(digit) for digit in range(10)]
    assert checkpoint["zoo"]["preprocessing"]["image_size"] == 8


def test_evaluation_needs_the_checkpoint_alone_and_repeats_the_test(
    digits: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    _, directory = digits
    moved = tmp_path / "elsewhere.ckpt"
    moved.write_bytes((directory / "checkpoints" / "best.ckpt").read_bytes())
    metrics = evaluate(compose([f"ckpt={moved}", "trainer.accelerator=cpu"], "evaluate"))
    tested = json.loads((directory / "metrics.json").read_text())
    for name in ("test/accuracy", "test/auroc", "test/nll"):
        assert metrics[name] == pytest.approx(tested[name], abs=1e-6)
    written = tmp_path / "evaluation"
    with (written / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    right = sum(row["target"] == row["prediction"] for row in rows)
    assert right / len(rows) == pytest.approx(metrics["test/accuracy"], abs=1e-6)
    for name in ("metrics.json", "confusion_matrix.png", "worst_mistakes.png", "per_class.csv"):
        assert (written / name).stat().st_size > 0


def test_evaluation_on_other_data_takes_the_checkpoints_preprocessing(
    digits: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    overrides = [f"ckpt={digits[1]}", "data=digits", "data.image_size=16", f"output_dir={tmp_path}"]
    metrics = evaluate(compose(overrides, "evaluate"))
    assert metrics["test/accuracy"] >= 0.98


def test_views_of_an_image_are_averaged_in_evaluation(
    digits: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    metrics = evaluate(compose([f"ckpt={digits[1]}", "tta=[shift]", f"output_dir={tmp_path}"], "evaluate"))
    tested = json.loads((digits[1] / "metrics.json").read_text())
    assert metrics["test/accuracy"] >= 0.9
    assert metrics["test/nll"] != pytest.approx(tested["test/nll"], abs=1e-6)


def test_classes_that_do_not_match_the_checkpoint_are_named(
    digits: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    with pytest.raises(Exception, match="are not among the checkpoint's"):
        evaluate(compose([f"ckpt={digits[1]}", "data=synthetic_images"], "evaluate"))


def test_two_runs_of_one_seed_are_equal_to_the_last_bit(tmp_path: Path) -> None:
    options = ["model.dropout=0.3", "data.augment.crop=2", "data.augment.mixup=0.2"]
    first = run_tiny(tmp_path / "first", *options)
    second = run_tiny(tmp_path / "second", *options)
    assert first["train/loss"].hex() == second["train/loss"].hex()
    assert first["val/loss"].hex() == second["val/loss"].hex()


def test_another_seed_gives_another_run_but_the_same_splits(tmp_path: Path) -> None:
    first = run_tiny(tmp_path / "first")
    second = run_tiny(tmp_path / "second", "seed=1")
    assert first["train/loss"] != second["train/loss"]
    read = [json.loads((tmp_path / name / "environment.json").read_text()) for name in ("first", "second")]
    assert read[0]["data_fingerprint"] == read[1]["data_fingerprint"]


def test_train_returns_the_best_monitored_metric(tmp_path: Path) -> None:
    score = train(compose([*TINY, f"output_dir={tmp_path}"]))
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    kept = next(state for name, state in best["callbacks"].items() if name.startswith("BestCheckpoint"))
    assert score == pytest.approx(float(kept["best_model_score"]))


def test_a_run_that_is_only_fitted_lies_open_with_its_curves(tmp_path: Path) -> None:
    run = fit(compose([*TINY, f"output_dir={tmp_path / 'a'}"]))
    assert run.task.global_step == run.trainer.global_step > 0
    read = read_run(run.output_dir)
    assert (read.values["status"], len(read.curves["val/accuracy"])) == ("completed", 2)
    assert not (run.output_dir / "report").exists()


def test_two_runs_started_at_once_do_not_share_a_directory(tmp_path: Path) -> None:
    options = [*TINY, f"paths.logs_dir={tmp_path}", "trainer=fast_dev_run"]
    train(compose(options))
    train(compose(options))
    assert len(list(tmp_path.glob("*/*/*/config.yaml"))) == 2


def test_a_directory_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    with pytest.raises(OptionError, match="resume=auto"):
        run_tiny(tmp_path)


def test_the_average_of_the_weights_is_what_is_kept_and_tested(tmp_path: Path) -> None:
    metrics = run_tiny(tmp_path, "callbacks=ema", "trainer.max_epochs=3")
    checkpoint = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    raw, averaged = checkpoint["current_model_state"], checkpoint["state_dict"]
    assert any(not torch.equal(raw[name], averaged[name]) for name in raw)
    evaluated = evaluate(compose([f"ckpt={tmp_path}"], "evaluate"))
    assert evaluated["test/loss"] == pytest.approx(metrics["test/loss"], abs=1e-6)


def test_early_stopping_ends_a_run_that_no_longer_improves(tmp_path: Path) -> None:
    metrics = run_tiny(
        tmp_path,
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=1",
        "optimizer.lr=0",
        "trainer.max_epochs=9",
    )
    assert metrics["status"] == "stopped"
    assert metrics["epochs"] < 9


def test_accumulated_batches_step_the_schedule_once(tmp_path: Path) -> None:
    metrics = run_tiny(tmp_path, "trainer.accumulate_grad_batches=2", "scheduler=linear", "scheduler.warmup=0")
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["lr_schedulers"][0]["last_epoch"] == metrics["global_step"]
    assert checkpoint["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(0, abs=1e-9)


def test_weights_of_a_run_start_another(tmp_path: Path) -> None:
    first = run_tiny(tmp_path / "first")
    second = run_tiny(tmp_path / "second", f"init_from={tmp_path / 'first'}", "optimizer.lr=0", "trainer.max_epochs=1")
    best = torch.load(first["best_checkpoint"], weights_only=True)["state_dict"]
    started = torch.load(second["best_checkpoint"], weights_only=True)["state_dict"]
    assert all(torch.equal(best[name], started[name]) for name in best)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    run_tiny(tmp_path / "first", "trainer.max_epochs=1")
    with pytest.raises(OptionError, match="init_from"):
        run_tiny(tmp_path / "second", "model=mlp", f"init_from={tmp_path / 'first'}")


def test_saves_within_an_epoch_come_beside_that_at_its_end(tmp_path: Path) -> None:
    metrics = run_tiny(tmp_path, "checkpoint.every_n_steps=4")
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == metrics["global_step"]
    assert metrics["global_step"] % 4


def test_a_run_goes_on_where_it_was_left(tmp_path: Path) -> None:
    whole = run_tiny(tmp_path / "whole", "scheduler=constant")
    run_tiny(tmp_path / "parts", "scheduler=constant", "trainer.max_epochs=1")
    parts = run_tiny(tmp_path / "parts", "scheduler=constant", "resume=auto")
    assert parts["train/loss"].hex() == whole["train/loss"].hex()
    assert parts["val/loss"].hex() == whole["val/loss"].hex()
    rows = [len((tmp_path / name / "metrics.csv").read_text().splitlines()) for name in ("whole", "parts")]
    assert rows[0] == rows[1]


def test_resuming_with_another_model_is_refused(tmp_path: Path) -> None:
    run_tiny(tmp_path, "trainer.max_epochs=1")
    with pytest.raises(
        OptionError, match=r"model\.dropout: 0\.0 in the checkpoint, but 0\.5 here; .*allow_changes=true"
    ):
        run_tiny(tmp_path, "resume=auto", "model.dropout=0.5")


@pytest.mark.parametrize("options", [["trainer.max_epochs=-1"], ["trainer.max_epochs=null"], ["trainer.max_epochs=50"]])
def test_a_run_can_be_as_long_as_its_steps(options: list[str], tmp_path: Path) -> None:
    metrics = run_tiny(tmp_path, *options, "trainer.max_steps=7")
    assert (metrics["global_step"], metrics["status"]) == (7, "completed")


def test_a_plateau_waits_for_the_next_validation(tmp_path: Path) -> None:
    options = ["scheduler=plateau", "trainer.check_val_every_n_epoch=2", "trainer.max_epochs=3"]
    assert run_tiny(tmp_path, *options)["epochs"] == 3


def test_validation_stands_for_a_test_split_that_is_not_there(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    for split, count in (("train", 20), ("val", 5)):
        for name, level in (("dark", 60), ("light", 190)):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = torch.randint(level - 50, level + 50, (12, 12, 3), generator=generator, dtype=torch.uint8)
                Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
    options = ["data=image_folder", f"data.root={tmp_path / 'photos'}", "data.num_workers=0", "data.image_size=12"]
    options += ["data.batch_size=8", "model=mlp", "trainer.max_epochs=3", f"output_dir={tmp_path / 'run'}"]
    train(compose(options))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["val/accuracy"] >= 0.9
    assert {"val/auroc", "val/calibration_error", "val/nll"} <= metrics.keys()
    assert not any(name.startswith("test/") for name in metrics)
    again = evaluate(compose([f"ckpt={tmp_path / 'run'}"], "evaluate"))
    assert again["val/nll"] == pytest.approx(metrics["val/nll"], abs=1e-6)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["split=train"], "there is no train split"),
        (["tta=rotate"], "tta: "),
        (["model.dropout=0.2"], "leave it"),
    ],
)
def test_what_evaluation_cannot_do_is_one_line(
    overrides: list[str], message: str, digits: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=message):
        evaluate(compose([f"ckpt={digits[1]}", f"output_dir={tmp_path}", *overrides], "evaluate"))


def test_one_batch_can_be_learned_by_heart(tmp_path: Path) -> None:
    metrics = run_tiny(tmp_path, "trainer=overfit_batch", "model=convnet", "trainer.max_epochs=60")
    assert metrics["train/accuracy"] == 1.0
    assert metrics["train/loss"] < 0.05


def test_bfloat16_trains(tmp_path: Path) -> None:
    assert run_tiny(tmp_path, "trainer.precision=bf16-mixed")["precision"] == "bf16-mixed"


def test_double_precision_trains(tmp_path: Path) -> None:
    assert (
        run_tiny(tmp_path, "trainer.precision=64", "data.augment.mixup=0.2", "trainer.max_epochs=1")["precision"]
        == "64-true"
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer=gpu"], "no GPU"),
        (["data.batch_size=5000"], "data.batch_size: 5000 asked, but only"),
        (["model=torchvision", "model.name=alexnet"], "too small"),
        (["ckpt=nowhere"], "unknown option"),
        (["init_from=nowhere"], "does not exist"),
        (["resume=auto"], "output_dir"),
        (["resume=nowhere"], "does not exist"),
        (["trainer.max_epochs=-1"], "never end"),
        (["task.criterion.class_weights=[1,2]"], "2 weights for 10 classes"),
        (["task.criterion.class_weights=balance"], "unknown choice balance; did you mean balanced"),
        (["optimizer=sgd", "optimizer.momentum=0"], "optimizer: Nesterov"),
        (["scheduler.warmup=5000"], "scheduler: "),
        (["model._target_=os.path.nothing"], "model"),
        (["data=image_folder", "data.root=nowhere"], "nowhere"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-",
)
def test_what_a_user_gets_wrong_is_one_line_before_the_first_step(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    if overrides == ["trainer=gpu"] and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(RunError, match=message):
        train(compose([*([] if "data=image_folder" in overrides else TINY), f"paths.logs_dir={tmp_path}", *overrides]))
    assert not list(tmp_path.rglob("*.ckpt"))


def test_balanced_class_weights_are_found_before_the_run(tmp_path: Path) -> None:
    rows = "".join(f"{number},{'odd' if number % 4 == 0 else 'even'}\n" for number in range(80))
    (tmp_path / "table.csv").write_text("value,label\n" + rows)
    options = ["data=table", f"data.path={tmp_path / 'table.csv'}", "data.target=label", "data.batch_size=8"]
    options += ["trainer.max_epochs=1", "task.criterion.class_weights=balanced", f"output_dir={tmp_path / 'run'}"]
    train(compose(options))
    config = load_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt", option="ckpt")["zoo"]["config"]
    even, odd = config["task"]["criterion"]["class_weights"]
    assert odd == pytest.approx(3 * even, rel=0.1) and odd + even == pytest.approx(8 / 3, rel=0.1)
