"""The options of a run that goes on, and the command that is printed for it."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from zoo.config.command_line import forced, parse
from zoo.config.resume import NAME, resume_command, save_overrides, with_saved_overrides

NAMES = ["plain", "two words", "it's", 'say "hi"', "a=b", "a,b", "[x]", "{y}", "ünï", "#1", "(x)", "$HOME", "a${b}c"]
NAMES += ["back\\slash", "end\\", "\\'", "1e5", "null", "auto", "tab\there", "-dash", "100%", "*", "a:b", "a;b&c|d"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The directory of a run that was started with options."""
    directory = tmp_path / "run"
    (directory / "checkpoints").mkdir(parents=True)
    save_overrides(directory, ["data=cifar10", "++optimizer.lr=0.5", "~callbacks.ema", "+extra=[1,2]", "seed=3"])
    return directory


def test_the_options_of_the_run_come_before_those_given_now(saved: Path) -> None:
    given = [f"resume={saved}", "trainer.max_epochs=9"]
    assert with_saved_overrides(given) == [
        "data=cifar10", "++optimizer.lr=0.5", "~callbacks.ema", "+extra=[1,2]", "seed=3", *given
    ]  # fmt: skip


@pytest.mark.parametrize("given", ["optimizer.lr=1", "+optimizer.lr=1", "++optimizer.lr=1", "~optimizer.lr"])
def test_an_option_given_now_wins_in_whatever_form(given: str, saved: Path) -> None:
    options = with_saved_overrides([f"resume={saved}", given])
    assert [option for option in options if "optimizer.lr" in option] == [given]


def test_a_deletion_of_the_run_gives_way_to_a_value_given_now(saved: Path) -> None:
    assert "~callbacks.ema" not in with_saved_overrides([f"resume={saved}", "callbacks.ema=null"])


@pytest.mark.parametrize("place", [".", "checkpoints", "checkpoints/last.ckpt", "checkpoints/nowhere.ckpt"])
@pytest.mark.parametrize("form", ["resume={}", "+resume={}", "++resume={}", "resume='{}'", 'resume="{}"'])
def test_the_run_is_named_by_its_directory_or_by_a_file_in_it(place: str, form: str, saved: Path) -> None:
    assert "seed=3" in with_saved_overrides([form.format(saved / place)])


@pytest.mark.parametrize("resume", [[], ["resume=auto"], ["resume=null"], ["resume="], ["resume=nowhere/at/all"]])
def test_without_a_run_nothing_is_added(resume: list[str], saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(saved)
    assert with_saved_overrides([*resume, "seed=1"]) == [*resume, "seed=1"]


def test_the_last_of_several_is_the_run(saved: Path) -> None:
    assert "seed=3" in with_saved_overrides(["resume=auto", f"resume={saved}"])
    assert "seed=3" not in with_saved_overrides([f"resume={saved}", "resume=auto"])


@pytest.mark.parametrize("content", [b"", b"a: [1", b"\xff\xfe\x00", b"{a: 1}", b"- 1\n- [2]\n- null\n", b"just text"])
def test_a_file_of_options_that_is_malformed_adds_nothing(content: bytes, saved: Path) -> None:
    (saved / NAME).write_bytes(content)
    assert with_saved_overrides([f"resume={saved}"]) == [f"resume={saved}"]


ONCE = ["allow=[evil]", "++allow=[evil]", "debug=true", "check=true", "resume=auto", "output_dir=x", "init_from=y"]


def test_what_belongs_to_one_start_is_not_saved(saved: Path) -> None:
    save_overrides(saved, [*ONCE, "allow_changes=true", "seed=4"])
    assert with_saved_overrides([f"resume={saved}"]) == ["seed=4", f"resume={saved}"]


@pytest.mark.parametrize("option", ONCE)
def test_a_file_of_options_from_elsewhere_cannot_bring_it_in(option: str, saved: Path) -> None:
    (saved / NAME).write_text(OmegaConf.to_yaml([option]))
    assert with_saved_overrides([f"resume={saved}"]) == [f"resume={saved}"]


def command(directory: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    monkeypatch.setattr("sys.argv", ["train.py", *arguments])
    return shlex.split(resume_command(directory))


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_path_comes_back_through_shell_and_hydra_whatever_is_in_it(
    name: str, absolute: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / name if absolute else Path(name)
    directory.mkdir()
    save_overrides(directory, ["seed=3"])
    words = command(directory, monkeypatch)
    assert words[:2] == ["python", "train.py"]
    overrides = with_saved_overrides(parse(words[2:]).overrides)
    assert "seed=3" in overrides
    override = OverridesParser.create().parse_override(forced(overrides[-1], []))
    config: Any = OmegaConf.create({override.key_or_group: override.value()})
    assert isinstance(config.resume, str) and config.resume != "auto"
    assert Path(config.resume).resolve() == directory.resolve()


def test_the_command_keeps_what_is_not_saved_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["seed=1", "++allow=[mine]", "debug=true", "--config-dir", "my configs", "-m"]
    assert command(tmp_path, monkeypatch, *given)[2:] == [
        "allow=[mine]", "--config-dir", "my configs", f"resume={tmp_path}"
    ]  # fmt: skip


def test_a_script_elsewhere_is_named_and_a_program_that_is_none_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(tmp_path / "src" / "own.py")])
    assert resume_command(tmp_path).startswith("python src/own.py resume=")
    monkeypatch.setattr("sys.argv", ["/usr/bin/pytest", "-n0"])
    assert resume_command(tmp_path) == f"python train.py resume={tmp_path}"
