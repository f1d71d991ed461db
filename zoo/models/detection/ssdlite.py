"""SSDLite of torchvision, on its MobileNetV3.

Wei Liu et al., "SSD: Single Shot MultiBox Detector", 2015, arXiv:1512.02325; Mark Sandler et al., "MobileNetV2:
Inverted Residuals and Linear Bottlenecks", 2018, arXiv:1801.04381; Andrew Howard et al., "Searching for MobileNetV3",
2019, arXiv:1905.02244.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.ops import box_iou

from zoo.models.cnn.torchvision_model import replace_first_convolution
from zoo.models.detection.classifier_pyramid import freeze_norms
from zoo.models.detection.published import NUM_CLASSES, load_published, published
from zoo.models.detection.torchvision_detector import DenseDetector, DenseOutputs, Targets, new_classifier
from zoo.ranges import Fraction, PositiveInt


class SSDLite(DenseDetector):
    """A one-stage detector for small devices; images of any size.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        weights: None starts from random ones; "COCO_V1", or "DEFAULT", downloads those of the whole detector.
        frozen_norm: whether the backbone's batch norms are constants, as they were trained with the weights.
        score_threshold: detections below are left out.
        iou_threshold: overlap from which on two detections of a class are of one object.
        max_detections: at most so many are given.

    Raises:
        ValueError: the weights are unknown or not to be had.
    """

    published_names: ClassVar[Mapping[str, str]] = {r"^(?!network\.)": "network."}
    ignored_names: ClassVar[str] = "^$"  # a file is of the whole
    first_label: ClassVar[int] = 1

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        weights: str | None = None,
        frozen_norm: bool = False,
        score_threshold: Fraction = 0.01,
        iou_threshold: Fraction = 0.55,
        max_detections: PositiveInt = 100,
    ) -> None:
        # Weights of the backbone alone would ask for a wider one.
        whole, of_backbone = published("ssdlite320_mobilenet_v3_large", "mobilenet_v3_large", weights)
        if of_backbone is not None:
            raise ValueError(f"weights {weights}: of the backbone alone do not fit; set them to COCO_V1 or null")
        network: Any = ssdlite320_mobilenet_v3_large(
            weights=None,
            weights_backbone=None,
            num_classes=NUM_CLASSES if whole else num_classes + 1,
            score_thresh=score_threshold,
            nms_thresh=iou_threshold,
            detections_per_img=max_detections,
        )
        if whole:
            load_published(network, whole)
            head = network.head.classification_head
            for level, count in zip(head.module_list, network.anchor_generator.num_anchors_per_location(), strict=True):
                level[1] = new_classifier(level[1], count * (num_classes + 1))
            head.num_columns = num_classes + 1
        if frozen_norm:
            freeze_norms(network.backbone)
        if in_channels != 3:
            replace_first_convolution(network.backbone, in_channels, keep_weights=weights is not None)
        super().__init__(network, max_detections=max_detections)

    @staticmethod
    def published_preprocessing(**_: Any) -> dict[str, Any]:
        """Returns the mean and std of the images that the published weights were trained on."""
        return {"mean": [0.5] * 3, "std": [0.5] * 3}

    def starts_anew(self, names: Iterable[str]) -> tuple[str, ...]:
        """Returns nothing: a file is of the whole."""
        return ()

    def compute_losses(self, outputs: DenseOutputs, targets: Targets) -> dict[str, Tensor]:
        """Returns the losses of boxes and of classes."""
        matched = [
            self.network.proposal_matcher(box_iou(target["boxes"], anchors))
            if len(target["boxes"])
            else torch.full((len(anchors),), -1, device=anchors.device)
            for anchors, target in zip(outputs.anchors, targets, strict=True)
        ]
        parts: dict[str, Tensor] = self.network.compute_loss(targets, outputs.head, outputs.anchors, matched)
        return parts

    def find(self, outputs: DenseOutputs) -> list[dict[str, Tensor]]:
        """Returns the boxes, scores and labels of each image."""
        sizes = [outputs.size] * len(outputs.anchors)
        found: list[dict[str, Tensor]] = self.network.postprocess_detections(outputs.head, outputs.anchors, sizes)
        return found
