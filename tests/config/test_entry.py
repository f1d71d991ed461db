"""From a command line to an exit code."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from zoo.config.check import OptionErrors
from zoo.config.compose import compose
from zoo.config.entry import run
from zoo.config.resume import resume_command
from zoo.errors import DataError, OptionError, StorageError, TrainingStopped

_FILES = {
    "train.yaml": """
defaults:
  - model: mlp
  - optimizer: adamw
  - callbacks: [default]
  - _self_
  - experiment: null
seed: 0
debug: false
name: ${hydra:runtime.choices.model}
hydra:
  output_subdir: null
  run: {dir: .}
  sweep: {dir: sweeps, subdir: "${hydra.job.num}"}
  job_logging: {root: null}
  hydra_logging: {root: null}
""",
    "model/mlp.yaml": "_target_: torch.nn.Identity\n",
    "model/lenet.yaml": "_target_: torch.nn.Flatten\n",
    "optimizer/adamw.yaml": "_target_: torch.optim.AdamW\n_partial_: true\nlr: 0.001\n",
    "callbacks/default.yaml": "console: {_target_: torch.nn.Identity}\n",
    "callbacks/ema.yaml": "ema: {_target_: torch.nn.Identity}\n",
    "experiment/small.yaml": "# @package _global_\noptimizer: {lr: 0.5}\n",
    "experiment/broken.yaml": "# @package _global_\noptimizer: {lr: 0.5\nseed: [\n",
    "experiment/lost.yaml": "# @package _global_\ndefaults:\n  - override /model: nowhere\n",
}
Start = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tree of configs; the working directory is empty."""
    for name, text in _FILES.items():
        path = tmp_path / "configs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "configs"


@pytest.fixture
def start(configs: Path, capsys: pytest.CaptureFixture[str]) -> Start:
    """Runs an entry point; returns its exit code and the lines on stderr."""

    def start(*arguments: str, main: Callable[[DictConfig], Any] = lambda cfg: None) -> tuple[int, list[str]]:
        with pytest.raises(SystemExit) as stop:
            run(main, "train", config_dir=configs, argv=["train.py", *arguments])
        assert isinstance(stop.value.code, int)
        return stop.value.code, capsys.readouterr().err.splitlines()

    return start


def test_a_right_command_runs_the_main_function_once(start: Start) -> None:
    seen: list[Any] = []
    assert start("model=lenet", "optimizer.lr=0.1", main=seen.append) == (0, [])
    assert [(cfg.name, cfg.optimizer.lr, "hydra" in cfg) for cfg in seen] == [("lenet", 0.1, False)]


def test_a_key_that_the_config_lacks_but_the_class_takes_needs_no_plus(start: Start) -> None:
    seen: list[Any] = []
    assert start("optimizer.amsgrad=true", main=seen.append) == (0, [])
    assert seen[0].optimizer.amsgrad is True


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model=lenett", "model=lenett: unknown choice; did you mean lenet? (choices: lenet, mlp)"),
        ("callbacks=[default,emaa]", "callbacks=emaa: unknown choice; did you mean ema? (choices: default, ema)"),
        ("seeed=1", "seeed: unknown option; did you mean seed?"),
        ("+seeed=1", "seeed: unknown option; did you mean seed?"),
        ("optimizer.lrr=1", "optimizer.lrr: unknown option; did you mean lr?"),
        ("optimizer.lr=abc", "optimizer.lr: abc is text; must be a number"),
        ("optimizer.lr=${nowhere.x}", "optimizer.lr: ${nowhere.x} refers to nowhere.x, which does not exist"),
        ("optimizer.lr=${oc.env:NO_SUCH_VARIABLE}", "optimizer.lr: ${oc.env:NO_SUCH_VARIABLE} has no value"),
        ("optimizer.lr=[1", "optimizer.lr=[1: cannot be read"),
        ("mlp", "mlp: not of the form key=value"),
        ("optimizer.lr=1,2", "optimizer.lr=1,2: several values for one run; add -m"),
        ("~callbacks.foo", "~callbacks.foo: there is no such option"),
        ("+model=lenet", "model: chosen twice"),
        ("++model=lenet", "++model=lenet: a group cannot be forced"),
        ("head/x=1", "head/x: there is no such group"),
        ("experiment=broken", "configs/experiment/broken.yaml:3: not valid YAML"),
        ("experiment=lost", "model=nowhere: unknown choice (in configs/train.yaml, or a file that overrides it)"),
        ("--config-dir=nowhere", "--config-dir "),
        ("--config-name=nowhere", "nowhere: there is no such config"),
        ("--mulirun", "--mulirun: unknown flag; did you mean --multirun?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(start: Start, override: str, line: str) -> None:
    code, lines = start(override, main=lambda cfg: pytest.fail("ran"))
    assert code == 2
    assert lines[-1].startswith(f"error: {line}")
    assert len(lines) == 1


def test_a_model_without_a_variant_for_the_task_is_named_with_the_tasks_it_has(start: Start, configs: Path) -> None:
    (configs / "model" / "_deep").mkdir()
    (configs / "model" / "_deep" / "lenet.yaml").write_text("_target_: torch.nn.Identity\n")
    (configs / "model" / "deep.yaml").write_text("defaults:\n  - /model/_deep@_here_: ${optimizer}\n")
    (configs / "optimizer" / "lenet.yaml").write_text("_target_: torch.optim.Adam\n_partial_: true\n")
    primary = (configs / "train.yaml").read_text().replace("  - optimizer: adamw\n", "")
    (configs / "train.yaml").write_text(primary.replace("  - callbacks", "  - optimizer: adamw\n  - callbacks"))
    assert start("model=deep", "optimizer=lenet") == (0, [])
    code, lines = start("model=deep")
    assert code == 2
    problem = "has no variant for task=adamw; choose another model, or a task of lenet"
    assert lines == [f"error: model=deep: {problem}"]


def test_several_mistakes_are_a_line_each(start: Start) -> None:
    code, lines = start("optimizer.lr=abc", "optimizer.lrr=1", "seeed=1")
    assert code == 2
    assert sorted(line.split(":")[1].strip() for line in lines) == ["optimizer.lr", "optimizer.lrr", "seeed"]


@pytest.mark.parametrize(("error", "code"), [(OptionError, 2), (DataError, 2), (TrainingStopped, 3), (StorageError, 4)])
def test_an_error_of_the_run_has_its_exit_code(start: Start, error: type[OptionError], code: int) -> None:
    def main(cfg: DictConfig) -> None:
        raise error("where", "problem", "remedy")

    assert start(main=main) == (code, ["error: where: problem; remedy"])


def test_debug_shows_the_traceback_too(start: Start) -> None:
    def main(cfg: DictConfig) -> None:
        raise DataError("where", "problem", "remedy")

    code, lines = start("debug=true", main=main)
    assert code == 2
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "error: where: problem; remedy"


def test_a_defect_is_exit_code_1_with_its_traceback(start: Start) -> None:
    code, lines = start(main=lambda cfg: 1 / 0)
    assert code == 1
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_an_interrupt_is_exit_code_130(start: Start) -> None:
    def main(cfg: DictConfig) -> None:
        raise KeyboardInterrupt

    assert start(main=main)[0] == 130


def test_the_main_function_may_choose_its_exit_code(start: Start) -> None:
    assert start(main=lambda cfg: sys.exit(143))[0] == 143


def test_a_sweep_runs_every_combination(start: Start) -> None:
    seen: list[tuple[str, float]] = []

    def main(cfg: DictConfig) -> float:
        seen.append((cfg.name, cfg.optimizer.lr))
        return 0.5

    assert start("-m", "model=mlp,lenet", "optimizer.lr=1e-3,1e-2", main=main)[0] == 0
    assert seen == [("mlp", 0.001), ("mlp", 0.01), ("lenet", 0.001), ("lenet", 0.01)]


def test_a_wrong_value_of_a_sweep_is_found_before_its_first_job(start: Start) -> None:
    code, lines = start("-m", "optimizer.lr=0.1,abc,-1", main=lambda cfg: pytest.fail("ran"))
    assert code == 2
    assert [line.split(";")[0] for line in lines] == [
        "error: optimizer.lr: abc is text",
        "error: optimizer.lr: -1 is out of range",
    ]


def test_one_failing_job_of_a_sweep_is_reported_and_the_others_run(start: Start) -> None:
    seen: list[str] = []

    def main(cfg: DictConfig) -> float:
        seen.append(cfg.name)
        if cfg.name == "mlp":
            raise TrainingStopped("train/loss", "not finite", "lower optimizer.lr")
        return 0.5

    code, lines = start("model=mlp,lenet", "--multirun", main=main)
    assert (code, seen) == (3, ["mlp", "lenet"])
    assert lines[-1] == "error: train/loss: not finite; lower optimizer.lr"
    assert not [line for line in lines if line.startswith("Traceback")], "\n".join(lines)


def test_the_composed_config_is_printed_and_also_checked(configs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["train.py", "--cfg", "job", "--package", "optimizer", "optimizer.lr=abc"]
    with pytest.raises(SystemExit) as stop:
        run(lambda cfg: pytest.fail("ran"), "train", config_dir=configs, argv=argv)
    shown = capsys.readouterr()
    assert stop.value.code == 2
    assert shown.out == "# @package optimizer\n_target_: torch.optim.AdamW\n_partial_: true\nlr: abc\n"
    assert shown.err.startswith("error: optimizer.lr: abc is text")


def test_help_lists_groups_choices_and_options(configs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(lambda cfg: None, "train", config_dir=configs, argv=["train.py", "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert "lenet, mlp*" in text
    assert "seed=0" in text


def test_a_config_dir_of_the_user_adds_choices(start: Start, tmp_path: Path) -> None:
    (tmp_path / "mine/model").mkdir(parents=True)
    (tmp_path / "mine/model/own.yaml").write_text(_FILES["model/mlp.yaml"])
    seen: list[Any] = []
    assert start("--config-dir", "mine", "model=own", main=seen.append) == (0, [])
    assert seen[0].name == "own"


def test_a_config_path_of_the_user_replaces_the_configs_and_the_resume_command_repeats_it(
    start: Start, configs: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(configs, tmp_path / "own"))
    (own / "model/lenet.yaml").rename(own / "model/other.yaml")
    seen: list[str] = []

    def main(cfg: DictConfig) -> None:
        seen.append(resume_command(tmp_path))

    assert start("--config-path=own", "model=other", main=main) == (0, [])
    assert f"--config-path {own} " in seen[0]


def test_compose_gives_the_config_of_a_command_line_again_and_again(configs: Path) -> None:
    for lr in (0.1, 0.2):
        cfg = compose(["model=lenet", f"optimizer.lr={lr}", "optimizer.amsgrad=true"], config_dir=configs)
        assert OmegaConf.to_container(cfg.optimizer) == {
            "_target_": "torch.optim.AdamW",
            "_partial_": True,
            "lr": lr,
            "amsgrad": True,
        }
        assert cfg.name == "lenet"


def test_compose_raises_what_is_wrong(configs: Path) -> None:
    with pytest.raises(OptionErrors) as caught:
        compose(["optimizer.lr=abc", "seeed=1"], config_dir=configs)
    assert {error.where for error in caught.value.errors} == {"optimizer.lr", "seeed"}
    with pytest.raises(OptionErrors, match="did you mean lenet"):
        compose(["model=lenett"], config_dir=configs)


def test_a_wrong_option_is_refused_without_importing_torch(configs: Path) -> None:
    code = f"""
import atexit, sys
def loaded(): print("loaded", sorted(sys.modules.keys() & {{"torch", "lightning", "numpy"}}))
atexit.register(loaded)
from zoo.config.entry import run
from zoo.config.resume import resume_command
run(print, "train", config_dir={str(configs)!r}, argv=["train.py", "optimizer.lr=abc"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == "loaded []\n"
    assert done.stderr.splitlines()[-1].startswith("error: optimizer.lr: abc is text")


def test_a_reader_that_leaves_early_is_no_error(configs: Path) -> None:
    code = f"""
from zoo.config.entry import run
from zoo.config.resume import resume_command
run(print, "train", config_dir={str(configs)!r}, argv=["train.py", "--cfg", "job"])
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("", 0)
    process.stderr.close()
