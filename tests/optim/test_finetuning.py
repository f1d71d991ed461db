"""What is frozen when, that it stays as it was to the last bit, and how fast the rest learns."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.faults.processes import TINY
from zoo.checkpoint import load_checkpoint
from zoo.config.entry import compose
from zoo.errors import OptionError
from zoo.models.cnn.resnet_cifar import ResNetCIFAR
from zoo.optim import schedules
from zoo.optim.finetuning import BiasOnly, FineTuning, Gradual, LinearProbe, LoRA, reestimate
from zoo.optim.muon import Muon
from zoo.optim.optimizers import build_optimizer
from zoo.run import evaluate, train

GROUPS = ["stem", "stages.0", "stages.1", "stages.2", "head"]
IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(**options: Any) -> ResNetCIFAR:
    torch.manual_seed(0)
    return ResNetCIFAR(3, 3, depth=8, width=4, **options)


def trained(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def thawed(model: nn.Module) -> list[str]:
    return [group for group in GROUPS if any(name.startswith(f"{group}.") for name in trained(model))]


def steps(model: nn.Module, make: Any, count: int = 3) -> None:
    optimizer = build_optimizer(make, model)
    for _ in range(count):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(IMAGES), torch.tensor([0, 1, 2] * 2)).backward()
        optimizer.step()


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_groups_thaw_one_after_the_other_from_the_head_down() -> None:
    model, gradual = network(), Gradual(every_n_epochs=2)
    seen = []
    for epoch in range(10):
        gradual.apply(model, epoch)
        seen.append(len(thawed(model)))
    assert seen == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    gradual.apply(model, 2)
    assert thawed(model) == ["stages.2", "head"]  # whatever came before


@pytest.mark.parametrize(
    "make",
    [
        partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5),
        partial(torch.optim.RMSprop, lr=0.1, momentum=0.9, weight_decay=0.1),
        partial(Muon, lr=0.1, weight_decay=0.5),
    ],
)
def test_frozen_layers_stay_as_they_were_to_the_last_bit(make: Any) -> None:
    model = network(dropout=0.5)
    LinearProbe().apply(model, 0)
    before = state(model)
    steps(model, make)
    assert changed(before, model.state_dict()) == {"head.weight", "head.bias"}


def test_layers_that_thaw_begin_to_learn() -> None:
    model, gradual = network(), Gradual()
    optimizer = build_optimizer(partial(torch.optim.AdamW, lr=0.1), model)
    before = state(model)
    for epoch in range(2):
        gradual.apply(model, epoch)
        optimizer.zero_grad()
        model(IMAGES).square().sum().backward()
        optimizer.step()
    names = changed(before, model.state_dict())
    assert {name.split(".")[0] + name.split(".")[1] for name in names} == {"headweight", "headbias", "stages2"}
    assert "stages.2.0.norm1.running_mean" in names and "stages.1.0.norm1.running_mean" not in names


def test_frozen_layers_are_in_eval_and_the_rest_is_not() -> None:
    model = network(dropout=0.5)
    LinearProbe().apply(model.train(), 0)
    assert not any(module.training for module in model.stages.modules() if isinstance(module, nn.BatchNorm2d))
    assert model.dropout.training and model.head.training


def test_every_batch_norm_may_keep_its_statistics_while_its_weights_learn() -> None:
    model = network()
    before = state(model)
    FineTuning(eval_norm=True).apply(model, 0)
    steps(model, partial(torch.optim.SGD, lr=0.1))
    names = changed(before, model.state_dict())
    assert "stem.norm.weight" in names and not any("running" in name for name in names)


def test_bias_only_trains_the_biases_and_the_head() -> None:
    model = network()
    BiasOnly().apply(model, 0)
    biases = {name for name, _ in model.named_parameters() if name.endswith("bias")}
    assert trained(model) == biases | {"head.weight"}


def test_lora_trains_the_adapters_and_the_head() -> None:
    model = network()
    lora = LoRA(rank=2)
    lora.prepare(model)
    lora.apply(model, 0)
    adapters = {name for name, _ in model.named_parameters() if ".adapter." in name}
    assert len(adapters) == 14  # of seven convolutions; shortcuts are paddings
    assert trained(model) == adapters | {"head.weight", "head.bias"}
    before = state(model)
    steps(model, partial(torch.optim.AdamW, lr=0.1))
    assert changed(before, model.state_dict()) == trained(model)


def test_what_the_model_itself_holds_fixed_stays_fixed() -> None:
    model = network()
    model.stem.norm.weight.requires_grad_(False)
    tuning = Gradual()
    tuning.prepare(model)
    tuning.apply(model, 99)
    assert "stem.norm.weight" not in trained(model) and "stem.norm.bias" in trained(model)


def test_learning_rates_fall_from_the_head_to_the_input() -> None:
    model = network()
    factors = FineTuning(lr_decay=0.5, backbone_lr_factor=0.1).lr_factors(model)
    optimizer = build_optimizer(partial(torch.optim.AdamW, lr=1.0), model, lr_factors=factors)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    named = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
    expected = dict(zip(GROUPS, [0.1 * 0.5**4, 0.1 * 0.5**3, 0.1 * 0.5**2, 0.1 * 0.5, 1.0], strict=True))
    assert all(rate == pytest.approx(expected[next(g for g in GROUPS if n.startswith(g))]) for n, rate in named.items())
    assert all(group["weight_decay"] == 0 for group in optimizer.param_groups if "no_decay" in group["name"])


@pytest.mark.parametrize(
    "schedule", ["constant", "cosine", "linear", "one_cycle", "step", "warmup_stable_decay", "plateau"]
)
def test_every_schedule_scales_each_group_by_its_own_rate(schedule: str) -> None:
    model = network()
    factors = FineTuning(lr_decay=0.5).lr_factors(model)
    optimizer = build_optimizer(partial(torch.optim.SGD, lr=0.4), model, lr_factors=factors)
    base = [group["lr"] for group in optimizer.param_groups]
    scheduler = getattr(schedules, schedule)(optimizer, 10)
    for _ in range(12):
        optimizer.step()
        scheduler.step(*([1.0] if schedule == "plateau" else []))
        shares = [group["lr"] / rate for group, rate in zip(optimizer.param_groups, base, strict=True)]
        assert shares == pytest.approx([shares[0]] * len(base))


def test_an_optimizer_with_one_rate_for_all_is_refused() -> None:
    with pytest.raises(ValueError, match="LBFGS has one learning rate for all layers; set"):
        build_optimizer(torch.optim.LBFGS, network(), lr_factors=FineTuning(lr_decay=0.5).lr_factors(network()))


def test_statistics_are_measured_anew_as_a_mean_over_batches() -> None:
    model = network()
    model.eval()
    batches = [IMAGES[:3], IMAGES[3:] * 2 + 1]
    assert reestimate(model, model, batches) == 7
    seen = torch.stack([model.stem.conv(batch).mean((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(model.stem.norm.running_mean, seen)
    assert not any(module.training for module in model.modules()) and model.stem.norm.momentum == 0.1


def test_the_table_says_what_is_trained_when_and_how_fast() -> None:
    model, gradual = network(), Gradual(every_n_epochs=2, lr_decay=0.5)
    gradual.prepare(model)
    make = partial(torch.optim.SGD, lr=0.4)
    table = gradual.table(model, build_optimizer(make, model, lr_factors=gradual.lr_factors(model)))
    lines = [line.split() for line in table.splitlines()]
    assert lines[1] == ["stem", "116", "116", "0.025", "9"]
    assert lines[5] == ["head", "51", "51", "0.4", "1"]
    assert LinearProbe().table(model, build_optimizer(make, model)).splitlines()[1].split()[2:] == ["0", "-", "-"]


RESNET = ["model=resnet_cifar", "model.depth=8", "model.width=4", "trainer.max_epochs=2"]
SMALL = [*(option for option in TINY if "model=" not in option and "hidden_sizes" not in option), *RESNET]


def test_a_run_with_an_average_in_half_precision_leaves_frozen_layers_as_they_were(tmp_path: Path) -> None:
    options = [*SMALL, "callbacks=ema", "trainer.precision=bf16-mixed", "optimizer=muon"]
    train(compose([*options, f"output_dir={tmp_path / 'first'}"]))
    init = f"init_from={tmp_path / 'first'}"
    train(compose([*options, "finetune=linear_probe", init, f"output_dir={tmp_path / 'second'}"]))
    first, second = (
        load_checkpoint(tmp_path / run / "checkpoints" / "best.ckpt", option="ckpt")["state_dict"]
        for run in ("first", "second")
    )
    model = {name for name in first if name.startswith("model.")}
    assert changed(first, second) & model == {"model.head.weight", "model.head.bias"}


def test_a_run_of_adapters_can_be_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["finetune=lora", "finetune.rank=2", "finetune.lr_decay=0.9"]
    train(compose([*SMALL, *options, f"output_dir={tmp_path}"]))
    captured = capsys.readouterr()
    assert "stages.2" in captured.out and "trainable" in captured.out
    assert "finetune: the layers that are frozen have random weights; name weights by pretrained=" in captured.err
    metrics = evaluate(compose([f"ckpt={tmp_path}"], "evaluate"))
    assert f"test/loss{'':15}{metrics['test/loss']:.4f}" in captured.out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            ["finetune=lora", "finetune.rank=64"],
            r"finetune: stem.conv: rank 64: .* has no more than 4; lower",
        ),
        (["finetune=lora", "finetune.targets=attention"], "finetune: targets 'attention': no linear layer"),
        (["finetune.lr_decay=0.5", "optimizer._target_=torch.optim.LBFGS"], "optimizer: LBFGS has one learning rate"),
    ],
)
def test_what_cannot_be_fine_tuned_is_named(options: list[str], problem: str, tmp_path: Path) -> None:
    drop = ["~optimizer.weight_decay"] if "LBFGS" in options[-1] else []
    with pytest.raises(OptionError, match=problem):
        train(compose([*SMALL, *options, *drop, f"output_dir={tmp_path}"]))
