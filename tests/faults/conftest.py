"""What an attacker would bring along, and what would show that any of it has run."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from zoo.config.construct import construct
from zoo.config.entry import run

PACKAGE = """
from pathlib import Path
import os, subprocess, torch
from hydra.experimental.callback import Callback


class Box:
    def __init__(self, *parts, **more):
        self.parts, self.more = parts, more
        for part in more.values():
            if callable(part):
                part()


def touch(path):
    Path(path).touch()
    return 1


class Toucher(Callback):
    def __init__(self, path):
        touch(path)


Elsewhere = torch.jit.ScriptModule


class Activation(torch.nn.Module):
    pass
"""
HYDRA = "defaults: [_self_, override hydra/job_logging: none, override hydra/hydra_logging: none]\n" + (
    "hydra: {output_subdir: null, run: {dir: .}, sweep: {dir: sweeps}, MORE}\n"
)


class Run:
    """An instance of this runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is there if anything forbidden has run, beside what an attacker would want to use."""
    path = tmp_path / "mark"
    (tmp_path / "sandbox.py").write_text(PACKAGE)
    (tmp_path / "noisy.py").write_text(f"import pathlib; pathlib.Path({str(path)!r}).touch()\nclass Thing: pass\n")
    (tmp_path / "file").write_text("content")
    (tmp_path / "pickle").write_bytes(pickle.dumps(Run(f"touch {path}")))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "hubconf.py").write_text(f"import os\ndef run(): os.system('touch {path}')\nrun()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def start(tmp_path: Path, mark: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Writes a config, runs an entry point that builds `node`, and returns its exit code and its errors."""

    def build(cfg: DictConfig) -> None:
        construct(cfg.node, "node")

    def start(text: str, *arguments: str, hydra: str = "verbose: false") -> tuple[int, str]:
        folder = tmp_path / "configs"
        folder.mkdir(exist_ok=True)
        if "allow:" not in text:
            text = f"allow: []\n{text}"
        (folder / "train.yaml").write_text(f"{text}\n{HYDRA.replace('MORE', hydra)}")
        with pytest.raises(SystemExit) as stop:
            run(build, "train", config_dir=folder, argv=["train.py", *arguments])
        assert isinstance(stop.value.code, int)
        return stop.value.code, capsys.readouterr().err

    return start
