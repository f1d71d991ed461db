"""FCOS of torchvision, on any of its classifiers.

Zhi Tian, Chunhua Shen, Hao Chen, Tong He, "FCOS: Fully Convolutional One-Stage Object Detection", 2019,
arXiv:1904.01355.
"""

from typing import Any, ClassVar

from torch import Tensor
from torchvision.models.detection import FCOS as TorchvisionFCOS

from zoo.models.detection.one_stage import OneStageDetector
from zoo.models.detection.torchvision_detector import DenseOutputs, Targets
from zoo.ranges import Fraction, PositiveInt


class FCOS(OneStageDetector):
    """A one-stage detector without anchors, whose levels share the objects by their size.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        iou_threshold: overlap from which on two detections of a class are of one object.
        options: see `zoo.models.detection.one_stage.OneStageDetector`.
    """

    make_network: ClassVar = TorchvisionFCOS
    on_resnet50: ClassVar[str] = "fcos_resnet50_fpn"

    def __init__(
        self, num_classes: PositiveInt, in_channels: PositiveInt, *, iou_threshold: Fraction = 0.6, **options: Any
    ) -> None:
        super().__init__(num_classes, in_channels, iou_threshold=iou_threshold, **options)

    def compute_losses(self, outputs: DenseOutputs, targets: Targets) -> dict[str, Tensor]:
        """Returns the losses of classes, boxes and centredness."""
        parts: dict[str, Tensor] = self.network.compute_loss(targets, outputs.head, outputs.anchors, outputs.levels)
        return parts
