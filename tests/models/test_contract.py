"""What holds for the model of every YAML file in configs/model that classifies images."""

from functools import cache
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from zoo.layers.activation import ACTIVATIONS

CONFIGS = Path(__file__).parents[2] / "configs" / "model"
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 48)]
NUM_CLASSES = 5
# Four images: with two, batch norm on 1x1 pixels maps to ±1 whatever comes in, and no gradient passes.
BATCH_SIZE = 4

IMAGE_MODELS = sorted(path.stem for path in CONFIGS.glob("*.yaml") if "data.image_size" in path.read_text())
IMAGE_MODELS += sorted(
    path.stem
    for path in CONFIGS.glob("*.yaml")
    if "data.in_channels" in path.read_text() and path.stem not in IMAGE_MODELS and ".cnn." in path.read_text()
)
