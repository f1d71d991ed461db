"""Adversarial losses: what a discriminator and a generator minimise, as pairs of functions of the scores.

- `NonSaturating` and `Minimax`: Goodfellow et al., "Generative Adversarial Nets", 2014, arXiv:1406.2661.
- `Hinge`: Lim, Ye, "Geometric GAN", 2017, arXiv:1705.02894; Miyato et al., 2018, arXiv:1802.05957.
- `LeastSquares`: Mao et al., "Least Squares Generative Adversarial Networks", 2017, arXiv:1611.04076.
- `Wasserstein`: Arjovsky, Chintala, Bottou, "Wasserstein GAN", 2017, arXiv:1701.07875; its gradient penalty: Gulrajani
  et al., "Improved Training of Wasserstein GANs", 2017, arXiv:1704.00028.
- `Relativistic`: Jolicoeur-Martineau, 2018, arXiv:1807.00734; with R1 and R2: Huang, Gokaslan, Kuleshov, Tompkin, "The
  GAN is dead; long live the GAN! A Modern GAN Baseline" (R3GAN), 2024, arXiv:2501.05441.
- R1 and R2: Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually Converge?", 2018,
  arXiv:1801.04406; computed every few steps: Karras et al., 2020, arXiv:1912.04958.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zoo.ranges import NonNegativeFloat, PositiveFloat, PositiveInt

Score = Callable[[Tensor], Tensor]


class AdversarialLoss(nn.Module):
    """Base of the pairs: `discriminator` and `generator` of scores, and the penalties that any of them may add.

    Args:
        r1: weight of half the squared gradient of the score at real samples.
        r2: weight likewise at generated samples.
        penalty_every: steps from one with penalties, which then count as much more, to the next.

    Attributes:
        needs_real: whether the generator is told the scores of real samples.
    """

    needs_real = False

    def __init__(
        self, *, r1: NonNegativeFloat = 0.0, r2: NonNegativeFloat = 0.0, penalty_every: PositiveInt = 1
    ) -> None:
        super().__init__()
        self.r1, self.r2, self.penalty_every = r1, r2, penalty_every

    def discriminator(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Loss of the discriminator."""
        raise NotImplementedError

    def generator(self, fake: Float[Tensor, "B"], real: Float[Tensor, "B"] | None = None) -> Float[Tensor, ""]:
        """Loss of the generator."""
        raise NotImplementedError

    def penalties(self, score: Score, real: Tensor, fake: Tensor, *, step: int) -> dict[str, Tensor]:
        """Returns what is added to the discriminator's loss, by name; nothing in steps without penalties.

        Args:
            score: the discriminator.
            real: samples, (B, ...).
            fake: generated samples, (B, ...).
            step: steps taken before this one.
        """
        if step % self.penalty_every:
            return {}
        weights = {"r1": (self.r1, real), "r2": (self.r2, fake)}
        return {
            name: self.penalty_every * weight / 2 * squared_gradients(score, samples).mean()
            for name, (weight, samples) in weights.items()
            if weight
        }

    def constrain(self, discriminator: nn.Module) -> None:
        """Changes the discriminator's weights after its step; by default nothing."""


class NonSaturating(AdversarialLoss):
    """Cross-entropy, whose generator makes its samples more likely to be taken for real."""

    def discriminator(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Cross-entropy of real against generated."""
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()

    def generator(self, fake: Float[Tensor, "B"], real: Float[Tensor, "B"] | None = None) -> Float[Tensor, ""]:
        """-log D(G(z))."""
        return functional.softplus(-fake).mean()


class Minimax(NonSaturating):
    """The first formulation, whose generator learns little while the discriminator is sure."""

    def generator(self, fake: Float[Tensor, "B"], real: Float[Tensor, "B"] | None = None) -> Float[Tensor, ""]:
        """log(1 - D(G(z)))."""
        return -functional.softplus(fake).mean()


class Hinge(AdversarialLoss):
    """Scores count until they are beyond a margin of 1."""

    def discriminator(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """What is missing to the margin on both sides."""
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()

    def generator(self, fake: Float[Tensor, "B"], real: Float[Tensor, "B"] | None = None) -> Float[Tensor, ""]:
        """The negative score."""
        return -fake.mean()


class LeastSquares(AdversarialLoss):
    """Scores are drawn to 1 for real and 0 for generated samples."""

    def discriminator(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Half the squared distances to 1 and 0."""
        return ((real - 1).square().mean() + fake.square().mean()) / 2

    def generator(self, fake: Float[Tensor, "B"], real: Float[Tensor, "B"] | None = None) -> Float[Tensor, ""]:
        """Half the squared distance to 1."""
        return (fake - 1).square().mean() / 2


class Wasserstein(AdversarialLoss):
    """The difference of scores, from a discriminator held to a slope of 1.

    Args:
        gradient_penalty: weight of the squared distance of the slope to 1, between real and generated samples.
        clip: limit of each weight of the discriminator, the way of the first paper; None for none.
        r1: see `AdversarialLoss`.
        r2: likewise.
        penalty_every: likewise.
    """

    def __init__(
        self,
        *,
        gradient_penalty: NonNegativeFloat = 10.0,
        clip: PositiveFloat | None = None,
        r1: NonNegativeFloat = 0.0,
        r2: NonNegativeFloat = 0.0,
        penalty_every: PositiveInt = 1,
    ) -> None:
        super().__init__(r1=r1, r2=r2, penalty_every=penalty_every)
        self.gradient_penalty, self.clip = gradient_penalty, clip

    def discriminator(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Mean score of generated less that of real samples."""
        return fake.mean() - real.mean()

    def generator(self, fake: Float[Tensor, "B"], real: Float[Tensor, "B"] | None = None) -> Float[Tensor, ""]:
        """The negative score."""
        return -fake.mean()

    def penalties(self, score: Score, real: Tensor, fake: Tensor, *, step: int) -> dict[str, Tensor]:
        """Adds the gradient penalty."""
        found = super().penalties(score, real, fake, step=step)
        if self.gradient_penalty and step % self.penalty_every == 0:
            share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
            slope = (squared_gradients(score, real.lerp(fake, share)) + 1e-12).sqrt()
            found["gradient_penalty"] = self.penalty_every * self.gradient_penalty * (slope - 1).square().mean()
        return found

    @torch.no_grad()
    def constrain(self, discriminator: nn.Module) -> None:
        """Clips the weights, where that is asked for."""
        if self.clip is not None:
            torch._foreach_clamp_min_(list(discriminator.parameters()), -self.clip)
            torch._foreach_clamp_max_(list(discriminator.parameters()), self.clip)


class Relativistic(AdversarialLoss):
    """Each real sample against a generated one: R3GAN where `r1` and `r2` are set."""

    needs_real = True

    def discriminator(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Cross-entropy of real being more real than generated."""
        return functional.softplus(fake - real).mean()

    def generator(self, fake: Float[Tensor, "B"], real: Float[Tensor, "B"] | None = None) -> Float[Tensor, ""]:
        """Cross-entropy of generated being more real than real."""
        assert real is not None, "the task gives the scores of real samples where needs_real says so"
        return functional.softplus(real - fake).mean()


def squared_gradients(score: Score, samples: Float[Tensor, "B *sample"]) -> Float[Tensor, "B"]:
    """Returns the squared norm of the score's gradient at each sample; it can be differentiated again."""
    with torch.enable_grad(), torch.autocast(samples.device.type, enabled=False):
        samples = samples.detach().requires_grad_(True)
        (gradients,) = torch.autograd.grad(score(samples).sum(), samples, create_graph=True)
    return gradients.flatten(1).square().sum(1)
