"""The pair of networks changes samples before it scores them, while it trains."""

import torch

from zoo.layers.diff_augment import DiffAugment
from zoo.models.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from zoo.models.gan.pair import GAN


def test_samples_are_augmented_while_training_and_their_gradients_reach_the_generator() -> None:
    torch.manual_seed(0)
    generator = DCGANGenerator(1, image_size=8, mean=[0.5], std=[0.5], latent_dim=4, width=4)
    model = GAN(generator, DCGANDiscriminator(1, image_size=8, width=4, norm=None), augment=DiffAugment(color=True))
    images, labels = torch.randn(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64)
    torch.manual_seed(1)
    scores = model.score(images, labels)
    torch.manual_seed(1)
    assert torch.equal(scores, model.discriminator(DiffAugment(color=True)(images)))
    assert torch.equal(model.eval().score(images, labels), model.discriminator(images))
    model.train().score(generator(torch.randn(4, 4)), labels).sum().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())
