"""Mean average precision of detections, as COCO and as Pascal VOC define it.

Tsung-Yi Lin et al., "Microsoft COCO: Common Objects in Context", 2014, arXiv:1405.0312; Mark Everingham et al., "The
Pascal Visual Object Classes (VOC) Challenge", IJCV 2010, with the area under the whole curve, as from 2010 on.

Detections are (B, D, 6), x1 y1 x2 y2 score label, filled up with label -1; objects are (B, M, 6), x1 y1 x2 y2 label
ignored, likewise. Detections of ignored objects are neither right nor wrong.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.detection import MeanAveragePrecision

from zoo.metrics.detection_matching import average_precision, match
from zoo.ranges import PositiveInt


class COCOAveragePrecision(MeanAveragePrecision):
    """COCO's mean average precision, by pycocotools: `map` over overlaps 0.50 to 0.95, and `map_50` at 0.50 alone.

    Args:
        max_detections: at most so many of an image are judged, best first.
        detailed: whether to give the others, too: `map_75`, `map_small`, `map_medium` and `map_large`, for objects up
            to 32² and 96² pixels and above, where there are such, and `mar_100`, the mean share that is found.
    """

    def __init__(self, max_detections: PositiveInt = 100, *, detailed: bool = False) -> None:
        super().__init__(
            iou_thresholds=_steps(0.5, 0.95, 10),  # torchmetrics makes its own of float32, a little above 0.55
            rec_thresholds=_steps(0, 1, 101),
            max_detection_thresholds=[1, 10, max_detections],
        )
        self.warn_on_many_detections = False
        self.max_detections, self.detailed = max_detections, detailed

    def update(self, preds: Float[Tensor, "B D 6"], targets: Float[Tensor, "B M 6"]) -> None:  # type: ignore[override]
        """Take images in."""
        super().update(*_as_torchmetrics(preds, targets))

    def compute(self) -> dict[str, Tensor]:
        """Return the means over classes; 0 where there is no object at all."""
        values = super().compute()
        result = {name: values[name].clamp(min=0).float() for name in ("map", "map_50")}
        if self.detailed:
            result["map_75"] = values["map_75"].clamp(min=0).float()
            sizes = {f"map_{size}": values[f"map_{size}"].float() for size in ("small", "medium", "large")}
            result |= {name: value for name, value in sizes.items() if value >= 0}
            result["mar_100"] = values[f"mar_{self.max_detections}"].clamp(min=0).float()
        return result


class VOCAveragePrecision(Metric):
    """Pascal VOC's mean average precision at an overlap of 0.5: the mean over classes of the area under the curve.

    Args:
        num_classes: K; those without an object do not count.
        per_class: whether to give each class's, not a number where it has no object.
    """

    full_state_update = False
    higher_is_better = True
    preds: list[Tensor]
    targets: list[Tensor]

    def __init__(self, num_classes: PositiveInt, *, per_class: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.num_classes, self.per_class = num_classes, per_class
        self.add_state("preds", [], dist_reduce_fx=None)
        self.add_state("targets", [], dist_reduce_fx=None)

    def update(self, preds: Float[Tensor, "B D 6"], targets: Float[Tensor, "B M 6"]) -> None:
        """Take images in."""
        self.preds.extend(preds.unbind())
        self.targets.extend(targets.unbind())

    def compute(self) -> Tensor:
        """Return the mean, or the value of each class (K,)."""
        found, objects = ([own.cpu().numpy() for own in each] for each in (self.preds, self.targets))
        values = [average_precision(match(found, objects, label)) for label in range(self.num_classes)]
        result = torch.tensor(values, dtype=torch.float32, device=self.device)
        return result if self.per_class else result.nanmean().nan_to_num()


def _as_torchmetrics(preds: Iterable[Tensor], targets: Iterable[Tensor]) -> tuple[list[dict[str, Tensor]], ...]:
    found = [own[own[:, 5] >= 0].double() for own in preds]
    objects = [own[own[:, 4] >= 0].double() for own in targets]
    return (
        [{"boxes": own[:, :4], "scores": own[:, 4], "labels": own[:, 5].long()} for own in found],
        [{"boxes": own[:, :4], "labels": own[:, 4].long(), "iscrowd": own[:, 5].long()} for own in objects],
    )


def _steps(first: float, last: float, count: int) -> list[float]:
    return [float(value) for value in np.linspace(first, last, count)]
