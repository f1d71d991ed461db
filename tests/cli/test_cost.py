"""`python -m zoo cost`: what a run is going to cost, without the run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.__main__ import commands, main

DATA = ["data=digits", "data.train_samples=300", "trainer=cpu", "callbacks.cost.seconds=0.1"]


def cost(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, list[str]]:
    """Returns exit code, what was printed, and the lines of stderr."""
    with pytest.raises(SystemExit) as stop:
        main(["cost", *arguments])
    shown = capsys.readouterr()
    return int(stop.value.code or 0), shown.out, shown.err.splitlines()


def test_it_says_operations_memory_and_time_and_keeps_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.cli.cost._SECONDS", 0.1)
    code, shown, _ = cost(capsys, *DATA, f"output_dir={tmp_path}", f"paths.logs_dir={tmp_path}/logs")
    assert code == 0 and "cost" in commands()
    for word in ("parameters   288 K", "4.76 MFLOP a sample", "at most", "activations", "4 batches of", "20 epochs"):
        assert word in shown
    assert f"python train.py {' '.join(DATA)}" in shown
    assert [file.name for file in tmp_path.iterdir()] == ["cost.json"]
    written = json.loads((tmp_path / "cost.json").read_text())
    assert written["seconds_in_all"] > written["seconds_per_epoch"] > 0 and written["memory_peak_mb"] > 1


def test_several_processes_share_the_batches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.cli.cost._SECONDS", 0.1)
    code, shown, _ = cost(capsys, *DATA, "trainer.devices=2", "trainer.strategy=ddp")
    assert code == 0 and "in each of 2 processes" in shown and "2 batches of" in shown


def test_what_it_cannot_tell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = cost(capsys, *DATA, "resume=somewhere")
    assert code == 2 and errors[-1].startswith("error: resume: ")


def test_help_and_wrong_options_wait_for_no_torch() -> None:
    told = "import sys; from zoo.__main__ import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    told += "assert not {'torch', 'lightning'} & set(sys.modules), 'torch was imported'"
    for arguments in (["--help"], ["modle=x"]):
        subprocess.run([sys.executable, "-c", told, "cost", *arguments], check=True, capture_output=True)
