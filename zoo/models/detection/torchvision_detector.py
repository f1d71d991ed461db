"""What the detectors of torchvision have in common here: the interface of this project's models.

They neither resize nor normalise: images come as the network sees them. Objects to be ignored are left out of what is
to be learned; torchvision's losses cannot pass over a region.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from zoo.models.cnn.wrapped import stacked_parts
from zoo.models.detection.boxes import filled_up
from zoo.models.detection.classifier_pyramid import colours_of

Targets = list[dict[str, Tensor]]


class DenseOutputs(NamedTuple):
    """What a dense detector says of a batch.

    Attributes:
        head: its outputs by name, each (B, A, ...), A anchors.
        anchors: of each image (A, 4).
        levels: how many anchors there are on each level.
        size: height and width of the images.
    """

    head: dict[str, Tensor]
    anchors: list[Tensor]
    levels: list[int]
    size: tuple[int, int]


class TorchvisionDetector(nn.Module):
    """A detector of torchvision.

    Args:
        network: the detector.
        max_detections: at most so many objects are found.
    """

    # The library's own weights lack the prefix, and a file may be of the classifier alone; `load_weights` reads these.
    published_names: ClassVar[Mapping[str, str]] = {
        r"^(?!network\.|backbone\.|rpn\.|roi_heads\.|head\.)": "network.backbone.body.",
        r"^(?!network\.)": "network.",
    }
    ignored_names: ClassVar[str] = r"^network\.backbone\.body\."  # the classifier's own head
    first_label: ClassVar[int] = 0  # 1 where 0 stands for the background

    def __init__(self, network: nn.Module, *, max_detections: int) -> None:
        super().__init__()
        self.network: Any = network
        self.max_detections = max_detections

    @staticmethod
    def published_preprocessing(*, backbone: str = "mobilenet_v3_large", **_: Any) -> dict[str, Any]:
        """Returns the mean and std of the images that published weights were trained on."""
        return colours_of(backbone)

    def starts_anew(self, names: Iterable[str]) -> tuple[str, ...]:
        """Returns what the names begin with of all that a file of the classifier alone lacks."""
        if any(name.startswith("network.backbone.fpn.") for name in names):
            return ()
        return tuple(f"network.{part}." for part in ("backbone.fpn", "head", "rpn", "roi_heads"))

    def losses(
        self,
        outputs: Any,
        boxes: Float[Tensor, "B M 4"],
        labels: Int64[Tensor, "B M"],
        ignored: Bool[Tensor, "B M"],
    ) -> dict[str, Tensor]:
        """What is wrong with the predictions, by part.

        Args:
            outputs: of `forward`.
            boxes: in pixels of the input.
            labels: -1 where there is no object.
            ignored: objects that are not to be learned.
        """
        kept = (labels >= 0) & ~ignored
        targets = [
            {"boxes": own[there], "labels": classes[there] + self.first_label}
            for own, classes, there in zip(boxes, labels, kept, strict=True)
        ]
        parts = self.compute_losses(outputs, targets)
        return {f"{name.removeprefix('loss_')}_loss": part for name, part in parts.items()}

    def detect(self, outputs: Any) -> Float[Tensor, "B D 6"]:
        """Returns detections, x1 y1 x2 y2 score label, best first, filled up with score 0 and label -1."""
        found = []
        for own in self.find(outputs):
            labels = (own["labels"] - self.first_label)[:, None].to(own["boxes"].dtype)
            found.append(torch.cat([own["boxes"], own["scores"][:, None].to(labels.dtype), labels], dim=1).float())
        return filled_up(found, self.max_detections)

    def compute_losses(self, outputs: Any, targets: Targets) -> dict[str, Tensor]:
        """Returns the parts of the loss, as torchvision names them."""
        raise NotImplementedError

    def find(self, outputs: Any) -> list[dict[str, Tensor]]:
        """Returns the `boxes`, `scores` and `labels` of each image, best first, as torchvision does."""
        raise NotImplementedError

    def layer_groups(self) -> list[list[nn.Module]]:
        """The parts of the backbone, then all that stands on it."""
        backbone, heads = self.network.backbone, [self.network.head]
        if hasattr(backbone, "layer_groups"):
            return [*backbone.layer_groups(), heads]
        whole = sum(parameter.numel() for parameter in backbone.parameters())
        return [*([part] for part in stacked_parts(backbone, whole=whole)), heads]


class DenseDetector(TorchvisionDetector):
    """A detector of torchvision that says something at each place, in one stage."""

    def forward(self, images: Float[Tensor, "B C H W"]) -> DenseOutputs:
        """What the head says at each anchor."""
        features = list(self.network.backbone(images).values())
        head = {name: value.float() for name, value in self.network.head(features).items()}
        anchors = self.network.anchor_generator(as_list(images), features)
        places = [level.shape[-2] * level.shape[-1] for level in features]
        each = len(anchors[0]) // sum(places)
        return DenseOutputs(head, anchors, [each * count for count in places], size_of(images))

    def find(self, outputs: DenseOutputs) -> list[dict[str, Tensor]]:
        """Returns the boxes, scores and labels of each image."""
        by_level = {name: list(torch.split(value, outputs.levels, dim=1)) for name, value in outputs.head.items()}
        anchors = [list(torch.split(own, outputs.levels)) for own in outputs.anchors]
        sizes = [outputs.size] * len(anchors)
        found: list[dict[str, Tensor]] = self.network.postprocess_detections(by_level, anchors, sizes)
        return found


def as_list(images: Tensor) -> ImageList:
    """Returns a batch as torchvision hands it round."""
    return ImageList(images, [size_of(images)] * len(images))


def size_of(images: Tensor) -> tuple[int, int]:
    """Returns height and width."""
    return images.shape[-2], images.shape[-1]


def new_classifier(old: nn.Conv2d, out_channels: int) -> nn.Conv2d:
    """Returns a last convolution for other classes, which begins as torchvision's do."""
    layer = nn.Conv2d(old.in_channels, out_channels, old.kernel_size, stride=old.stride, padding=old.padding)  # type: ignore[arg-type]
    nn.init.normal_(layer.weight, std=0.01)
    assert layer.bias is not None and old.bias is not None
    nn.init.constant_(layer.bias, float(old.bias.detach().median()))
    return layer
