"""What is wrong with a config."""

import itertools
from typing import Any

import pytest

from zoo.config.check import Primary, check
from zoo.config.command_line import groups
from zoo.config.compose import CONFIG_DIR, compose

ADAMW = {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.1}
TRAINER = {"_target_": "lightning.pytorch.Trainer", "max_epochs": 3}


def _lines(tree: dict[str, Any], **settings: Any) -> list[str]:
    return [str(error) for error in check(tree, **settings)]


def _of_optimizer(**options: Any) -> list[str]:
    return _lines({"optimizer": {**ADAMW, **options}})


def test_a_right_config_has_no_errors() -> None:
    assert _lines({"optimizer": {**ADAMW, "betas": [0.9, 0.99], "fused": None}, "trainer": TRAINER}) == []


def test_an_unknown_option_names_the_nearest_and_all() -> None:
    (line,) = _of_optimizer(wieght_decay=0.1)
    assert line.startswith(
        "optimizer.wieght_decay: unknown option; did you mean weight_decay? (options: amsgrad, betas"
    )


def test_all_errors_are_found_at_once() -> None:
    lines = _lines({"optimizer": {**ADAMW, "lr": "abc"}, "trainer": {**TRAINER, "max_epochs": 2.5, "devises": 1}})
    assert [line.split(":")[0] for line in lines] == ["optimizer.lr", "trainer.max_epochs", "trainer.devises"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"lr": "abc"}, "abc is text; must be a number"),
        ({"lr": -1}, "-1 is out of range; must be a number, at least 0"),
        ({"amsgrad": 1}, "1 is an integer; must be true or false"),
        ({"betas": "0.9"}, "0.9 is text; must be a list of 2"),
        ({"betas": [0.9, 1.5]}, "must be a list of 2: a number, from 0 to below 1"),
        ({"weight_decay": None}, "is null; must be a number"),
    ],
)
def test_a_wrong_type_or_range_is_named(options: dict[str, Any], problem: str) -> None:
    (line,) = _of_optimizer(**options)
    assert problem in line


@pytest.mark.parametrize(
    "options",
    [
        {"max_epochs": True},
        {"max_epochs": -2},
        {"gradient_clip_val": -0.1},
        {"accumulate_grad_batches": 0},
        {"precision": "17-mixed"},
        {"limit_val_batches": 1.5},
        {"devices": 1.5},
    ],
)
def test_the_trainers_options_are_judged(options: dict[str, Any]) -> None:
    assert len(_lines({"trainer": {**TRAINER, **options}})) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"max_epochs": None},
        {"max_epochs": -1},
        {"devices": "auto"},
        {"devices": [0, 1]},
        {"precision": "bf16-mixed"},
        {"precision": "auto"},
        {"limit_val_batches": 0.5},
        {"limit_val_batches": 3},
        {"logger": False},
        {"strategy": {"_target_": "lightning.pytorch.strategies.DDPStrategy"}},
    ],
)
def test_right_options_of_the_trainer_pass(options: dict[str, Any]) -> None:
    assert _lines({"trainer": {**TRAINER, **options}}) == []


def test_a_choice_names_the_nearest() -> None:
    metric = {"_target_": "torchmetrics.classification.MulticlassAccuracy", "num_classes": 3, "average": "makro"}
    (line,) = _lines({"metric": metric})
    assert line.startswith("metric.average: unknown choice makro; did you mean macro?")


def test_a_missing_argument_is_named_unless_partial() -> None:
    stopping = {"_target_": "lightning.pytorch.callbacks.EarlyStopping"}
    assert _lines({"stop": stopping}) == [
        "stop.monitor: missing, and EarlyStopping needs it; give stop.monitor=VALUE",
    ]
    assert _lines({"stop": {**stopping, "_partial_": True}}) == []
    assert _lines({"stop": {**stopping, "_args_": ["val/loss"]}}) == []


def test_what_the_build_passes_is_not_missing() -> None:
    logger = {"logger": {"csv": {"_target_": "lightning.pytorch.loggers.CSVLogger"}}}
    assert _lines(logger) == []
    assert len(_lines(logger, supplied={})) == 1


def test_a_value_that_must_be_given_is_named() -> None:
    assert _lines({"ckpt": "???"}) == ["ckpt: needs a value; give ckpt=VALUE"]


def test_a_target_that_does_not_exist_names_the_nearest() -> None:
    (line,) = _lines({"optimizer": {"_target_": "torch.optim.AdmaW"}})
    assert line.startswith("optimizer._target_: torch.optim has no AdmaW; did you mean AdamW?")
    (line,) = _lines({"optimizer": {"_target_": "torhc.optim.AdamW"}})
    assert line.startswith("optimizer._target_: no package named torhc")


def test_nodes_in_lists_and_in_nodes_are_checked() -> None:
    wrong = {**ADAMW, "lrr": 1}
    assert [line.split(":")[0] for line in _lines({"a": {"b": [wrong, {"c": wrong}]}})] == ["a.b.0.lrr", "a.b.1.c.lrr"]


def test_an_interpolated_null_is_a_fact_to_be_found() -> None:
    metric = {"_target_": "torchmetrics.classification.MulticlassAccuracy", "num_classes": "${data.num_classes}"}
    assert _lines({"data": {"num_classes": None}, "metric": metric}) == []


def test_a_wrong_interpolated_value_is_named_where_it_is_written() -> None:
    metric = {"_target_": "torchmetrics.classification.MulticlassAccuracy", "num_classes": "${data.num_classes}"}
    (line,) = _lines({"data": {"num_classes": "ten"}, "first": metric, "second": metric})
    assert line.startswith("data.num_classes: ten is text")


def test_an_interpolation_that_leads_nowhere_names_the_nearest() -> None:
    (line,) = _lines({"data": {"num_classes": 3}, "x": "${data.num_clases}"})
    assert "did you mean num_classes?" in line


def test_an_unknown_resolver_is_left_alone() -> None:
    assert _lines({"optimizer": {**ADAMW, "lr": "${resolver_of_a_user:1}"}}) == []


def test_settings_of_a_callback_that_is_not_there_are_named() -> None:
    stopping = {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "val/loss"}
    (line,) = _lines({"callbacks": {"early_stopping": stopping, "early_stoping": {"patience": 3}}})
    assert line.startswith("callbacks.early_stoping: unknown option; did you mean early_stopping?")


PRIMARY = Primary({"seed": 0, "debug": False, "resume": None, "paths": {"data_dir": "data"}}, ["model"])


def test_an_unknown_top_level_key_names_the_nearest() -> None:
    (line,) = _lines({"modle": "mlp"}, primary=PRIMARY)
    assert line.startswith("modle: unknown option; did you mean model? (options: debug, model")


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        ({"seed": "x"}, "seed: x is text; must be an integer (default 0)"),
        ({"debug": 1}, "debug: 1 is an integer; must be true or false (default false)"),
        ({"paths": {"data_dri": "x"}}, "paths.data_dri: unknown option; did you mean data_dir? (options: data_dir)"),
    ],
)
def test_the_primary_config_is_its_own_schema(tree: dict[str, Any], problem: str) -> None:
    assert _lines(tree, primary=PRIMARY) == [problem]


def test_an_option_that_is_null_by_default_takes_anything() -> None:
    assert _lines({"resume": "auto", "seed": 3, "paths": {"data_dir": "x"}}, primary=PRIMARY) == []


def _commands() -> list[list[str]]:
    """Commands in which each choice of each group occurs once: data, which choose a task and a model, and experiments
    alone, the others beside one another; of models, `tests/test_configs.py` looks for data that they go with.
    """
    choices = groups([CONFIG_DIR])
    of_data = {name: choices.pop(name) for name in ("model", "task")}
    assert all(of_data.values())
    names = ("data", "experiment", "sweep", "finetune")
    alone = [[f"{name}={choice}"] for name in names for choice in choices.pop(name, [])]
    rows = itertools.zip_longest(*([f"{name}={choice}" for choice in each] for name, each in choices.items()))
    return [[override for override in row if override] for row in rows] + alone


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_no_choice_of_ours_is_refused(command: list[str]) -> None:
    compose(command)
