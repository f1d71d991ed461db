"""What comes from the environment is written as the name of its variable."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from zoo.config.check import check
from zoo.config.entry import run
from zoo.config.secrets import masked, public, redacted, variables_of, watched

SECRET = "hunter2-hunter2"
TREE = {
    "paths": {"data_dir": "${oc.env:ZOO_DATA_DIR,data}"},
    "data": {"data_dir": "${paths.data_dir}", "lr": "${lr}"},
    "lr": 0.1,
    "key": "${oc.env:TOKEN}",
    "direct": {"repeated": "${key}", "within": "https://user:${key}@host", "listed": [1, "${oc.env:TOKEN}"]},
    "decoded": "${oc.decode:${oc.env:NUMBER}}",
    "selected": "${oc.select:key}",
    "whole": "${direct}",
    "values": "${oc.dict.values:direct}",
    "made": "${oc.create:{key: ${oc.env:TOKEN}}}",
    "usual": "${oc.env:NO_SUCH_VARIABLE,usual}",
    "without": "${oc.env:NO_SUCH_VARIABLE}",
    "nothing": None,
    "missing": "???",
}


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> DictConfig:
    monkeypatch.setenv("TOKEN", SECRET)
    monkeypatch.setenv("NUMBER", "31415926")
    monkeypatch.setenv("ZOO_DATA_DIR", "/data")
    return OmegaConf.create(TREE)


def test_no_value_of_the_environment_is_in_what_is_written(config: DictConfig) -> None:
    text = json.dumps(public(config))
    assert SECRET not in text and "31415926" not in text
    assert SECRET in json.dumps(OmegaConf.to_container(OmegaConf.merge(config, {"without": 1}), resolve=True))


def test_all_else_is_written_resolved(config: DictConfig) -> None:
    written = public(config)
    assert written["data"] == {"data_dir": "/data", "lr": 0.1}
    assert written["direct"] == {
        "repeated": "${key}",
        "within": "https://user:${key}@host",
        "listed": [1, "${oc.env:TOKEN}"],
    }
    assert written["usual"] == TREE["usual"] and written["nothing"] is None and written["missing"] == "???"


def test_what_was_written_reads_the_environment_anew(config: DictConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    written = OmegaConf.create(public(config))
    monkeypatch.setenv("TOKEN", "another")
    assert written.whole.within == "https://user:another@host" and written.made.key == "another"
    monkeypatch.delenv("TOKEN")
    (error,) = [error for error in check({"key": written["direct"]._get_node("listed")}) if error.where.endswith("1")]
    assert "${oc.env:TOKEN} has no value" in str(error) and "\n" not in str(error)


def test_what_is_shown_is_masked(config: DictConfig) -> None:
    shown = masked(config)
    assert shown["key"] == shown["decoded"] == shown["usual"] == "***" and shown["made"] == "***"
    assert shown["data"] == {"data_dir": "/data", "lr": 0.1}
    assert SECRET not in json.dumps(shown)


def test_reading_the_environment_is_noted_only_meanwhile(config: DictConfig) -> None:
    with watched() as seen:
        assert config.direct.within and config.paths.data_dir
    assert seen == {"TOKEN"} and config.decoded == 31415926
    assert seen == {"TOKEN"}


def test_the_variables_of_a_config_are_known(config: DictConfig) -> None:
    assert variables_of(config) == {"TOKEN", "NUMBER", "NO_SUCH_VARIABLE"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"bad key {SECRET}!", "bad key ${oc.env:TOKEN}!"),
        (f"https://u:{SECRET}@host", "https://u:${oc.env:TOKEN}@host"),
        ("a is no number", "${oc.env:SHORT} is no number"),
        ("nothing of that", "nothing of that"),
    ],
)
def test_messages_name_the_variable_in_place_of_its_value(monkeypatch, text: str, shown: str) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    monkeypatch.setenv("SHORT", "a")
    monkeypatch.setenv("EMPTY", "")
    assert redacted(text, ["TOKEN", "SHORT", "EMPTY", "NO_SUCH_VARIABLE"]) == shown


def test_the_check_does_not_tell_a_value(config: DictConfig) -> None:
    optimizer = {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": "${key}", "betas": "${direct.within}"}
    lines = [str(error) for error in check({**TREE, "without": 1, "missing": 1, "optimizer": optimizer})]
    assert any("${oc.env:TOKEN} is text; must be a number" in line for line in lines)
    assert len(lines) == 2 and not any(SECRET in line for line in lines)


@pytest.fixture
def start(tmp_path: Path, monkeypatch, capfd) -> Callable[..., tuple[int, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", SECRET)
    (tmp_path / "train.yaml").write_text(
        "key: ${oc.env:TOKEN}\ntext: a ${key}\ndebug: false\nhydra: {output_subdir: null, run: {dir: .}}"
    )

    def start(*arguments: str, main: Callable[[DictConfig], Any] = print) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            run(main, "train", config_dir=tmp_path, argv=["train.py", *arguments])
        assert isinstance(stop.value.code, int)
        return stop.value.code, "".join(capfd.readouterr())

    return start


@pytest.mark.parametrize("kind", ["job", "hydra", "all"])
@pytest.mark.parametrize("resolve", [[], ["--resolve"]])
def test_a_printed_config_does_not_tell_a_value(start, kind: str, resolve: list[str]) -> None:
    code, text = start("--cfg", kind, *resolve)
    assert code == 0 and SECRET not in text
    if kind != "hydra":
        assert ("'***'" if resolve else "${oc.env:TOKEN}") in text


def test_an_error_of_a_run_does_not_tell_a_value(start) -> None:
    def fail(cfg: DictConfig) -> None:
        raise RuntimeError(f"cannot log in with {cfg.text}")

    code, text = start("debug=true", main=fail)
    assert code == 1 and SECRET not in text and "cannot log in with a ${oc.env:TOKEN}" in text
