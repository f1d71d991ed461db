"""Any image classifier of timm by its name: about a thousand more backbones, with the extra `zoo[timm]`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from zoo.layers.image import height_and_width
from zoo.layers.naming import unknown_name
from zoo.models.cnn.wrapped import WrappedClassifier
from zoo.models.pretrained import tensors_only
from zoo.ranges import PositiveInt

# Arguments by which timm would load a file that nobody has named as weights, or one of any address.
_HIDDEN = {"checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay"}


class TimmClassifier(WrappedClassifier):
    """A classifier of timm; timm itself fits the head, and the first convolution to the channels.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        name: such as "mobilenetv3_small_100"; `timm.list_models()` lists them.
        weights: None starts from random weights; "DEFAULT" downloads those that timm prefers, other text those of that
            tag, such as "a1_in1k".
        image_size: side of the images, or height and width, which only networks that take one size alone ask for; None
            for what timm takes.
        arguments: more arguments of `timm.create_model`, such as {"drop_path_rate": 0.1}, or {"img_size": 64} for a
            transformer.

    Raises:
        ValueError: if timm is not installed, the name or an argument is unknown, or the weights cannot be downloaded.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        name: str = "mobilenetv3_small_100",
        weights: str | None = None,
        image_size: int | Sequence[int] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        if hidden := _HIDDEN & set(arguments or {}):
            raise ValueError(f"timm {name}: weights are not named in arguments; give pretrained=, not {min(hidden)}")
        published = _published(name, weights)
        options: dict[str, Any] = {"num_classes": num_classes, "in_chans": in_channels}
        if image_size is not None and published.fixed_input_size:
            options["img_size"] = list(height_and_width(image_size))
        if weights is not None:
            options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(_file(name, published))}}
        super().__init__(_build(name, **{**options, **dict(arguments or {})}))
        if weights is not None:
            self.load_report = self.loaded({})

    @staticmethod
    def published_preprocessing(*, name: str, weights: str | None = None, **_: Any) -> dict[str, Any]:
        """Returns mean, std, image_size and center_crop that timm's weights were trained with.

        Args:
            name: of the network.
            weights: their tag; None for the default ones.

        Raises:
            ValueError: timm is not installed, or there is no such network or tag.
        """
        published = _published(name, weights)
        return {
            "mean": list(published.mean),
            "std": list(published.std),
            "image_size": published.input_size[1],
            "center_crop": published.crop_pct,
        }


def _published(name: str, weights: str | None) -> Any:
    """What timm says of a network and its weights.

    Raises:
        ValueError: timm is not installed, or there is no such network or tag.
    """
    try:
        import timm
    except ImportError as error:
        raise ValueError(f"model {name}: timm is not installed; run `make install EXTRAS=dev,timm`") from error
    tagged = name if weights in (None, "DEFAULT") else f"{name}.{weights}"
    architecture, _, tag = tagged.partition(".")  # what follows the dot names pretrained weights
    if not timm.is_model(architecture):
        raise unknown_name("timm model", name, timm.list_models())
    known = [full.partition(".")[2] for full in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in known:
        raise unknown_name(f"weights of timm {architecture}", tag, ["DEFAULT", *known])
    if weights is not None and not known:
        raise ValueError(f"timm {name}: there are no published weights; set pretrained=null, or name a file")
    return timm.get_pretrained_cfg(tagged)


def _file(name: str, published: Any) -> Path:
    """The file of weights: in torch's cache under the name of the network and the tag, or in that of Hugging Face.

    Raises:
        ValueError: it is in neither, and cannot be downloaded.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    ours = Path(torch.hub.get_dir(), "checkpoints", f"{published.architecture}.{published.tag}.safetensors")
    if ours.is_file():
        return ours
    source, file = published.hf_hub_id, "model.safetensors"
    found = try_to_load_from_cache(source, file)
    try:
        return Path(found if isinstance(found, str) else hf_hub_download(source, file))
    except Exception as error:  # whatever its client for the web raises
        remedy = f"put {file} of huggingface.co/{source} into {ours.parent} as {ours.name}"
        raise ValueError(f"weights of timm {name} cannot be downloaded ({_first_line(error)}); {remedy}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:160]


def _build(name: str, **arguments: Any) -> nn.Module:
    import timm

    try:
        with tensors_only():
            network: nn.Module = timm.create_model(name, **arguments)
    except UnpicklingError as error:
        raise ValueError(f"weights of timm {name} hold more than tensors; choose other weights") from error
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"timm {name}: {error}; correct the arguments, or choose another model") from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise ValueError(f"weights of timm {name} are damaged ({error}); download them anew") from error
    return network
