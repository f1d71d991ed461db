"""Each regulariser is found where it lives, and taking it out leaves the others as they are."""

import pytest

from zoo.config.entry import compose
from zoo.config.regularisers import FINDERS, removals


@pytest.mark.parametrize(
    ("options", "name", "overrides"),
    [
        (["data=digits"], "dropout", ["model.dropout=0"]),
        (["data=digits", "model=lenet"], "dropout", []),
        (["data=sst2", "model=lstm", "model.weight_drop=0.5"], "dropout", ["model.dropout=0", "model.weight_drop=0"]),
        (["data=digits", "optimizer=sgd", "optimizer.weight_decay=0"], "weight_decay", []),
        (["data=digits", "data.augment.mixup=0.2"], "mixup", ["data.augment.mixup=0"]),
        (["data=digits", "data.augment=null"], "augmentation", []),
        (["data=mr", "data.word_dropout=0.1"], "augmentation", ["data.word_dropout=0"]),
        (["data=digits", "callbacks=[ema,early_stopping]"], "ema", ["callbacks.ema=null"]),
        (["data=digits", "callbacks=[ema,early_stopping]"], "early_stopping", ["callbacks.early_stopping=null"]),
        (["data=digits", "trainer.gradient_clip_val=1"], "gradient_clipping", ["trainer.gradient_clip_val=null"]),
        (["experiment=ring_wgan_gp"], "gradient_penalty", ["task.criterion.gradient_penalty=0"]),
        (["experiment=ring_wgan_gp"], "ema", ["task.average_decay=0"]),
    ],
)
def test_a_regulariser_is_found_at_home(options: list[str], name: str, overrides: list[str]) -> None:
    assert removals(compose(options))[name] == overrides


def test_a_default_of_the_class_counts_where_the_config_is_silent() -> None:
    options = ["data=digits", "optimizer=adamw", "~optimizer.weight_decay"]
    assert removals(compose(options))["weight_decay"] == ["optimizer.weight_decay=0"]  # torch's own is 0.01


def test_augmentation_goes_without_the_mixing_of_samples() -> None:
    found = removals(compose(["data=digits", "data.augment.cutmix=1.0"]))
    assert found["augmentation"] == [f"data.augment.{name}" for name in ("crop=0", "rotate=0.0", "scale=0.0")]


@pytest.mark.parametrize(
    "options",
    [
        ["experiment=finetune", "data.root=photos"],
        ["experiment=hymenoptera_probe"],
        ["experiment=fashion_mnist_resnet", "data.augment.mixup=0.2"],
        ["experiment=fsdd_strings_ctc"],
        ["experiment=fashion_mnist_sngan"],
        ["experiment=sst2_textcnn"],
    ],
    ids=" ".join,
)
def test_taking_one_out_composes_and_leaves_the_others(options: list[str]) -> None:
    found = removals(compose(options))
    on = {name: overrides for name, overrides in found.items() if overrides}
    assert len(on) > 1 and found.keys() == FINDERS.keys()
    for name, overrides in on.items():
        left = removals(compose([*options, *overrides]))
        assert not left[name]
        assert {other for other in on if left[other]} == on.keys() - {name}
