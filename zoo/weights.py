"""What `pretrained` and `init_from` name: a file or a name, and what images were to the weights in it."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from zoo.checkpoint import find_checkpoint
from zoo.config.allowed import granted, locate
from zoo.download import local_file
from zoo.errors import OptionError
from zoo.failure import explained
from zoo.models.pretrained import SUFFIXES, preprocessing_of, read_content
from zoo.resume import Resumed

PREPROCESSING = ("mean", "std", "image_size", "center_crop")  # that pretrained weights have, too


def weights_file(cfg: DictConfig) -> Path | None:
    """Returns the file that `pretrained` means, None where it is the name of published weights, or null.

    Raises:
        OptionError: there is no such file, or the model has no published weights.
    """
    if not cfg.pretrained:
        return None
    file: Path | None = explained("pretrained", local_file, cfg.pretrained)
    if file is not None and file.is_dir():
        return find_checkpoint(file, option="pretrained")
    if file is not None and file.is_file():
        return file
    if file is not None or Path(cfg.pretrained).suffix in SUFFIXES:
        raise OptionError("pretrained", f"there is no file {cfg.pretrained}", "correct the path")
    if "weights" not in cfg.model:
        problem = f"{cfg.pretrained} is no file, and this model has no published weights"
        raise OptionError("pretrained", problem, "give the path of a file of weights")
    return None


def take_preprocessing(cfg: DictConfig, saved: Resumed | None) -> None:
    """Writes into `cfg.data`, where it leaves them to the data, what images are to pretrained weights."""
    started = saved is not None and saved.checkpoint["zoo"]["config"].get("init_from")
    if not (cfg.pretrained or cfg.init_from or started) or "features" in cfg.data:
        return
    content: Any
    if saved is not None and started:  # init_from is not said again when a run goes on
        content = saved.checkpoint
    elif cfg.init_from:
        content = explained("init_from", read_content, find_checkpoint(cfg.init_from, option="init_from"))
    else:
        file = weights_file(cfg)
        content = explained("pretrained", read_content, file) if file is not None else None
    found: dict[str, Any] = preprocessing_of(content)
    model = locate("model._target_", cfg.model["_target_"], granted(cfg))
    if not found and cfg.pretrained and not cfg.init_from and hasattr(model, "published_preprocessing"):
        weights = cfg.pretrained if content is None else None
        found = explained("pretrained", model.published_preprocessing, **{**cfg.model, "weights": weights})
    channels = cfg.data.get("in_channels")
    for name, value in found.items():
        if name not in PREPROCESSING or name not in cfg.data or cfg.data[name] is not None:
            continue
        if name in ("mean", "std") and channels != len(value):
            if channels is None:
                continue  # the data are measured
            value = [sum(value) / len(value)] * channels
        cfg.data[name] = value
