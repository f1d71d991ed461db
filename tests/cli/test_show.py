"""`python -m zoo show`: a choice, its options and what they mean."""

import pytest

from zoo.cli.list import CONFIGS
from zoo.cli.show import main
from zoo.config.choices import GROUPS, Tree


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    output = capsys.readouterr()
    return code, output.out, output.err


def test_options_have_value_type_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = shown(capsys, "resnet_small")
    assert code == 0 and "model.depths=[2,2,2,2]  (a list, each item an integer)" in said
    assert "model.drop_path=0.0  (a number, from 0 to below 1)\n        probability that a sample skips" in said
    assert said.endswith("type: python train.py model=resnet_small\n")


def test_variants_of_a_model_are_shown_by_their_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, "model=lstm")[1]
    assert "RecurrentClassifier with task=classification" in said and "model.cell=lstm" in said


def test_what_is_passed_by_the_run_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, "adamw")[1]
    assert "optimizer.lr=0.003" in said and "optimizer.params" not in said


def test_an_experiment_is_shown_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, "experiment=digits_cnn")[1]
    assert "98.6 to 99.7 %" in said and "- override /model: convnet" in said


def test_everything_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{group}={choice.name}" for group in GROUPS for choice in Tree(CONFIGS).of(group)]
    assert shown(capsys, *names)[0] == 0


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("resnet_smal", "error: resnet_smal: nothing of that name; did you mean resnet_small? (names: "),
        ("digits_detection", "error: digits_detection: 2 groups have it; type show data=digits_detection or show exp"),
        ("model=lenett", "error: model=lenett: unknown choice; did you mean lenet? (choices: "),
        ("modell=lenet", "error: modell: unknown group; did you mean model"),
    ],
)
def test_a_wrong_name_is_one_line(name: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = shown(capsys, name)
    assert code == 2 and error.startswith(line) and error.count("\n") == 1
