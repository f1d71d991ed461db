"""What anchor-free detectors of ours share: a decoupled head on each level, its losses, and what it finds.

Zhi Tian, Chunhua Shen, Hao Chen, Tong He, "FCOS: Fully Convolutional One-Stage Object Detection", 2019,
arXiv:1904.01355: each point predicts its distances to the four sides of a box. Zheng Ge et al., "YOLOX: Exceeding YOLO
Series in 2021", arXiv:2107.08430: a head for each level, with one branch for classes and one for boxes. Feng et al.,
"TOOD", 2021, arXiv:2108.07755: points are assigned by what they predict, and the score is to tell the overlap. Hamid
Rezatofighi et al., "Generalized Intersection over Union", 2019, arXiv:1902.09630: the loss of boxes.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from zoo.layers.convolution import ConvNormActivation
from zoo.models.detection.assignment import assign
from zoo.models.detection.boxes import keep_best
from zoo.ranges import Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt

PRIOR = 0.01  # score of every class before anything is learned
SIZE = 2.0  # strides from a point to each side of its box, likewise
LARGEST = 6.0  # strides as a power of e, above which a distance is not meant


class Predictions(NamedTuple):
    """What a dense detector says at each point.

    Attributes:
        boxes: in pixels of the input.
        logits: of each class.
        points: x, y and stride in pixels.
    """

    boxes: Float[Tensor, "B P 4"]
    logits: Float[Tensor, "B P K"]
    points: Float[Tensor, "P 3"]


class AnchorFreeHead(nn.Module):
    """Two branches of convolutions for one level.

    Args:
        in_channels: channels of the level.
        num_classes: K.
        stride: pixels between two points.
        width: channels of the branches.
        depth: convolutions of each branch before the last one.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        num_classes: PositiveInt,
        *,
        stride: PositiveInt,
        width: PositiveInt = 64,
        depth: NonNegativeInt = 2,
        activation: str = "silu",
        norm: str | None = "batch",
    ) -> None:
        super().__init__()
        self.stride = stride
        widths = [in_channels, *[width] * depth]
        self.class_branch, self.box_branch = (
            nn.Sequential(*(ConvNormActivation(*pair, activation=activation, norm=norm) for pair in pairwise(widths)))
            for _ in range(2)
        )
        self.classify = nn.Conv2d(widths[-1], num_classes, kernel_size=1)
        self.locate = nn.Conv2d(widths[-1], 4, kernel_size=1)
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.normal_(self.locate.weight, std=0.01)
        nn.init.constant_(self.classify.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]
        nn.init.constant_(self.locate.bias, math.log(SIZE))  # type: ignore[arg-type]

    def forward(self, features: Float[Tensor, "B C H W"]) -> Predictions:
        """What each point of the level says."""
        logits = self.classify(self.class_branch(features)).flatten(2).transpose(1, 2)  # (B, H W, K)
        distances = self.locate(self.box_branch(features)).flatten(2).transpose(1, 2)  # (B, H W, 4)
        points = grid_points(*features.shape[-2:], stride=self.stride, device=features.device)
        # Pixels need more digits than bfloat16 has.
        distances = distances.to(points.dtype).clamp(max=LARGEST).exp() * self.stride
        corners = points[:, :2] - distances[..., :2], points[:, :2] + distances[..., 2:]
        return Predictions(torch.cat(corners, dim=-1), logits, points)


class AnchorFreeDetector(nn.Module):
    """A detector whose levels of features each have a head.

    A concrete detector gives `pyramid` and `layer_groups`.

    Args:
        num_classes: K, number of classes.
        strides: pixels between two points of each level, ascending.
        head_width: channels of the levels and of the heads.
        head_depth: convolutions of each branch of a head.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        score_threshold: detections below are left out.
        iou_threshold: overlap from which on two detections of a class are of one object.
        max_detections: at most so many are given.
        box_weight: weight of the loss of boxes beside that of classes.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        *,
        strides: Sequence[PositiveInt],
        head_width: PositiveInt = 48,
        head_depth: NonNegativeInt = 1,
        activation: str = "silu",
        norm: str | None = "batch",
        score_threshold: Fraction = 0.02,
        iou_threshold: Fraction = 0.6,
        max_detections: PositiveInt = 100,
        box_weight: NonNegativeFloat = 2.0,
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            AnchorFreeHead(
                head_width,
                num_classes,
                stride=stride,
                width=head_width,
                depth=head_depth,
                activation=activation,
                norm=norm,
            )
            for stride in strides
        )
        self.score_threshold, self.iou_threshold = score_threshold, iou_threshold
        self.max_detections, self.box_weight = max_detections, box_weight

    def pyramid(self, images: Float[Tensor, "B C H W"]) -> list[Tensor]:
        """Returns features, finest level first."""
        raise NotImplementedError

    def forward(self, images: Float[Tensor, "B C H W"]) -> Predictions:
        """What each point of each level says."""
        levels = [head(features) for head, features in zip(self.heads, self.pyramid(images), strict=True)]
        boxes, logits, points = zip(*levels, strict=True)
        return Predictions(torch.cat(boxes, dim=1), torch.cat(logits, dim=1), torch.cat(points))

    def losses(
        self,
        outputs: Predictions,
        boxes: Float[Tensor, "B M 4"],
        labels: Int64[Tensor, "B M"],
        ignored: Bool[Tensor, "B M"],
    ) -> dict[str, Tensor]:
        """What is wrong with the predictions, by part.

        Args:
            outputs: of `forward`.
            boxes: in pixels of the input.
            labels: -1 where there is no object.
            ignored: objects that are neither to be found nor wrong to be.
        """
        target_labels = labels.masked_fill(ignored, -1)
        scores = outputs.logits.float().sigmoid()
        found = assign(outputs.boxes, scores, points=outputs.points, target_boxes=boxes, target_labels=target_labels)
        quality = scores.new_zeros(scores.shape)
        image, point = found.positive.nonzero(as_tuple=True)
        objects, weights = found.objects[image, point], found.quality[image, point]
        quality[image, point, labels[image, objects]] = weights
        of_classes = F.binary_cross_entropy_with_logits(outputs.logits.float(), quality, reduction="none")
        if ignored.any():
            of_classes = of_classes * ~(_inside(outputs.points, boxes, ignored) & ~found.positive)[..., None]
        of_boxes = generalized_box_iou_loss(outputs.boxes[image, point], boxes[image, objects])
        total = weights.sum().clamp(min=1)
        return {"class_loss": of_classes.sum() / total, "box_loss": self.box_weight * (of_boxes @ weights) / total}

    def detect(self, outputs: Predictions) -> Float[Tensor, "B D 6"]:
        """Returns detections, x1 y1 x2 y2 score label, best first, filled up with score 0 and label -1."""
        return keep_best(
            outputs.boxes,
            outputs.logits.float().sigmoid(),
            score_threshold=self.score_threshold,
            iou_threshold=self.iou_threshold,
            max_detections=self.max_detections,
        )


def grid_points(height: int, width: int, *, stride: int, device: torch.device) -> Float[Tensor, "P 3"]:
    """Returns the centres of the cells of a level in pixels, row by row, and its stride."""
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) * stride
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) * stride
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows, torch.full_like(rows, stride)], dim=-1).flatten(0, 1)


def _inside(points: Tensor, boxes: Tensor, which: Tensor) -> Bool[Tensor, "B P"]:
    """Whether points lie in some of the boxes."""
    places = points[:, :2]
    inside = (places >= boxes[:, :, None, :2]) & (places <= boxes[:, :, None, 2:])  # (B, M, P, 2)
    return (inside.all(-1) & which[:, :, None]).any(1)
