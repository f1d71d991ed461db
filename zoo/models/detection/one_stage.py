"""What FCOS and RetinaNet of torchvision share: a head over the levels of a pyramid, and how both are built."""

from collections.abc import Callable
from typing import Any, ClassVar

from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from zoo.models.cnn.torchvision_model import replace_first_convolution
from zoo.models.detection.classifier_pyramid import ClassifierPyramid
from zoo.models.detection.published import NUM_CLASSES, load_published, published
from zoo.models.detection.torchvision_detector import DenseDetector, new_classifier
from zoo.ranges import Fraction, PositiveInt


class OneStageDetector(DenseDetector):
    """A one-stage detector of torchvision on any of its classifiers.

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

    Attributes:
        make_network: torchvision's class.
        on_resnet50: what torchvision calls its published weights.

    Raises:
        ValueError: the name or the weights are unknown or not to be had, or the backbone lacks a stride.
    """

    make_network: ClassVar[Callable[..., Any]]
    on_resnet50: ClassVar[str]

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
        whole, of_backbone = published(self.on_resnet50 if backbone == "resnet50" else None, backbone, weights)
        pyramid = ClassifierPyramid(
            backbone,
            in_channels=3,
            strides=(8, 16, 32),
            out_channels=256,
            weights=of_backbone,
            frozen_norm=frozen_norm,
            extra_blocks=LastLevelP6P7(256, 256),
        )
        network = type(self).make_network(
            pyramid,
            NUM_CLASSES if whole else num_classes,
            score_thresh=score_threshold,
            nms_thresh=iou_threshold,
            detections_per_img=max_detections,
        )
        if whole:
            load_published(network, whole)
            head = network.head.classification_head
            head.cls_logits = new_classifier(head.cls_logits, head.num_anchors * num_classes)
            head.num_classes = num_classes
        if in_channels != 3:
            replace_first_convolution(pyramid.body, in_channels, keep_weights=weights is not None)
        super().__init__(network, max_detections=max_detections)
