"""The adversarial step of the zoo, all services on, against a bare hand-written loop on the same networks.

The sides take turns in two processes. The bare loop is the strongest that is usually written by hand: images
normalised once and held as floats, noise drawn once a batch, its samples judged by both networks' losses, no gradients
of the discriminator's weights in the generator's step, an averaged generator by one call of `torch._foreach_lerp_`, and
nothing logged. The zoo's side is `zoo.build` with its default callbacks and loggers, without validation.

    python benchmarks/adversarial_step.py [--only ring|tiny|dcgan|sngan] [--rounds 5]
"""

import tempfile
import time
from typing import Any, NamedTuple

import torch
from hydra.utils import instantiate
from interleaved import compare_chosen, seconds_a_step
from torch.nn.functional import softplus

from zoo.build import build
from zoo.config.entry import compose

BAR = 0.97
EPOCHS = 2  # counted; the first is not


class Case(NamedTuple):
    """One comparison.

    Attributes:
        options: overrides that choose data and networks.
        sample: shape of a sample.
        batch_size: samples in a batch.
        batches: batches an epoch.
    """

    options: list[str]
    sample: tuple[int, ...]
    batch_size: int
    batches: int


IMAGES = ["data=synthetic_images", "task=adversarial", "data.in_channels=1"]
CASES = {
    "ring": Case(["data=ring"], (2,), 256, 400),
    "tiny": Case([*IMAGES, "data.image_size=8", "data.source.num_samples=14500"], (1, 8, 8), 64, 200),
    "dcgan": Case([*IMAGES, "data.image_size=28", "data.source.num_samples=3600"], (1, 28, 28), 64, 48),
    "sngan": Case([*IMAGES, "data.image_size=28", "data.source.num_samples=3600", "model=sngan"], (1, 28, 28), 64, 48),
}


def config(case: Case, directory: str) -> Any:
    """The config of both sides."""
    return compose(
        [
            *case.options,
            "trainer=cpu",
            f"data.batch_size={case.batch_size}",
            f"trainer.max_epochs={EPOCHS + 1}",
            "trainer.limit_val_batches=0",
            f"trainer.limit_train_batches={case.batches}",
            f"output_dir={directory}/run",
        ]
    )


def zoo_seconds(name: str) -> float:
    """Seconds a step of the zoo."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        return seconds_a_step(config(CASES[name], directory), time.process_time)


def bare_seconds(name: str) -> float:
    """Seconds a step of the bare loop."""
    torch.set_num_threads(1)
    case = CASES[name]
    with tempfile.TemporaryDirectory() as directory:
        run = build(config(case, directory), started=time.perf_counter())  # for its networks
    model, latent_dim = run.task.model, run.task.model.latent_dim
    generator, discriminator, average = model.generator, model.discriminator, run.task.average
    cfg = config(case, "")
    steps_g = instantiate(cfg.optimizer.generator)(generator.parameters())
    steps_d = instantiate(cfg.optimizer.discriminator)(discriminator.parameters())
    samples = torch.randn(case.batches * case.batch_size, *case.sample)
    averaged, current = list(average.parameters()), list(generator.parameters())
    started = 0.0
    for epoch in range(EPOCHS + 1):
        if epoch == 1:
            started = time.process_time()
        order: Any = torch.randperm(len(samples))
        for rows in order.split(case.batch_size):
            fake = generator(torch.randn(case.batch_size, latent_dim))
            real_score, fake_score = discriminator(samples[rows]), discriminator(fake.detach())
            steps_d.zero_grad()
            (softplus(-real_score).mean() + softplus(fake_score).mean()).backward()
            steps_d.step()
            discriminator.requires_grad_(False)
            steps_g.zero_grad()
            softplus(-discriminator(fake)).mean().backward()
            steps_g.step()
            discriminator.requires_grad_(True)
            with torch.no_grad():
                torch._foreach_lerp_(averaged, current, 0.001)
    return (time.process_time() - started) / (EPOCHS * case.batches)


if __name__ == "__main__":
    compare_chosen(__doc__, bare_seconds, zoo_seconds, dict.fromkeys(CASES, BAR))
