"""Which network's features generated images are judged by: what `metric.features` names."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from zoo.checkpoint import find_checkpoint
from zoo.config.allowed import grant
from zoo.config.construct import construct
from zoo.data.base import DataModule
from zoo.data.order import rank_and_world_size
from zoo.errors import OptionError
from zoo.failure import explained
from zoo.judging import small_classifier
from zoo.judging.cache import cached, digest_of, key_of
from zoo.layers.naming import importable
from zoo.models.cnn.torchvision_model import TorchvisionClassifier, build_classifier
from zoo.models.cnn.wrapped import WrappedClassifier
from zoo.models.image_features import ImageFeatures, Preprocessing
from zoo.models.pretrained import read_content, tensors_of

OPTION = "metric.features"
_OTHERS = f"set {OPTION}=auto, or the path of a classifier's run"
_CHUNK = 500  # images at once


class FeatureNetwork:
    """A network of features with what must be told of it.

    Args:
        make: returns the network and its description, the first time it is needed.
        num_features: D.
        identity: tells it from any other one.
        class_names: of its logits.
    """

    def __init__(
        self,
        make: Callable[[torch.device], tuple[nn.Module, str]],
        *,
        num_features: int,
        identity: str,
        class_names: Sequence[str] = (),
    ) -> None:
        self.make, self.num_features, self.identity = make, num_features, identity
        self.class_names = list(class_names)
        self._made: tuple[nn.Module, str] | None = None

    def _get(self, device: torch.device) -> tuple[nn.Module, str]:
        if self._made is None:
            with torch.inference_mode(False):
                network, description = self.make(device)
            if description and rank_and_world_size()[0] == 0:
                print(f"{OPTION}: {description}, {self.num_features} features", file=sys.stderr, flush=True)
            self._made = network.eval().to(memory_format=torch.channels_last), description  # type: ignore[call-overload]
        return self._made

    @property
    def description(self) -> str | None:
        """What a metric's record says of it; None before it was needed."""
        return f"{self._made[1]}, {self.num_features} features" if self._made else None

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns features (B, D) and logits (B, K), if any, of normalised images (B, C, H, W)."""
        network = self._get(images.device)[0].to(images.device)
        with torch.autocast(images.device.type, enabled=False):
            parts = [network(part) for part in torch.split(images.float(), _CHUNK)]
        features = torch.cat([features for features, _ in parts])
        return features, None if parts[0][1] is None else torch.cat([logits for _, logits in parts])


def choose(name: str | None, data: DataModule, *, packages: Sequence[str] = ()) -> FeatureNetwork | None:
    """Returns what `metric.features` names.

    Args:
        name: auto, inception, the path of a classifier's run or checkpoint, or none.
        data: of images; `setup` has been called.
        packages: whose classes a checkpoint may build.

    Returns:
        None where none is asked for, or data without classes leave none to `auto`.

    Raises:
        OptionError: it cannot be had, or does not fit the data.
    """
    if name in (None, "none"):
        return None
    given = Preprocessing(**data.preprocessing())
    with torch.random.fork_rng(devices=[]):  # networks that are made here take nothing from the run's randomness
        if name == "auto":
            return _trained_here(data, given)
        if name == "inception":
            return _inception(given)
        return _of_checkpoint(str(name), given, packages)


def _trained_here(data: DataModule, given: Preprocessing) -> FeatureNetwork | None:
    sizes = getattr(data, "sizes", {})
    if len(data.class_names) < 2 or not {"train", "val"} <= sizes.keys():
        return None
    size = small_classifier.size_seen(given.size)
    own = Preprocessing(given.in_channels, size, given.mean, given.std)
    key = key_of("classifier", small_classifier.RECIPE, data.fingerprint, data.preprocessing(), list(data.class_names))

    def make(device: torch.device) -> tuple[nn.Module, str]:
        network = small_classifier.build(len(data.class_names), given.in_channels, size)

        def train() -> dict[str, Any]:
            accuracy = small_classifier.train(network, data, size, device)
            return {"state_dict": network.cpu().state_dict(), "accuracy": accuracy}

        found = cached(key, train)
        network.load_state_dict(found["state_dict"])
        description = f"convnet trained on the training split (val accuracy {found['accuracy']:.3f})"
        return ImageFeatures(network, given=given, own=own), description

    return FeatureNetwork(
        make, num_features=small_classifier.NUM_FEATURES, identity=key, class_names=list(data.class_names)
    )


def _inception(given: Preprocessing) -> FeatureNetwork:
    """Inception-v3 as torchvision has trained it; other libraries' weights give other distances."""
    seen = TorchvisionClassifier.published_preprocessing(name="inception_v3", weights="DEFAULT")
    own = Preprocessing(3, seen["image_size"], seen["mean"], seen["std"])
    try:
        network = WrappedClassifier(build_classifier("inception_v3", "DEFAULT", {}))
    except (ValueError, OSError) as error:
        problem = " ".join(str(error).split()).partition("; ")[0]
        raise OptionError(OPTION, problem, _OTHERS) from error
    features = explained(OPTION, ImageFeatures, network, given=given, own=own)
    description = "Inception-v3 of torchvision, trained on ImageNet"
    identity = key_of("inception", digest_of(network.state_dict()))
    return FeatureNetwork(lambda _: (features, description), num_features=features.num_features, identity=identity)


def _of_checkpoint(name: str, given: Preprocessing, packages: Sequence[str]) -> FeatureNetwork:
    path = find_checkpoint(name, option=OPTION)
    content = explained(OPTION, read_content, path)
    saved = content.get("zoo") if isinstance(content, dict) else None
    if not isinstance(saved, dict):
        raise OptionError(OPTION, f"{path} is no checkpoint of a run", "name that of a classifier of images")
    seen = saved["preprocessing"]
    if not saved["class_names"] or not {"in_channels", "image_size", "mean", "std"} <= seen.keys():
        raise OptionError(OPTION, f"{path} is of no classifier of images", "name that of one")
    own, network = Preprocessing(**seen), _restored(content, path, packages)
    if own.in_channels != given.in_channels:
        problem = f"{path} sees images of {own.in_channels} channels, but these have {given.in_channels}"
        raise OptionError(OPTION, problem, "name a classifier of such images, or auto")
    features: ImageFeatures = explained(OPTION, ImageFeatures, network, given=given, own=own)
    _, logits = features(torch.zeros(2, given.in_channels, *given.size))
    if logits.shape[1:] != (len(saved["class_names"]),):
        raise OptionError(OPTION, f"{path} is of no classifier of images", "name that of one")
    accuracy = (content.get("task") or {}).get("callback_metrics", {}).get("val/accuracy")
    description = f"{path}" + (f" (val accuracy {accuracy:.3f})" if accuracy is not None else "")
    return FeatureNetwork(
        lambda _: (features, description),
        num_features=features.num_features,
        identity=key_of("checkpoint", saved["config"]["model"], seen, digest_of(network.state_dict())),
        class_names=saved["class_names"],
    )


def _restored(content: Mapping[str, Any], path: Path, packages: Sequence[str]) -> nn.Module:
    """Returns the model of a checkpoint with its weights."""
    cfg = OmegaConf.create({"model": dict(content["zoo"]["config"]["model"])})
    if "weights" in cfg.model:
        cfg.model.weights = None  # the checkpoint's own come instead
    grant(cfg, packages)
    with importable(packages):
        network: nn.Module = explained(OPTION, construct, cfg.model, OPTION)
    if not hasattr(network, "layer_groups"):
        raise OptionError(OPTION, f"{path} is of a {type(network).__name__}", "name that of a classifier of images")
    try:
        network.load_state_dict(tensors_of(content, path))
    except RuntimeError as error:
        problem = f"the weights of {path} do not fit its model"
        raise OptionError(OPTION, problem, "name a run that was trained without finetune=lora") from error
    return network
