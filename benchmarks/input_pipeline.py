"""Images per CPU second of crop, flip and normalise: whole batches against torchvision's pipeline a sample.

Both sides take 32 x 32 colour images as uint8 in batches of 128 on one thread, pad by 4 pixels, crop, flip and
normalise. They take turns for several rounds; each rate is the median round.

    python benchmarks/input_pipeline.py
"""

import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from zoo.data.augment import BatchAugment
from zoo.data.memory_images import MemoryImages

MEAN, STD = [0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]
BATCH_SIZE = 128
ROUNDS = 5


class RandomImages:
    """Random pixels, as many as CIFAR-10 has."""

    class_names = tuple("0123456789")

    def prepare(self) -> None:
        """Does nothing."""

    def load(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Returns the training split."""
        draw = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (50_000, 3, 32, 32), dtype=torch.uint8, generator=draw)
        return {"train": (images, torch.randint(0, 10, (50_000,), generator=draw))}


class PerSample(Dataset[tuple[Tensor, int]]):
    """What `torchvision.datasets.CIFAR10` does to a sample, with its first transforms.

    Args:
        images: uint8, (N, H, W, C).
        labels: class of each image.
    """

    def __init__(self, images: np.ndarray, labels: list[int]) -> None:
        self.images, self.labels = images, labels
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def whole_batches(data: MemoryImages, epoch: int) -> Iterator[Tensor]:
    """Yields the inputs of an epoch."""
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    for batch in loader:
        yield data.prepare_batch(batch, train=True)["input"]


def rate(batches: Iterator[Tensor], count: int) -> float:
    """Returns images per CPU second over the first `count` batches."""
    images, start = 0, time.process_time()
    for _ in range(count):
        images += len(next(batches))
    return images / (time.process_time() - start)


def main() -> None:
    """Prints both rates and their ratio."""
    torch.set_num_threads(1)
    data = MemoryImages(
        source=RandomImages(), batch_size=BATCH_SIZE, mean=MEAN, std=STD, augment=BatchAugment(crop=4, flip=0.5)
    )
    data.setup()
    samples = PerSample(data.images["train"].permute(0, 2, 3, 1).contiguous().numpy(), data.labels["train"].tolist())
    loader = DataLoader(samples, batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    ours, theirs = [], []
    for epoch in range(ROUNDS + 1):  # the first warms up
        ours.append(rate(whole_batches(data, epoch), len(data.train_dataloader())))
        theirs.append(rate((images for images, _ in loader), 20))
    batch_rate, sample_rate = statistics.median(ours[1:]), statistics.median(theirs[1:])
    print(f"whole batches:           {batch_rate:>9,.0f} images per CPU second")
    print(f"torchvision, per sample: {sample_rate:>9,.0f} images per CPU second")
    print(f"ratio: {batch_rate / sample_rate:.1f}x")


if __name__ == "__main__":
    main()
