"""The two networks of a generative adversarial network, any generator with any discriminator.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio, "Generative Adversarial Nets", 2014,
arXiv:1406.2661.
"""

from jaxtyping import Float, Int64
from torch import Tensor, nn


class GAN(nn.Module):
    """A generator and the discriminator that it is trained against.

    Args:
        generator: makes samples (B, ...) of noise (B, Z); says how wide that is by `latent_dim`. One with `num_classes`
            that is not None is called with classes (B,), too.
        discriminator: scores samples (B, ...) by one number (B,), or (B, 1), high where they look real; likewise.
        augment: changes samples before they are scored, real and generated ones alike, such as
            `zoo.layers.diff_augment.DiffAugment`; None for nothing.
        conditional: whether the networks must be told classes.

    Raises:
        ValueError: the generator does not say how wide its noise is, or there are no classes to tell.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        augment: nn.Module | None = None,
        conditional: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(getattr(generator, "latent_dim", None), int):
            name = type(generator).__name__
            raise ValueError(f"generator {name} has no latent_dim: it must say how wide its noise is; choose another")
        if conditional and not (is_conditional(generator) and is_conditional(discriminator)):
            raise ValueError(
                "conditional, but there are no classes to tell; choose data with classes, or another model"
            )
        self.generator, self.discriminator, self.augment = generator, discriminator, augment
        self.latent_dim: int = generator.latent_dim  # type: ignore[assignment]

    def forward(self, x: Float[Tensor, "B *sample"]) -> Float[Tensor, "B"]:
        """Scores of samples; of those of no known class where classes are asked for."""
        return self.score(x, x.new_zeros(len(x)).long())

    def score(self, x: Float[Tensor, "B *sample"], labels: Int64[Tensor, "B"]) -> Float[Tensor, "B"]:
        """Scores of samples, augmented while training, high where they look real."""
        x = x if self.augment is None else self.augment(x)
        scores: Tensor = self.discriminator(x, labels) if is_conditional(self.discriminator) else self.discriminator(x)
        return scores.flatten()


def generate(
    generator: nn.Module, noise: Float[Tensor, "B Z"], labels: Int64[Tensor, "B"]
) -> Float[Tensor, "B *sample"]:
    """Returns samples that a generator makes of noise, and of classes where it takes them."""
    samples: Tensor = generator(noise, labels) if is_conditional(generator) else generator(noise)
    return samples


def is_conditional(network: nn.Module) -> bool:
    """Whether a network is told the class of a sample."""
    return getattr(network, "num_classes", None) is not None
