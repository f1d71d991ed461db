"""BackboneDetector: any classifier of torchvision, pretrained or not, made to find objects without anchors.

A feature pyramid (Lin et al., 2016, arXiv:1612.03144) on the classifier, and the head of
`zoo.models.detection.anchor_free`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from zoo.models.detection.anchor_free import AnchorFreeDetector
from zoo.models.detection.classifier_pyramid import ClassifierPyramid, colours_of
from zoo.ranges import PositiveInt


class BackboneDetector(AnchorFreeDetector):
    """Finds objects of about one to ten strides.

    A file of weights may be of the classifier alone; pyramid and heads then start anew.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        backbone: a classifier of torchvision, such as "mobilenet_v2" or "resnet18".
        weights: of the backbone: None starts from random ones, "DEFAULT" or another name that torchvision gives
            downloads them.
        frozen_norm: whether the backbone's batch norms are constants, as they were trained with the weights.
        strides: pixels between two points of each level, ascending; the backbone has to have them.
        head_width: channels of the pyramid and of the heads.
        options: see `zoo.models.detection.anchor_free.AnchorFreeDetector`.

    Raises:
        ValueError: the name or the weights are unknown or not to be had, or the backbone has no such strides.
    """

    # `load_weights` reads these.
    published_names: ClassVar[Mapping[str, str]] = {r"^(?!backbone\.|heads\.\d)": "backbone.body."}
    ignored_names: ClassVar[str] = r"^backbone\.body\."  # the classifier's own head

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        backbone: str = "mobilenet_v2",
        weights: str | None = None,
        frozen_norm: bool = False,
        strides: Sequence[PositiveInt] = (8, 16, 32),
        head_width: PositiveInt = 64,
        **options: Any,
    ) -> None:
        super().__init__(num_classes, strides=strides, head_width=head_width, **options)
        self.backbone = ClassifierPyramid(
            backbone,
            in_channels=in_channels,
            strides=strides,
            out_channels=head_width,
            weights=weights,
            frozen_norm=frozen_norm,
        )

    @staticmethod
    def published_preprocessing(*, backbone: str = "mobilenet_v2", **_: Any) -> dict[str, Any]:
        """Returns the mean and std of the images that a classifier's weights were trained on."""
        return colours_of(backbone)

    def starts_anew(self, names: Iterable[str]) -> tuple[str, ...]:
        """Returns what the names begin with of all that a file of the classifier alone lacks."""
        return () if any(name.startswith("heads.") for name in names) else ("backbone.fpn.", "heads.")

    def pyramid(self, images: Float[Tensor, "B C H W"]) -> list[Tensor]:
        """Returns features, finest level first."""
        return list(self.backbone(images).values())

    def layer_groups(self) -> list[list[nn.Module]]:
        """The parts of the backbone, the pyramid, then the heads."""
        return [*self.backbone.layer_groups(), [self.heads]]
