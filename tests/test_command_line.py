"""What the two commands say and how they exit, as real processes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["modle=mlp"], "error: modle: unknown option; did you mean model?"),
        (["+modle=mlp"], "error: modle: unknown option; did you mean model?"),
        (["model=lenett"], "error: model=lenett: unknown choice; did you mean lenet?"),
        (["optimizer.lr=abc"], "error: optimizer.lr: abc is text; must be a number"),
        (["trainer.max_epochs=2.5"], "error: trainer.max_epochs: 2.5"),
        (["data.batch_size=0"], "error: data.batch_size: 0 is out of range; must be an integer, at least 1"),
        (["model.dropout=1.5"], "error: model.dropout: 1.5 is out of range"),
    ],
)
def test_a_wrong_option_is_the_last_line_and_exits_with_2(arguments: list[str], message: str) -> None:
    process = run("-X", "importtime", "train.py", *arguments)
    assert process.returncode == 2
    last = [line for line in process.stderr.splitlines() if not line.startswith("import time:")][-1]
    assert last.startswith(message)
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in process.stderr.splitlines()}
    assert not imported & {"torch", "lightning"}
    assert "hydra" in imported


def test_check_alone_builds_nothing(tmp_path: Path) -> None:
    process = run("train.py", "check=true", f"output_dir={tmp_path / 'run'}")
    assert process.returncode == 0
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_bad_data_exits_with_2_and_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    process = run("train.py", "data=image_folder", f"data.root={tmp_path}", f"paths.logs_dir={tmp_path / 'logs'}")
    assert process.returncode == 2
    last = process.stderr.splitlines()[-1]
    assert last.startswith("error: ") and str(tmp_path) in last
    assert "Traceback" not in process.stderr


def test_a_missing_checkpoint_exits_with_2() -> None:
    process = run("evaluate.py", "ckpt=nowhere")
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1].startswith("error: ckpt: nowhere does not exist")


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """DistributedDataParallel on the CPU: both see their share, one writes."""
    options = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.max_epochs=2", "model=mlp"]
    process = run("train.py", *options, f"output_dir={tmp_path / 'run'}")
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("test/accuracy ") == 1
    predictions = (tmp_path / "run" / "report" / "predictions.csv").read_text().splitlines()
    indices = [line.split(",")[0] for line in predictions[1:]]
    assert len(indices) == len(set(indices)) >= 350
