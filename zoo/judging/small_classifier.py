"""A small classifier that learns the classes of some data in a minute or less, for its features."""

import itertools
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.data.base import DataModule, Split
from zoo.data.order import generator
from zoo.layers.image import height_and_width
from zoo.models.cnn.convnet import ConvNet
from zoo.models.image_features import resized

WIDTH, DEPTH = 16, 3
NUM_FEATURES = WIDTH * 2 ** (DEPTH - 1)
RECIPE = "2"  # to be raised with each change that gives other weights
_MOST_PIXELS = 32  # of a side
_MOST_IMAGES = 100_000  # about
_BATCH, _LR, _STEPS, _MOST_EPOCHS = 64, 1e-2, 2500, 20


class _Table(NamedTuple):
    """Images of a split, normalised, and their labels."""

    images: Tensor
    labels: Tensor


def size_seen(image_size: int | Sequence[int]) -> list[int]:
    """Returns the height and the width to which images are resized."""
    return [min(side, _MOST_PIXELS) for side in height_and_width(image_size)]


def build(num_classes: int, in_channels: int, image_size: Sequence[int]) -> nn.Module:
    """Returns the network with random weights, which are the same each time."""
    depth = min(DEPTH, min(image_size).bit_length())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        width = NUM_FEATURES // 2 ** (depth - 1)
        return ConvNet(num_classes, in_channels, image_size=image_size, depth=depth, width=width)


def train(network: nn.Module, data: DataModule, size: Sequence[int], device: torch.device) -> float:
    """Trains the network on the training split and returns its accuracy on the validation split.

    Nothing random is taken from the run that it is trained for.

    Args:
        network: in place.
        data: labelled images.
        size: height and width that images are resized to.
        device: where to compute.
    """
    started = time.perf_counter()
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        table = _table(data, "train", size, device)
        network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        steps = max(1, len(table.images) // _BATCH)
        epochs = min(_MOST_EPOCHS, max(2, round(_STEPS / steps)))
        what = f"training a classifier on {len(table.images):,} images, {epochs} epochs"
        print(f"metric.features: {what}", file=sys.stderr, flush=True)
        optimizer = torch.optim.AdamW(network.parameters(), lr=_LR)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LR, total_steps=epochs * steps)
        for epoch in range(epochs):
            order = torch.randperm(len(table.images), generator=generator("feature classifier", epoch)).to(device)
            for rows in torch.split(order, _BATCH)[:steps]:
                loss = functional.cross_entropy(network(table.images[rows]), table.labels[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
        network.eval().requires_grad_(False)
        table = _table(data, "val", size, device)
        with torch.no_grad():
            preds = torch.cat([network(images).argmax(1) for images in torch.split(table.images, 500)])
    accuracy = float((preds == table.labels).float().mean())
    seconds = time.perf_counter() - started
    print(f"metric.features: val accuracy {accuracy:.3f}, {seconds:.1f} s", file=sys.stderr, flush=True)
    return accuracy


def _table(data: DataModule, split: Split, size: Sequence[int], device: torch.device) -> _Table:
    """Returns the images of a split, or evenly spaced batches of them where all would be too many."""
    images, labels = [], []
    loader: Any = data.scan_loaders()[split]
    for loaded in itertools.islice(loader, 0, None, 1 + len(loader) * loader.batch_size // _MOST_IMAGES):
        batch = data.prepare_batch({name: values.to(device) for name, values in loaded.items()}, train=False)
        images.append(resized(batch["input"], size).contiguous(memory_format=torch.channels_last))
        labels.append(batch["target"])
    return _Table(torch.cat(images), torch.cat(labels))
