"""The judges of a run that generates images: one for each stage, by the features that `metric.features` names."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from zoo.config.allowed import granted
from zoo.data.base import DataModule, Split
from zoo.errors import OptionError
from zoo.judging.feature_network import OPTION, FeatureNetwork, choose
from zoo.judging.judge import ImageJudge, SplitFeatures
from zoo.models.image_features import PixelFeatures, Preprocessing

_FACTS = {"in_channels", "image_size", "mean", "std"}  # that images have
_OF_CLASSES = ("confidence", "class_entropy", "class_recall")
_NEED_FEATURES = ("fid", "kid", "precision", "recall", "density", "coverage", *_OF_CLASSES)
_WITHOUT = "val/sliced_wasserstein"


@dataclass
class Judges:
    """Who judges.

    Attributes:
        stages: by what the trainer does: "fit", "validate" or "test".
        default: what is monitored where `task.monitor` is val/fid: that, or what can be told in its place.
    """

    stages: Mapping[str, ImageJudge]
    default: str

    def monitor(self, asked: str) -> str:
        """Returns what is monitored.

        Args:
            asked: `task.monitor`.

        Raises:
            OptionError: it needs features, and there are none.
        """
        if asked == "val/fid":
            return self.default
        if self.default == _WITHOUT and asked.removeprefix("val/") in _NEED_FEATURES:
            remedy = f"set {OPTION}=inception or a classifier's run, or task.monitor={_WITHOUT}"
            raise OptionError("task.monitor", f"{asked} needs features of images, and there are none", remedy)
        return asked


def judges_of(cfg: DictConfig, data: DataModule) -> Judges:
    """Returns the judges of the images that a task generates; none where the data are no images.

    Args:
        cfg: the config of a run.
        data: that it generates the like of; `setup` has been called.

    Raises:
        OptionError: the network for features cannot be had, or does not fit.
    """
    preprocessing, sizes = data.preprocessing(), getattr(data, "sizes", {})
    if not preprocessing.keys() >= _FACTS or "features" in preprocessing:
        return Judges({}, _WITHOUT)
    asked = OmegaConf.select(cfg, OPTION, default="auto")
    network = choose(asked, data, packages=granted(cfg))
    if network is None and asked == "auto":
        problem = "data without classes train no network for features, so that FID and its like are left out"
        print(f"{OPTION}: {problem}; set {OPTION}=inception or a classifier's run", file=sys.stderr)
    features = SplitFeatures(data, network or _pixels(Preprocessing(**preprocessing)))
    limit = OmegaConf.select(cfg, "metric.val_samples")
    if limit is not None and limit < 1:
        raise OptionError("metric.val_samples", f"{limit} given", "give a number from 1 on")
    every = -(-sizes.get("val", 1) // limit) if limit else 1
    enough = {split: _has_fid(network, size // (every if split == "val" else 1)) for split, size in sizes.items()}
    if network is not None and (few := [s for s in ("val", "test") if not enough.get(s, True)]):
        what = " and ".join(f"{sizes[split]} images of {split}" for split in few)
        problem = f"{what} for {network.num_features} features are too few for a Fréchet distance, which is left out"
        print(f"{OPTION}: {problem}; look at kid, which has no bias", file=sys.stderr)
    splits: dict[str, Split] = {"fit": "val", "validate": "val", "test": "test"}
    stages = {
        stage: ImageJudge(
            features,
            split,
            every=every if stage == "fit" else 1,
            with_metrics=network is not None,
            with_fid=enough[split],
            final=stage != "fit" and "train" in sizes,
        )
        for stage, split in splits.items()
        if split in sizes and (stage != "fit" or network is not None)
    }
    default = _WITHOUT if network is None else "val/fid" if enough.get("val") else "val/kid"
    return Judges(stages, default)


def _has_fid(network: FeatureNetwork | None, num_images: int) -> bool:
    """Whether the covariance of so many images is not singular."""
    return network is not None and num_images > network.num_features


def _pixels(given: Preprocessing) -> FeatureNetwork:
    pixels = PixelFeatures(given)
    return FeatureNetwork(lambda _: (pixels, ""), num_features=pixels.num_features, identity=f"pixels {pixels.size}")
