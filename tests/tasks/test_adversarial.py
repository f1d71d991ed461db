"""Adversarial training: who steps when, what is averaged, and what is refused in words."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from zoo.checkpoint import load_checkpoint
from zoo.config.entry import compose
from zoo.errors import OptionError, TrainingStopped
from zoo.losses.adversarial import Hinge, NonSaturating, Relativistic
from zoo.models.gan.mlp import MLPDiscriminator, MLPGenerator
from zoo.models.gan.pair import GAN
from zoo.run import evaluate, train
from zoo.tasks.adversarial import AdversarialTask

TINY = ["data=ring", "data.num_samples=700", "data.num_eval_samples=100", "data.batch_size=100", "trainer=cpu"]
TINY += ["data.eval_batch_size=50", "model.generator.hidden_size=8", "model.discriminator.hidden_size=8"]
TINY += ["trainer.max_epochs=2", "logger.tensorboard=null", "callbacks.model_graph=null", "callbacks.console=null"]


def run_tiny(directory: Path, *overrides: str) -> dict[str, Any]:
    train(compose([*TINY, f"output_dir={directory}", *overrides]))
    metrics: dict[str, Any] = json.loads((directory / "metrics.json").read_text())
    return metrics


def test_steps_count_batches_and_the_checkpoint_repeats_the_test(tmp_path: Path) -> None:
    options = ["task.discriminator_steps=3", "scheduler=linear", "scheduler.warmup=0"]
    metrics = run_tiny(tmp_path, *options)
    assert metrics["global_step"] == 14
    last = load_checkpoint(tmp_path / "checkpoints" / "last.ckpt", option="ckpt")
    assert [schedule["last_epoch"] for schedule in last["lr_schedulers"]] == [4, 14]
    assert [float(state["state"][0]["step"]) for state in last["optimizer_states"]] == [4, 14]
    generators = [
        {name.partition(f"{kind}.")[2]: value for name, value in last["state_dict"].items() if name.startswith(kind)}
        for kind in ("average", "model.generator")
    ]
    assert generators[0].keys() == generators[1].keys()
    assert not torch.equal(*(state["layers.0.weight"] for state in generators))
    assert {"train/generator_loss", "val/modes", "test/high_quality_share"} <= metrics.keys()
    judged = evaluate(compose([f"ckpt={tmp_path}", "trainer.accelerator=cpu"], "evaluate"))
    for name in ("sliced_wasserstein", "high_quality_share", "discriminator_loss"):
        assert judged[f"test/{name}"] == pytest.approx(metrics[f"test/{name}"], abs=1e-6)
    assert (tmp_path / "report" / "samples.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["trainer.gradient_clip_val=1"], "trainer.gradient_clip_val: two networks are clipped apart; set task.gen"),
        (["trainer.accumulate_grad_batches=2"], "two networks step apart; set task.accumulate_batches=2"),
        (["scheduler=plateau"], "scheduler: plateau follows one metric"),
        (["data.batch_size=auto"], "data.batch_size: auto measures tasks of one network; give a number"),
        (["finetune=linear_probe"], "finetune: "),
    ],
)
def test_what_two_networks_cannot_do_is_refused_in_words(options: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        run_tiny(tmp_path, *options)


def test_accumulated_batches_are_one_step(tmp_path: Path) -> None:
    """In batches of 50 and of 100, in the same order and without noise, both networks end with the same weights."""
    recipe = ["optimizer=sgd", "optimizer.weight_decay=0", "optimizer.lr=0.1", "trainer.max_epochs=1"]
    recipe += ["model.generator._target_=tests.tasks.test_adversarial.NoNoise", "allow=[tests]"]
    whole = run_tiny(tmp_path / "whole", *recipe)
    parts = run_tiny(tmp_path / "parts", *recipe, "data.batch_size=50", "task.accumulate_batches=2")
    assert whole["global_step"] == parts["global_step"] == 7
    one, other = (
        load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt", option="ckpt")["state_dict"]
        for name in ("whole", "parts")
    )
    for name, values in one.items():
        assert torch.allclose(values, other[name], atol=1e-6), name


class NoNoise(MLPGenerator):
    """Makes the same of all noise."""

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.ones_like(noise))


def test_a_single_network_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="task: MLP is one network: this task trains two; set model=dcgan"):
        train(compose(["task=adversarial", "model=mlp", f"output_dir={tmp_path}"]))
    with pytest.raises(
        OptionError, match="task: the model is two networks: this task trains one; set task=adversarial"
    ):
        train(compose(["model=dcgan", "model.generator.width=2", f"output_dir={tmp_path}"]))


def test_classes_that_the_data_do_not_have_are_refused_in_words(tmp_path: Path) -> None:
    recipe = ["data=synthetic_images", "task=adversarial", f"output_dir={tmp_path}", "model.generator.width=2"]
    with pytest.raises(
        OptionError, match=r"model\.generator\.num_classes: 3, but the data have 10 classes; set it to 10"
    ):
        train(compose([*recipe, "model=dcgan", "model.generator.num_classes=3"]))
    with pytest.raises(ValueError, match="conditional, but there are no classes to tell; choose data with classes"):
        GAN(MLPGenerator(2), MLPDiscriminator(2), conditional=True)


def test_a_step_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"is not finite.*task.discriminator_clip=1"):
        run_tiny(tmp_path, "optimizer.discriminator.lr=1e30")


def test_each_network_is_clipped_by_its_own_limit(tmp_path: Path) -> None:
    recipe = ["optimizer=sgd", "optimizer.weight_decay=0", "trainer.max_epochs=1"]
    run_tiny(tmp_path / "started", *recipe, "optimizer.lr=0")
    run_tiny(tmp_path / "clipped", *recipe, "optimizer.lr=0.1", "task.generator_clip=1e-9")
    started, clipped = (
        load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt", option="ckpt")["state_dict"]
        for name in ("started", "clipped")
    )
    for network, stays in (("generator", True), ("discriminator", False)):
        name = f"model.{network}.layers.0.weight"
        assert torch.allclose(started[name], clipped[name], atol=1e-6) == stays


@pytest.mark.parametrize("criterion", [NonSaturating(), Hinge(r1=1.0), Relativistic(r1=1.0, r2=1.0)])
def test_the_generators_step_computes_no_gradients_of_the_discriminators_weights(
    criterion: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = GAN(MLPGenerator(2, hidden_size=8), MLPDiscriminator(2, hidden_size=8))
    task = AdversarialTask(model, criterion=criterion, optimizer=torch.optim.SGD)
    taken: list[list[bool]] = []

    def step(network: int) -> None:
        taken.append([parameter.grad is not None for parameter in model.discriminator.parameters()])

    monkeypatch.setattr(task, "_step", step)
    monkeypatch.setattr(task, "manual_backward", torch.Tensor.backward)
    real, labels = torch.randn(16, 2), torch.zeros(16, dtype=torch.int64)
    batch = {"input": real, "index": torch.arange(16)}
    task._train_generator(batch, 0, [(task._generate(labels), real, labels)])
    assert not any(taken[0])
    assert all(parameter.grad is not None for parameter in model.generator.parameters())
    assert all(parameter.requires_grad for parameter in model.discriminator.parameters())


@pytest.mark.parametrize("criterion", [Hinge(r1=1.0), Relativistic(r1=1.0, r2=1.0)])
def test_spectral_norm_advances_once_a_step_of_each_network(criterion: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = GAN(MLPGenerator(2, hidden_size=8), MLPDiscriminator(2, hidden_size=8))
    first = model.discriminator.layers[0]
    spectral_norm(first)
    task = AdversarialTask(model, criterion=criterion, optimizer=torch.optim.SGD)
    monkeypatch.setattr(task, "_step", lambda network: None)
    monkeypatch.setattr(task, "manual_backward", torch.Tensor.backward)
    real, fake, labels = torch.randn(16, 2), torch.randn(16, 2), torch.zeros(16, dtype=torch.int64)
    batch = {"input": real, "index": torch.arange(16)}
    for step in (
        lambda: task._train_discriminator(batch, 0, real, fake, labels, steps=True),
        lambda: task._train_generator(batch, 0, [(task._generate(labels), real, labels)]),
    ):
        expected = copy.deepcopy(first)
        assert expected.weight.requires_grad  # computing it advances its vectors
        step()
        assert torch.equal(first.parametrizations.weight[0]._u, expected.parametrizations.weight[0]._u)


def test_any_generator_says_how_wide_its_noise_is() -> None:
    with pytest.raises(ValueError, match="generator Linear has no latent_dim"):
        GAN(nn.Linear(2, 2), MLPDiscriminator(2))
