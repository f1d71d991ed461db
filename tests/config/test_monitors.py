"""A monitored name that nothing logs is refused before the first step, and no other."""

import copy
from typing import Any

import pytest

from zoo.config.compose import CONFIG_DIR, composer
from zoo.config.monitors import check_monitors, logged_names
from zoo.config.tree import read_tree


def values(*overrides: str) -> dict[str, Any]:
    with composer([CONFIG_DIR], "train") as compose_once:
        return read_tree(compose_once(list(overrides))).values


def test_what_a_run_logs_is_read_off_its_config() -> None:
    names = logged_names(values())
    assert names == {
        *("train/loss", "train/accuracy", "val/loss", "val/accuracy", "val/f1_macro"),
        *("throughput/samples_per_second", "cost/waiting_share"),
    }


def test_a_misspelt_name_is_refused_with_the_nearest_one() -> None:
    (error,) = check_monitors(values("task.monitor=val/acc"))
    assert error.where == "task.monitor"
    assert error.problem == "val/acc is logged by nothing"
    assert error.remedy.startswith("did you mean val/accuracy? (logged: ")


def test_every_callback_that_monitors_is_looked_at() -> None:
    errors = check_monitors(
        values(
            "callbacks=early_stopping",
            "callbacks.early_stopping.monitor=val/los",
            "callbacks.best_checkpoint.monitor=accuracy",
        )
    )
    assert [error.where for error in errors] == [
        "callbacks.best_checkpoint.monitor",
        "callbacks.early_stopping.monitor",
    ]
    assert "did you mean val/accuracy?" in errors[0].remedy
    assert "did you mean val/loss?" in errors[1].remedy


def test_a_metric_of_the_test_comes_too_late() -> None:
    (error,) = check_monitors(values("task.monitor=test/accuracy"))
    assert error.problem == "test/accuracy is logged only once, at the end"
    assert "did you mean val/accuracy?" in error.remedy


@pytest.mark.parametrize(
    "name", ["val/loss", "train/loss", "train/accuracy", "val/f1_macro", "throughput/samples_per_second"]
)
def test_what_is_logged_can_be_monitored(name: str) -> None:
    monitored = [f"task.monitor={name}", "callbacks=early_stopping", f"callbacks.early_stopping.monitor={name}"]
    assert not check_monitors(values(*monitored))


def test_a_metric_of_the_user_can_be_monitored_by_its_name() -> None:
    kappa = "{_target_: torchmetrics.classification.MulticlassCohenKappa, num_classes: 10}"
    assert not check_monitors(values(f"+task.metrics.kappa={kappa}", "task.monitor=val/kappa"))
    assert check_monitors(values(f"+task.train_metrics.kappa={kappa}", "task.monitor=val/kappa"))


def test_the_penalty_is_logged_where_there_is_one() -> None:
    assert check_monitors(values("task.monitor=train/l1"))
    assert not check_monitors(values("task.monitor=train/l1", "task.l1=0.1"))


@pytest.mark.parametrize(
    "override",
    [
        "+task.metrics.box={_target_: torchmetrics.detection.MeanAveragePrecision}",
        "+callbacks.own={_target_: my_package.LogsItsOwn}",
        "+callbacks.lr={_target_: lightning.pytorch.callbacks.LearningRateMonitor}",
        "task._target_=my_package.MyTask",
    ],
)
def test_where_reading_cannot_tell_every_name_passes(override: str) -> None:
    assert not check_monitors(values("task.monitor=val/own_name", override))


SOURCE = """
from torch import Tensor
from zoo.tasks.base import Task
from zoo.tasks.classification import ClassificationTask


class Two(Task):
    def losses(self, outputs, batch):
        return {"loss": outputs.sum(), "regression": outputs.mean()}


class Child(Two):
    pass


class Computed(Task):
    def losses(self, outputs, batch):
        return self.model.losses(outputs)


class Logging(ClassificationTask):
    def validation_step(self, batch, batch_idx):
        self.log("val/own", 1.0)
        return super().validation_step(batch, batch_idx)
"""


def test_losses_are_read_off_the_source_of_the_task(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks_of_a_user.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    config = copy.deepcopy(values())

    def refused(name: str, monitor: str) -> bool:
        config["task"] |= {"_target_": f"tasks_of_a_user.{name}", "monitor": monitor}
        config["callbacks"] = {}
        return bool(check_monitors(config))

    assert not refused("Two", "val/regression")
    assert not refused("Child", "val/regression")
    assert refused("Child", "val/regresion")
    assert not refused("Computed", "val/anything")
    assert not refused("Logging", "val/own")


def test_what_a_task_derives_can_be_monitored() -> None:
    names = logged_names(values("task=language_modeling"))
    assert names is not None and {"val/loss", "val/perplexity", "val/bits_per_character"} <= names
    assert not check_monitors(values("task=language_modeling", "task.monitor=val/perplexity"))
    (error,) = check_monitors(values("task=language_modeling", "task.monitor=val/perplexty"))
    assert "did you mean val/perplexity?" in error.remedy
