"""Each fault is told by its figures, with overrides that the run has; what is healthy is left in peace."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import pytest
from omegaconf import OmegaConf

from zoo.config.entry import compose
from zoo.diagnosis.doctor import QUESTIONS, diagnose
from zoo.diagnosis.recorded import LATEST, MOST_STEPS, Facts, History, Layer, Step, Validation
from zoo.diagnosis.verdict import Verdict

CONFIG = ["data=digits", "model=mlp", "optimizer=sgd", "model.activation=sigmoid"]
HEALTHY_STEP: dict[str, float] = {"loss": 0.3, "lr": 0.1}
HEALTHY_LAYER: dict[str, float] = {"gradient_norm": 0.1, "gradient_rms": 0.01, "update_ratio": 1e-2}
HEALTHY_ACTIVATION: dict[str, float] = {"mean": 0.5, "std": 0.5, "saturated": 0.1, "dead": 0.05}
HEALTHY: dict[str, Any] = {
    "train_loss": [1.0, 0.6, 0.4, 0.3, 0.2, 0.15, 0.12, 0.1],
    "val_loss": [1.1, 0.7, 0.5, 0.4, 0.3, 0.25, 0.22, 0.2],
    "train_accuracy": [math.nan, 0.7, 0.8, 0.85, 0.9, 0.92, 0.95, 0.96],
    "val_accuracy": [0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.93, 0.94],
    "true_shares": [(0.1,) * 10] * 8,
    "predicted_shares": [(0.1,) * 10] * 8,
    "mistakes": 100,
    "sure_mistakes": 0.1,
    "losses": (),
    "waiting": 0.05,
    "waited": 0.01,
    "memory": 0.5,
}
ONE_CLASS = [(1.0, *(0.0,) * 9)] * 8


@functools.cache
def composed(*overrides: str) -> Any:
    return OmegaConf.to_container(compose(overrides))  # which checks it


def at(values: Any, number: int) -> Any:
    return values[number] if isinstance(values, list) else values


def history(
    *,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    steps: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    not_finite: str = "",
    **validations: Any,
) -> History:
    """A run of eight validations, as many recorded steps and four layers, with figures that stay or are lists."""
    names = {name: ("Linear", HEALTHY_LAYER) for name in ("0", "1", "head")} | {"act": ("ReLU", HEALTHY_ACTIVATION)}
    made = History(Facts(**{"num_classes": 10, **(facts or {})}), not_finite=not_finite)
    for number in range(8):
        of_layers = {
            name: Layer(kind, **{k: at(v, number) for k, v in {**figures, **(layers or {}).get(name, {})}.items()})
            for name, (kind, figures) in names.items()
        }
        of_step = {"loss": math.log(10) if number == 0 else 0.3, "lr": 0.1}
        of_step |= {name: at(value, number) for name, value in (steps or {}).items()}
        made.add(Step(step=number * 20, epoch=number + 1, layers=of_layers, **of_step))
        seen = {name: at(value, number) for name, value in {**HEALTHY, **validations}.items()}
        made.validations.append(Validation(step=number * 20 + 20, epoch=number + 1, **seen))
    return made


def verdicts(known: tuple[str, ...] = (), **changes: Any) -> list[Verdict]:
    return diagnose(history(**changes), composed(*CONFIG), known=known)


def names(**changes: Any) -> list[str]:
    return [verdict.name for verdict in verdicts(**changes)]


def updates(ratio: float | list[float]) -> dict[str, dict[str, Any]]:
    """Updates of all layers."""
    return {name: {"update_ratio": ratio} for name in ("0", "1", "head")}


UNLEARNED = {"train_loss": [2.3, 2.29, 2.27, 2.26, 2.24, 2.22, 2.21, 2.2]}
NO_CLASSES: dict[str, Any] = dict.fromkeys(("train_accuracy", "val_accuracy", "mistakes", "sure_mistakes"), math.nan)
NO_CLASSES |= {"true_shares": (), "predicted_shares": ()}
STANDING = {"train_loss": 2.3, "val_loss": 2.3, "train_accuracy": 0.1, "val_accuracy": 0.1}
FAULTS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"layers": {"0": {"gradient_rms": 1e-9}}, "predicted_shares": ONE_CLASS, **STANDING},
        "vanishing gradients",
        "at 0, the first of 3 layers, is 1.0e-09, 1e-07 times that at head, 1.0e-02 (limit 0.0001)",
    ),
    (
        {"layers": {"0": {"gradient_rms": 100.0}}, **UNLEARNED},
        "exploding gradients",
        "is 1.0e+02, 1e+04 times that at head",
    ),
    (
        {"layers": {"0": {"gradient_norm": [0.1] * 5 + [90.0] * 3}}, "steps": {"loss": [2.3] * 5 + [9.0] * 3}},
        "exploding gradients",
        "norm of a layer's gradients is 90, 9e+02 times what it was before (limit 100)",
    ),
    ({"layers": {"act": {"dead": 0.8}}}, "dead ReLU", "80% of the units of act are 0 for all samples"),
    ({"layers": {"act": {"dead": [0.4] * 5 + [0.9] * 3}}}, "dead ReLU", "90% of the units of act are 0"),
    ({"layers": {"act": {"saturated": 0.9}}}, "saturation", "90% of the outputs of act lie at their bounds"),
    (
        {"layers": updates(0.2), **STANDING, "train_loss": 4.0},
        "learning rate too high",
        "at a learning rate of 0.1 steps have changed half of the layers by 20.0% or more (limit 5%), and",
    ),
    (
        {
            "layers": updates(0.2),
            "train_loss": [2.0 - 0.1 * number for number in range(8)],
            "val_loss": 40.0,
        },  # batch norm holds the training loss down
        "learning rate too high",
        "and the validation loss was 40, where the first training loss was 2.3",
    ),
    (
        {"layers": updates(0.2), "train_loss": 1.8, "val_loss": 1.8, **NO_CLASSES, "facts": {"num_classes": 0}},
        "learning rate too high",  # as language models have it, which still learn how often each token is
        "and the training loss stays at 1.8, from 2.3 at the start",
    ),
    (
        {"layers": updates(0.2), "losses": (1.0, 5.0)},
        "learning rate too high",
        "and the training loss is 5, from 2.3 at the start",
    ),
    (
        {"layers": updates([0.2] * 4 + [0.0] * 4) | {"act": {"dead": [0.0] * 4 + [1.0] * 4}}, **STANDING},
        "learning rate too high",  # as whose doing the dead units are not told
        "by 20.0% or more",
    ),
    (
        {"layers": updates(math.nan), **NO_CLASSES, "train_loss": 4.0, "val_loss": 4.0},
        "learning rate too high",  # where updates are not known
        "at a learning rate of 0.1 the training loss is 4, from 2.3 at the start",
    ),
    (
        {"layers": updates(0.2), "train_loss": [1.0, 0.5, 0.4, 0.4, 0.5, 0.9, 1.5, 1.4], "val_loss": 1.4},
        "learning rate too high",
        "and the training loss rose from 0.4 to 1.4, which was 2.3 at the start",
    ),
    (
        {"not_finite": "the loss is not finite at step 160", "losses": (3.0, 9.0)},
        "learning rate too high",
        "the training loss is 9, from 2.3 at the start, and then the loss is not finite at step 160",
    ),
    ({"not_finite": "the loss is not finite at step 160"}, "not finite", "the loss is not finite at step 160"),
    (
        {"layers": updates(1e-6), **STANDING, "train_loss": 2.25},
        "learning rate too low",
        "no step has changed a layer by more than 1.0e-06 of its weights (0; limit 0.003), and",
    ),
    (
        {
            "layers": updates(1e-4),
            **STANDING,
            "train_loss": [2.3, 2.28, 2.26, 2.24, 2.22, 2.2, 2.18, 2.16],
            "facts": {"untrained": False},
        },
        "learning rate too low",
        "and the training loss is 2.16, from 2.3",
    ),
    ({"train_loss": 1.0, "val_loss": 1.0, "train_accuracy": 0.7, "val_accuracy": 0.7}, "plateau", "stays at 1, within"),
    ({"steps": {"loss": [9.0] + [0.3] * 7}}, "loss not at ln(K)", "is 9; guessing 10 classes alike has 2.3"),
    ({"steps": {"loss": [0.5] + [0.3] * 7}}, "loss not at ln(K)", "limits 1.15 and 3.45"),
    (
        {"val_loss": [1.1, 0.7, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]},
        "overfitting",
        "since epoch 3 the validation loss rose from 0.5 to 1 (limit 1.1 times), while the training loss fell from 0.4",
    ),
    ({"train_accuracy": 0.6, "val_accuracy": 0.2}, "overfitting", "a gap of 40.0% (limit 35%), since epoch 1"),
    (
        {"train_accuracy": [math.nan, 0.8, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0], "val_accuracy": 0.7},
        "overfitting",
        "a gap of 30.0% (limit 15%), since epoch 3",
    ),
    (
        {"train_accuracy": [math.nan, 0.8, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0], "val_accuracy": 0.92},
        "overfitting",
        "a gap of 8.0% (limit 6%), since epoch 4",
    ),
    (
        {
            "train_loss": 2.0,
            "val_loss": 2.0,
            "train_accuracy": 0.3,
            "val_accuracy": 0.3,
            "steps": {"lr": [0.1] * 4 + [0.01] * 4},
        },
        "underfitting",
        "the training loss stays at 2, 13% below 2.3 at the start (limit 50%)",
    ),
    (
        {"predicted_shares": ONE_CLASS, "train_accuracy": 0.2},
        "one class predicted",
        "100.0% of validation are taken for class 0 (limit 95%)",
    ),
    (
        {"sure_mistakes": 0.44, "val_accuracy": 0.8, "train_accuracy": 0.82},
        "label noise",
        "20.0% of validation are taken for another class than they are labelled, in 44% of pairs surer than of one",
    ),
    (STANDING, "label noise", "though steps change half of the layers by up to 1.0%: labels have nothing to do with"),
    ({"val_accuracy": 0.1}, "label noise", "as by guessing (10.0%): labels have nothing to do with samples"),
    ({"facts": {"duplicates": {"test": 50}, "sizes": {"test": 500}}}, "leak", "50 of 500 test samples (10.0%) are"),
    ({"waiting": 0.6}, "loader-bound", "60% of the time of training is spent waiting for data, 10.0 ms a"),
    ({"memory": 0.95}, "memory-bound", "95% of the memory of the device was taken (limit 92%)"),
    (
        {"facts": {"overfits_batches": True}, "losses": (1.6, 1.5)},
        "unlearned batch",
        "after 160 steps on the same batches their loss is 1.5, 65% of 2.3 at the start (limit 10%)",
    ),
]


@pytest.mark.parametrize(("changes", "name", "figure"), FAULTS, ids=[f"{name}: {f[:9]}" for _, name, f in FAULTS])
def test_a_fault_is_told_alone_by_its_figures_with_overrides_that_the_run_has(
    changes: dict[str, Any], name: str, figure: str
) -> None:
    (verdict,) = verdicts(**changes)
    assert verdict.name == name and figure in verdict.finding
    assert (verdict.step, verdict.epoch) == (160, 8)
    assert verdict.remedies or name in ("leak", "loader-bound", "label noise")  # digits have no workers
    for remedy in verdict.remedies:
        assert composed(*CONFIG, *remedy.split())


def test_every_question_has_a_fault() -> None:
    assert {name for _, name, _ in FAULTS} == set(QUESTIONS)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layers": {"0": {"gradient_rms": [1e-9] * 6 + [0.01] * 2}}},  # vanished, but no longer
        {"layers": {"0": {"gradient_rms": 1e-4}}},  # as normal networks have it
        {"layers": {"0": {"gradient_norm": [0.1] * 5 + [90.0] * 3}}},  # the loss falls all the same
        {"layers": {"0": {"gradient_norm": math.nan}}, "steps": {"loss": [2.3] + [2.4] * 7}},  # no weights
        {"layers": {"act": {"dead": [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.3], "saturated": 0.5}}},
        {"layers": {"act": {"dead": [0.4] * 5 + [0.7] * 3}}},  # it was not born so
        {"layers": updates(0.2)},  # large, but it learns
        {"layers": updates(1e-6)},
        {
            "layers": updates(1e-6),
            "train_loss": [2.3, 2.3, 2.3, 2.29, 2.28, 2.25, 2.2, 2.1],
            "steps": {"lr": [0.001 * number for number in range(8)]},  # the schedule still rises
        },
        {"train_loss": 0.01, "val_loss": 0.2, "train_accuracy": 1.0, "val_accuracy": 0.98},  # learned, at its end
        {"steps": {"loss": [9.0] + [0.3] * 7}, "facts": {"num_classes": 0}},
        {"steps": {"loss": [0.5] + [0.3] * 7}, "facts": {"untrained": False}},
        {"steps": {"loss": [3.3] + [0.3] * 7}},  # of random weights
        {"val_loss": [1.1, 0.7, 0.5, 0.6, 0.5, 0.6, 0.5, 0.51]},
        {"val_loss": [1.1, 0.7, 0.5] + [0.6] * 5, "steps": {"lr": [0.01 * min(step, 6) for step in range(8)]}},
        {"val_loss": [1.1, 0.7, 0.5] + [0.6] * 5, "mistakes": 2},
        {"val_loss": [1.1, 0.7, 0.5] + [0.6] * 5, "train_loss": [0.61] * 4 + [0.6] * 4},  # nothing is learned by heart
        {"predicted_shares": ONE_CLASS},  # but not in training: batch norm, whose averages lag behind
        {"train_accuracy": 1.0, "val_accuracy": 0.9, "mistakes": 2},
        {"val_loss": [1.1, 0.7, 0.5] + [0.6] * 5, "steps": {"lr": [0.01] * 7 + [0.011]}},  # which rises for long
        {"val_loss": [2.3, 1.2, 0.7, 0.8, 0.7, 4.4, 1.5, 2.0]},  # batch norm, while steps are large
        {"val_accuracy": 0.85},
        {"predicted_shares": ONE_CLASS, "true_shares": [(0.97, *(0.03 / 9,) * 9)] * 8},
        {"sure_mistakes": 0.5, "val_accuracy": 0.45, "train_accuracy": 0.5},  # as diverged runs are
        {"sure_mistakes": 0.5, "val_accuracy": 0.96},  # what few labels every set has
        {"sure_mistakes": 0.3, "val_accuracy": 0.8, "train_accuracy": 0.82},  # hard, as opinions are
        {"sure_mistakes": 0.4, "val_accuracy": 0.9, "true_shares": [(0.88, *(0.12 / 9,) * 9)] * 8},  # little is learned
        {"train_accuracy": 0.99, "val_accuracy": 0.95},
        {"val_loss": [1.1, 0.7, 0.5, 0.01, 0.03, 0.03, 0.03, 0.03]},  # twice as much of next to nothing
        {"layers": {"0": {"gradient_rms": 1e-9}}},  # Adam does not mind
        {"predicted_shares": ONE_CLASS, "steps": {"lr": [0.001 * number for number in range(8)]}},
        {"waiting": 0.6, "waited": 0.004},  # a loop around tiny steps
        {"train_loss": 1.0, "val_loss": 1.0, "facts": {"num_classes": 0}, **NO_CLASSES},  # what a forecast can reach
        {"train_loss": -3.0, "val_loss": -2.9, "steps": {"loss": [-1.0] + [-3.0] * 7}, "facts": {"num_classes": 0}}
        | {**NO_CLASSES, "layers": updates(1e-4)},  # a likelihood
        {
            "layers": updates(1e-4),
            **STANDING,
            "train_loss": [2.3, 2.1, 2.05, 2.03, 2.02, 2.01, 2.005, 2.002],
            "train_accuracy": 0.3,
            "val_accuracy": 0.3,
            "facts": {"untrained": False},  # fine-tuned: it levels off
            "steps": {"lr": [0.1] * 4 + [0.01] * 4},
        },
        {"facts": {"duplicates": {"test": 4, "val": 0}, "sizes": {"test": 500, "val": 0}}},
        {"waiting": [0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9]},
        {
            "facts": {"overfits_batches": True},
            "losses": (0.1, 0.01),
            "val_accuracy": 0.1,
            "predicted_shares": ONE_CLASS,
        },
        dict.fromkeys(("train_loss", "val_loss", "train_accuracy", "val_accuracy", "waiting", "memory"), math.nan)
        | {"true_shares": (), "predicted_shares": (), "mistakes": math.nan, "sure_mistakes": math.nan},
    ],
)
def test_what_is_healthy_is_left_in_peace(changes: dict[str, Any]) -> None:
    assert names(**changes) == []


def test_nothing_is_said_of_nothing_or_twice_or_of_what_is_explained() -> None:
    assert diagnose(History(), {}) == []
    vanished = {"layers": {"0": {"gradient_rms": 1e-9}}, "predicted_shares": ONE_CLASS, **STANDING}
    assert verdicts(known=("vanishing gradients",), **vanished) == []


def test_a_verdict_without_remedies_says_what_is_wrong_alone() -> None:
    assert str(Verdict("leak", "5 of 9", (), 1, 1)) == "leak (epoch 1, step 1): 5 of 9"


def test_a_history_is_plain_and_keeps_its_first_and_its_last_steps() -> None:
    made = history()
    assert History.of(made.plain()).plain() == made.plain() or math.isnan(made.validations[0].train_accuracy)
    assert str(History.of(made.plain())) == str(made)
    for number in range(8, 5 * MOST_STEPS):
        made.add(Step(step=number, epoch=1, loss=1.0, lr=0.1))
    kept = [step.step for step in made.steps]
    assert len(kept) <= MOST_STEPS and kept == sorted(kept) and kept[0] == 0
    assert kept[-LATEST:] == list(range(5 * MOST_STEPS - LATEST, 5 * MOST_STEPS))
