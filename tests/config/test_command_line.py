"""The command line before Hydra sees it."""

from pathlib import Path

import pytest

from zoo.config.command_line import forced, groups, option_of, parse, quoted
from zoo.errors import OptionError


@pytest.mark.parametrize("override", ["optimizer.lr=1", "seed=3", "a.b=[1,2]", "x=", "optimizer.lr=1e-3,1e-2"])
def test_a_key_is_forced(override: str) -> None:
    assert forced(override, ["model"]) == f"++{override}"


@pytest.mark.parametrize(
    "override",
    ["model=mlp", "model=mlp,lenet", "model/head=x", "model@a=x", "~seed", "~a=1", "+a=1", "++a=1", "hydra.x=1", "mlp"],
)
def test_everything_else_is_left_alone(override: str) -> None:
    assert forced(override, ["model"]) == override


@pytest.mark.parametrize("address", ["https://host/a-b_c.pth#sha256=0a", "http://host:80/x?y=1&z=%20"])
def test_an_address_needs_no_quotes(address: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    override = OverridesParser.create().parse_override(forced(f"pretrained={address}", ["model"]))
    assert override.value() == address and override.key_or_group == "pretrained"


@pytest.mark.parametrize(
    "value", ["", "plain", "it's", '"', "a\\b", "end\\", "\\\\'", "${x}", "\\${x}", "ünï", "1e5", "a=b, c"]
)
def test_a_quoted_value_is_read_back_by_hydra_and_by_us(value: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    override = f"+key={quoted(value)}"
    read = OverridesParser.create().parse_override(override).value()
    assert OmegaConf.create({"key": read}).key == value
    assert option_of(override) == ("key", value)


@pytest.mark.parametrize("override", ["a.b=x=y", "+a.b=x=y", "++a.b='x=y'", 'a.b="x=y"'])
def test_an_option_is_the_same_in_whatever_form(override: str) -> None:
    assert option_of(override) == ("a.b", "x=y")


def test_an_option_without_a_value_has_none() -> None:
    assert [option_of(override) for override in ("~a", "a", "a=", "a='")] == [
        ("a", ""),
        ("a", ""),
        ("a", ""),
        ("a", "'"),
    ]


def test_flags_may_stand_between_overrides() -> None:
    line = parse(["a=1", "-m", "b=2", "-cn", "other", "--cfg=job"][:5])
    assert (line.flags, line.overrides) == ({"--multirun": "", "--config-name": "other"}, ["a=1", "b=2"])


def test_info_takes_a_word_only_if_it_is_one_of_its_own() -> None:
    assert parse(["--info", "plugins", "a=1"]).flags == {"--info": "plugins"}
    assert parse(["--info", "a=1"]).overrides == ["a=1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mulirun"], "did you mean --multirun?"),
        (["--model=mlp"], "write model=mlp, without dashes"),
        (["--cfg"], "give --cfg VALUE"),
        (["--cfg", "jop"], "did you mean job?"),
        (["--resolve"], "add --cfg job"),
        (["--cfg", "job", "-m"], "only one of these"),
    ],
)
def test_a_wrong_flag_says_what_to_write(arguments: list[str], message: str) -> None:
    with pytest.raises(OptionError, match=message.replace("?", r"\?")):
        parse(arguments)


def test_groups_are_folders_and_parts_of_choices_are_hidden(tmp_path: Path) -> None:
    for name in ("model/mlp.yaml", "model/_base.yaml", "model/cnn/deep.yaml", "hydra/x.yaml", "train.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert groups([tmp_path]) == {"model": ["cnn/deep", "mlp"]}
