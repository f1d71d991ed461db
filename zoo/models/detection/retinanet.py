"""RetinaNet of torchvision, on any of its classifiers.

Tsung-Yi Lin, Priya Goyal, Ross Girshick, Kaiming He, Piotr Dollár, "Focal Loss for Dense Object Detection", 2017,
arXiv:1708.02002.
"""

from typing import Any, ClassVar

from torch import Tensor
from torchvision.models.detection import RetinaNet as TorchvisionRetinaNet

from zoo.models.detection.one_stage import OneStageDetector
from zoo.models.detection.torchvision_detector import DenseOutputs, Targets
from zoo.ranges import Fraction, PositiveInt


class RetinaNet(OneStageDetector):
    """A one-stage detector with nine anchors at each place and the focal loss.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        iou_threshold: overlap from which on two detections of a class are of one object.
        options: see `zoo.models.detection.one_stage.OneStageDetector`.
    """

    make_network: ClassVar = TorchvisionRetinaNet
    on_resnet50: ClassVar[str] = "retinanet_resnet50_fpn"

    def __init__(
        self, num_classes: PositiveInt, in_channels: PositiveInt, *, iou_threshold: Fraction = 0.5, **options: Any
    ) -> None:
        super().__init__(num_classes, in_channels, iou_threshold=iou_threshold, **options)

    def compute_losses(self, outputs: DenseOutputs, targets: Targets) -> dict[str, Tensor]:
        """Returns the losses of classes and of boxes."""
        parts: dict[str, Tensor] = self.network.compute_loss(targets, outputs.head, outputs.anchors)
        return parts
