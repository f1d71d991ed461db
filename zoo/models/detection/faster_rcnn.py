"""Faster R-CNN of torchvision, on any of its classifiers.

Shaoqing Ren, Kaiming He, Ross Girshick, Jian Sun, "Faster R-CNN: Towards Real-Time Object Detection with Region
Proposal Networks", 2015, arXiv:1506.01497; with a feature pyramid, as in Lin et al., 2016, arXiv:1612.03144.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN as TorchvisionFasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from zoo.models.cnn.torchvision_model import replace_first_convolution
from zoo.models.detection.classifier_pyramid import ClassifierPyramid
from zoo.models.detection.published import NUM_CLASSES, load_published, published
from zoo.models.detection.torchvision_detector import Targets, TorchvisionDetector, as_list, size_of
from zoo.ranges import Fraction, PositiveInt


class Features(NamedTuple):
    """What both stages read.

    Attributes:
        images: the batch.
        levels: features by the name of the level, finest first.
    """

    images: Tensor
    levels: dict[str, Tensor]


class FasterRCNN(TorchvisionDetector):
    """A two-stage detector: regions that may hold an object are proposed, and each is then looked at.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        backbone: a classifier of torchvision, such as "resnet50" or "mobilenet_v2".
        weights: None starts from random ones; a name that torchvision gives of the whole detector, "COCO_V1", where it
            publishes one on this backbone (resnet50), or of the backbone, such as "IMAGENET1K_V1"; "DEFAULT" takes the
            first that there is.
        frozen_norm: whether the backbone's batch norms are constants, as they were trained with the weights.
        score_threshold: detections below are left out.
        iou_threshold: overlap from which on two detections of a class are of one object.
        max_detections: at most so many are given.

    Raises:
        ValueError: the name or the weights are unknown or not to be had, or the backbone lacks a stride.
    """

    first_label: ClassVar[int] = 1

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        backbone: str = "resnet50",
        weights: str | None = None,
        frozen_norm: bool = False,
        score_threshold: Fraction = 0.05,
        iou_threshold: Fraction = 0.5,
        max_detections: PositiveInt = 100,
    ) -> None:
        name = "fasterrcnn_resnet50_fpn" if backbone == "resnet50" else None
        whole, of_backbone = published(name, backbone, weights)
        pyramid = ClassifierPyramid(
            backbone,
            in_channels=3,
            strides=(4, 8, 16, 32),
            out_channels=256,
            weights=of_backbone,
            frozen_norm=frozen_norm,
            extra_blocks=LastLevelMaxPool(),
        )
        network: Any = TorchvisionFasterRCNN(
            pyramid,
            NUM_CLASSES if whole else num_classes + 1,
            box_score_thresh=score_threshold,
            box_nms_thresh=iou_threshold,
            box_detections_per_img=max_detections,
        )
        if whole:
            load_published(network, whole)
            width = network.roi_heads.box_predictor.cls_score.in_features
            network.roi_heads.box_predictor = FastRCNNPredictor(width, num_classes + 1)
        if in_channels != 3:
            replace_first_convolution(pyramid.body, in_channels, keep_weights=weights is not None)
        super().__init__(network, max_detections=max_detections)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Features:
        """Features of the images."""
        return Features(images, {name: level.float() for name, level in self.network.backbone(images).items()})

    def compute_losses(self, outputs: Features, targets: Targets) -> dict[str, Tensor]:
        """Returns the losses of both stages."""
        images, rpn, roi_heads = as_list(outputs.images), self.network.rpn, self.network.roi_heads
        with _learning(rpn, roi_heads):
            proposals, of_proposals = rpn(images, outputs.levels, targets)
            _, of_regions = roi_heads(outputs.levels, proposals, images.image_sizes, targets)
        return {**of_regions, **of_proposals}

    def find(self, outputs: Features) -> list[dict[str, Tensor]]:
        """Returns the boxes, scores and labels of each image."""
        images = as_list(outputs.images)
        proposals, _ = self.network.rpn(images, outputs.levels)
        sizes = [size_of(outputs.images)] * len(outputs.images)
        found: list[dict[str, Tensor]] = self.network.roi_heads(outputs.levels, proposals, sizes)[0]
        return found

    def layer_groups(self) -> list[list[nn.Module]]:
        """The parts of the backbone, then both stages."""
        return [*self.network.backbone.layer_groups(), [self.network.rpn, self.network.roi_heads]]


@contextmanager
def _learning(*stages: nn.Module) -> Iterator[None]:
    """Lets stages compute losses in evaluation, too; norms in them stay as they are."""
    before = [stage.training for stage in stages]
    for stage in stages:
        stage.training = True
    try:
        yield
    finally:
        for stage, training in zip(stages, before, strict=True):
            stage.training = training
