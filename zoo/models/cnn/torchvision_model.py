"""Any image classifier of torchvision by its name, with or without its ImageNet weights."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from zoo.layers.image import height_and_width
from zoo.layers.naming import unknown_name
from zoo.models.cnn.wrapped import WrappedClassifier
from zoo.models.pretrained import hub_file, load_weights, tensors_only, with_channels
from zoo.ranges import PositiveInt


class TorchvisionClassifier(WrappedClassifier):
    """A classifier of torchvision with a new head, and a first convolution that takes any number of channels.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        name: such as "resnet18" or "efficientnet_b0"; `torchvision.models.list_models()` lists them.
        image_size: side of the images, or height and width, which only vision transformers (vit) ask for; None for what
            torchvision takes.
        weights: None starts from random weights; "DEFAULT", or another name that torchvision gives such as
            "IMAGENET1K_V1", downloads them; the hash in the name of the file is compared each time.
        arguments: more arguments of torchvision's builder, such as {"dropout": 0.3}.

    Raises:
        ValueError: if the name, the weights or an argument is unknown, or the weights cannot be downloaded.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        name: str = "resnet18",
        weights: str | None = None,
        image_size: int | Sequence[int] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        options = {**_grid(name, image_size), **dict(arguments or {})}
        is_fitted = weights is not None and "image_size" in options  # torchvision itself loads only what fits exactly
        network = build_classifier(name, None if is_fitted else weights, options)
        _replace_head(network, num_classes)
        if in_channels != 3:
            replace_first_convolution(network, in_channels, keep_weights=weights is not None)
        super().__init__(network)
        if weights is not None:
            change = {_first_convolution(self)[0] + ".weight": f"to {in_channels} channels"} if in_channels != 3 else {}
            self.load_report = load_weights(self, _file(name, weights)) if is_fitted else self.loaded(change)

    @staticmethod
    def published_preprocessing(*, name: str, weights: str | None = None, **_: Any) -> dict[str, Any]:
        """Returns mean, std, image_size and center_crop that torchvision's weights were trained with.

        Args:
            name: of the network.
            weights: their name, None for the default ones.

        Raises:
            ValueError: there are no such weights.
        """
        transforms = _weights(name, weights or "DEFAULT").transforms()
        mean, std = list(transforms.mean), list(transforms.std)
        if weights is None and name in ("googlenet", "inception_v3"):  # with its own weights the network changes these
            mean, std = [0.5] * 3, [0.5] * 3
        return {
            "mean": mean,
            "std": std,
            "image_size": transforms.crop_size[0],
            "center_crop": round(transforms.crop_size[0] / transforms.resize_size[0], 4),
        }

    def fitted(self, name: str, saved: Tensor) -> Tensor | None:
        """Returns the positions of a vision transformer, interpolated for this one's images; None for all else."""
        if not name.endswith("encoder.pos_embedding"):
            return None
        from torchvision.models.vision_transformer import interpolate_embeddings

        size, patch = self.network.image_size, self.network.patch_size
        try:
            state = interpolate_embeddings(size, patch, OrderedDict({"encoder.pos_embedding": saved}))
        except ValueError:  # no square
            return None
        result: Tensor = state["encoder.pos_embedding"]
        return result


def build_classifier(name: str, weights: str | None, arguments: dict[str, Any]) -> nn.Module:
    """The network as torchvision builds it, without auxiliary heads.

    Raises:
        ValueError: if the name, the weights or an argument is unknown, or the weights cannot be downloaded.
    """
    from torchvision import models

    names = models.list_models(module=models)
    if name not in names:
        raise unknown_name("torchvision classifier", name, names)
    if weights is None and name in ("googlenet", "inception_v3"):
        arguments = {"init_weights": True, **arguments}  # they warn where it is left open
    if hidden := {"pretrained", "weights"} & arguments.keys():
        raise ValueError(f"torchvision {name}: weights are not named in arguments; give pretrained=, not {min(hidden)}")
    try:
        if weights is not None:
            _file(name, weights)
        with tensors_only():
            network: nn.Module = models.get_model(name, weights=weights, **arguments)
    except UnpicklingError as error:
        remedy = "set weights to null and load a file"
        raise ValueError(f"weights {weights} of torchvision {name} hold more than tensors; {remedy}") from error
    except TypeError as error:
        raise ValueError(f"torchvision {name}: {error}; correct the arguments") from error
    if name in ("googlenet", "inception_v3"):
        # With auxiliary heads they return tuples of logits while training.
        network.aux_logits = False  # type: ignore[assignment]
        for auxiliary in ("aux1", "aux2", "AuxLogits"):
            if hasattr(network, auxiliary):
                setattr(network, auxiliary, None)
    return network


def _grid(name: str, image_size: int | Sequence[int] | None) -> dict[str, Any]:
    """The argument of a network that takes images of one size alone.

    Raises:
        ValueError: the images are no squares.
    """
    if image_size is None or not name.startswith("vit_"):
        return {}
    height, width = height_and_width(image_size)
    if height != width:
        raise ValueError(f"image {height}x{width}: torchvision {name} takes squares; set data.image_size={height}")
    return {"image_size": height}


def _weights(name: str, weights: str) -> Any:
    from torchvision import models

    names = models.list_models(module=models)
    if name not in names:
        raise unknown_name("torchvision classifier", name, names)
    known = models.get_model_weights(name)
    if weights not in known.__members__:
        raise unknown_name(f"weights of torchvision {name}", weights, known.__members__)
    return known[weights]


def _file(name: str, weights: str) -> Path:
    return hub_file(_weights(name, weights).url, f"{weights} of torchvision {name}")


def _replace_head(network: nn.Module, num_classes: int) -> None:
    """Put a new last layer, linear or 1x1 convolution, in place of the one for ImageNet's classes."""
    path, head = [item for item in network.named_modules() if isinstance(item[1], nn.Linear | nn.Conv2d)][-1]
    bias = head.bias is not None
    if isinstance(head, nn.Linear):
        network.set_submodule(path, nn.Linear(head.in_features, num_classes, bias=bias))
    else:
        network.set_submodule(path, nn.Conv2d(head.in_channels, num_classes, kernel_size=1, bias=bias))
    if hasattr(network, "num_classes"):
        network.num_classes = num_classes  # type: ignore[assignment]


def replace_first_convolution(network: nn.Module, in_channels: int, *, keep_weights: bool) -> None:
    """Make the first convolution take `in_channels` instead of three.

    Pretrained kernels are averaged over colours and scaled by 3 / in_channels: a grey image then gives exactly what it
    gave with its value in all three colours.
    """
    path, conv = _first_convolution(network)
    adapted = nn.Conv2d(
        in_channels,
        conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        bias=conv.bias is not None,
    )
    if keep_weights:
        with torch.no_grad():
            adapted.weight.copy_(with_channels(conv.weight, in_channels))
            adapted.bias = conv.bias
    network.set_submodule(path, adapted)
    if hasattr(network, "transform_input"):
        network.transform_input = False  # type: ignore[assignment]  # it re-normalises red, green and blue


def _first_convolution(network: nn.Module) -> tuple[str, Any]:
    return next((path, module) for path, module in network.named_modules() if isinstance(module, nn.Conv2d))
