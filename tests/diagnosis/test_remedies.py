"""Whatever the doctor prints can be typed: its overrides exist for the run, for every task and kind of model."""

import functools
from typing import Any

import pytest
from omegaconf import OmegaConf

from zoo.config.entry import compose
from zoo.diagnosis.doctor import QUESTIONS
from zoo.diagnosis.recorded import History, Layer, Step, Validation
from zoo.diagnosis.remedies import Remedies

RUNS = [
    ["data=digits", "callbacks=[doctor,ema]"],
    ["data=digits", "model=vit", "optimizer=muon", "data.augment=null"],
    ["data=digits", "model=mlp", "optimizer=sgd", "model.activation=sigmoid", "data.augment.rotate=0"],
    ["experiment=hymenoptera_mobilenet", "callbacks=doctor"],
    ["experiment=sst2_textcnn"],
    ["experiment=ett_h1_lstm"],
    ["experiment=tiny_shakespeare_gpt"],
    ["experiment=digits_detection"],
    ["experiment=fsdd_strings_ctc", "callbacks=doctor"],
    ["data=table", "data.path=rows.csv", "data.target=kind", "callbacks=[early_stopping]"],
]


def history(update: float, shares: tuple[float, ...]) -> History:
    steps = [Step(step, 1, 2.3, 0.1, {"head": Layer("Linear", update_ratio=update)}) for step in range(3)]
    return History(steps=steps, validations=[Validation(3, 1, true_shares=shares)])


@functools.cache
def composed(*overrides: str) -> Any:
    return OmegaConf.to_container(compose(overrides))  # which checks it


@pytest.mark.parametrize("run", RUNS, ids=lambda run: " ".join(run[:2]))
def test_every_override_that_is_printed_exists_for_the_run(run: list[str]) -> None:
    config = composed(*run)
    printed = {
        remedy
        for seen in (history(0.2, (0.1,) * 10), history(1e-4, (0.9, 0.1)))
        for question in QUESTIONS.values()
        for remedy in question.remedies(Remedies(config, seen))
    }
    assert any(remedy.startswith("optimizer.lr=") for remedy in printed)
    waiting = [remedy.split() for remedy in sorted(printed)]
    while waiting:  # as many at a time as are of different options
        typed: list[str] = []
        for overrides in list(waiting):
            if not {option.partition("=")[0] for option in typed} & {each.partition("=")[0] for each in overrides}:
                typed += overrides
                waiting.remove(overrides)
        kept = [each for each in run if each.partition("=")[0] not in {option.partition("=")[0] for option in typed}]
        assert composed(*kept, *typed)


def test_a_learning_rate_is_scaled_by_how_far_off_updates_are() -> None:
    config = composed("data=digits")  # at 0.003

    def first(name: str, update: float) -> str:
        return QUESTIONS[name].remedies(Remedies(config, history(update, ())))[0]

    assert first("learning rate too high", 0.2) == "optimizer.lr=3e-05"
    assert first("learning rate too high", 0.07) == "optimizer.lr=0.0003"
    assert first("learning rate too low", 5e-4) == "optimizer.lr=0.3"
    assert first("learning rate too low", 2e-3) == "optimizer.lr=0.03"


def test_classes_are_weighted_only_where_they_are_not_equally_frequent() -> None:
    config = composed("data=digits")
    first = [
        QUESTIONS["one class predicted"].remedies(Remedies(config, history(0.01, shares)))[0]
        for shares in ((0.9, *(0.1 / 9,) * 9), (0.1,) * 10)
    ]
    assert first == ["task.criterion.class_weights=balanced", "optimizer.lr=0.0003"]


def test_images_that_are_shown_as_they_are_are_varied_first() -> None:
    plain = ["data=digits", "data.augment.crop=0", "data.augment.rotate=0", "data.augment.scale=0"]
    found = [
        QUESTIONS["overfitting"].remedies(Remedies(composed(*options), History()))[0]
        for options in (plain, [*plain, "model=mlp"], ["data=digits"], ["experiment=sst2_textcnn"])
    ]
    assert found == [
        "data.augment.crop=1 data.augment.rotate=10 data.augment.scale=0.1",
        "model.norm=batch",  # a perceptron learns each place by itself
        "task.criterion.label_smoothing=0.1",
        "data.word_dropout=0.15",
    ]
