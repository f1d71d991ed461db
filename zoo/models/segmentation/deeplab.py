"""DeepLabV3 and FCN of torchvision by their names, with or without published weights.

Liang-Chieh Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017, arXiv:1706.05587;
Jonathan Long, Evan Shelhamer, Trevor Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2014,
arXiv:1411.4038.
"""

from collections.abc import Mapping
from pickle import UnpicklingError
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.errors import OptionError
from zoo.layers.naming import unknown_name
from zoo.models.cnn.torchvision_model import replace_first_convolution
from zoo.models.cnn.wrapped import stacked_parts
from zoo.models.pretrained import hub_file, tensors_only
from zoo.ranges import PositiveInt

_FAMILIES = ("deeplabv3_", "fcn_")


class TorchvisionSegmentation(nn.Module):
    """Names the class of each pixel, of images of any size and any number of channels.

    Args:
        num_classes: K, number of classes; the last layer is a new one unless the weights have as many.
        in_channels: C, channels of the images.
        name: "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50", "deeplabv3_resnet101", "fcn_resnet50" or
            "fcn_resnet101".
        weights: None starts from random weights; "DEFAULT", or another name that torchvision gives of the whole
            network, such as "COCO_WITH_VOC_LABELS_V1", or of its backbone, such as "IMAGENET1K_V1", downloads them; the
            hash in the name of the file is compared each time.
        auxiliary: whether a second head on features from the middle is trained as well; while training, the logits of
            both are returned.

    Raises:
        ValueError: if the name or the weights are unknown, or cannot be downloaded.
    """

    # The library's own weights lack the prefix; `load_weights` reads this.
    published_names: ClassVar[Mapping[str, str]] = {"^": "network."}

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        name: str = "deeplabv3_mobilenet_v3_large",
        weights: str | None = None,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        network = _build(name, weights, auxiliary=auxiliary)
        if not auxiliary:
            network.aux_classifier = None
        heads = [head for head in (network.classifier, network.aux_classifier) if head is not None]
        for head in heads:
            if head[-1].out_channels != num_classes:
                head[-1] = nn.Conv2d(head[-1].in_channels, num_classes, kernel_size=1)
        if in_channels != 3:
            replace_first_convolution(network.backbone, in_channels, keep_weights=weights is not None)
        self.network = network

    @staticmethod
    def published_preprocessing(*, name: str, weights: str | None = None, **_: Any) -> dict[str, Any]:
        """Returns what images were to the published weights: the mean and the standard deviation of each channel.

        Args:
            name: of the network.
            weights: their name, None for the default ones.
            _: other arguments of the class.
        """
        transforms = _chosen(name, weights or "DEFAULT")[1].transforms()
        return {"mean": list(transforms.mean), "std": list(transforms.std)}

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"] | Float[Tensor, "2 B K H W"]:
        """Logits of the pixels; while an auxiliary head is trained, those of both heads.

        Raises:
            OptionError: a batch of one image is trained on.
        """
        if self.training and len(images) == 1:  # one value a channel has no variance
            raise OptionError("data.batch_size", "1, but batch norm over whole images needs two", "set it to 2 or more")
        outputs: dict[str, Tensor] = self.network(images)
        if self.training and "aux" in outputs:
            return torch.stack((outputs["out"], outputs["aux"]))  # (2, B, K, H, W)
        return outputs["out"]

    def layer_groups(self) -> list[list[nn.Module]]:
        """The parts of the backbone, what each head has before its last layer, and these last layers."""
        backbone = self.network.backbone
        assert isinstance(backbone, nn.Module)
        whole = sum(parameter.numel() for parameter in backbone.parameters())
        heads: list[Any] = [head for head in (self.network.classifier, self.network.aux_classifier) if head is not None]
        before = [layer for head in heads for layer in list(head)[:-1]]
        return [*([part] for part in stacked_parts(backbone, whole=whole)), before, [head[-1] for head in heads]]


def _build(name: str, weights: str | None, *, auxiliary: bool) -> Any:
    """The network as torchvision builds it.

    Raises:
        ValueError: if the name or the weights are unknown, or cannot be downloaded.
    """
    from torchvision import models

    names = [each for each in models.list_models(module=models.segmentation) if each.startswith(_FAMILIES)]
    if name not in names:
        raise unknown_name("torchvision segmentation", name, names)
    options: dict[str, Any] = {"weights": None, "weights_backbone": None, "aux_loss": auxiliary}
    if weights is not None:
        option, chosen = _published(name, weights)
        options[option] = chosen
        if option == "weights":
            options["aux_loss"] = True  # the file has it
    try:
        with tensors_only():
            return models.get_model(name, **options)
    except UnpicklingError as error:
        remedy = "set weights to null and load a file"
        raise ValueError(f"weights {weights} of torchvision {name} hold more than tensors; {remedy}") from error


def _published(name: str, weights: str) -> tuple[str, Any]:
    """Downloads weights of a network or of its backbone, and returns torchvision's argument and its value for them."""
    option, chosen = _chosen(name, weights)
    hub_file(chosen.url, f"{weights} of torchvision {name}")
    return option, chosen


def _chosen(name: str, weights: str) -> tuple[str, Any]:
    """Returns torchvision's argument for weights, of a network or of its backbone, and its value."""
    from torchvision import models

    whole, backbone = models.get_model_weights(name), models.get_model_weights(name.split("_", 1)[1])
    if weights in whole.__members__:
        return "weights", whole[weights]
    if weights in backbone.__members__:
        return "weights_backbone", backbone[weights]
    raise unknown_name(f"weights of torchvision {name}", weights, [*whole.__members__, *backbone.__members__])
