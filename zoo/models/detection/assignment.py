"""Which points of a dense detector are to find which object: task-aligned assignment.

Chengjian Feng, Yujie Zhong, Yu Gao, Matthew R. Scott, Weilin Huang, "TOOD: Task-aligned One-stage Object Detection",
2021, arXiv:2108.07755, section 3.3. Deviation: a point that is nearest to the centre of an object may find it also from
outside, so that objects smaller than a stride are learned.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from zoo.models.detection.boxes import pairwise_iou

TOP_K = 10
ALPHA, BETA = 0.5, 6.0  # powers of score and overlap; TOOD has 1 and 6, its successors these


class Assignment(NamedTuple):
    """What each point is to say.

    Attributes:
        positive: points that are to find an object.
        objects: the object that each of them is to find, its place among the image's; 0 elsewhere.
        quality: the score it is to give, from 0 to 1; 0 elsewhere.
    """

    positive: Bool[Tensor, "B P"]
    objects: Int64[Tensor, "B P"]
    quality: Float[Tensor, "B P"]


@torch.no_grad()
def assign(
    boxes: Float[Tensor, "B P 4"],
    scores: Float[Tensor, "B P K"],
    *,
    points: Float[Tensor, "P 3"],
    target_boxes: Float[Tensor, "B M 4"],
    target_labels: Int64[Tensor, "B M"],
) -> Assignment:
    """Gives each object the points whose own prediction agrees with it best.

    Args:
        boxes: predicted from each point.
        scores: likewise, from 0 to 1.
        points: x, y and stride.
        target_boxes: the objects.
        target_labels: their classes, -1 where there is none.
    """
    num_objects, top_k = target_boxes.shape[1], min(TOP_K, len(points))
    if num_objects == 0:
        none = scores.new_zeros(scores.shape[:2])
        return Assignment(none.bool(), none.long(), none)
    overlap = pairwise_iou(target_boxes, boxes)  # (B, M, P)
    own_scores = scores.transpose(1, 2).gather(1, target_labels.clamp(min=0)[:, :, None].expand_as(overlap))
    candidate = _may_find(points, target_boxes) & (target_labels >= 0)[:, :, None]
    alignment = (own_scores**ALPHA * overlap**BETA).masked_fill(~candidate, -1)
    best = alignment.topk(top_k, dim=2).indices
    chosen = torch.zeros_like(candidate).scatter_(2, best, True) & candidate
    # A point that several objects choose finds the one that it overlaps most.
    objects = overlap.masked_fill(~chosen, -1).argmax(1)  # (B, P)
    chosen &= torch.arange(num_objects, device=objects.device)[:, None] == objects[:, None]
    alignment = alignment * chosen
    best_overlap = (overlap * chosen).amax(2, keepdim=True)
    quality = alignment / alignment.amax(2, keepdim=True).clamp(min=1e-9) * best_overlap
    return Assignment(chosen.any(1), objects, quality.amax(1))


def _may_find(points: Tensor, boxes: Tensor) -> Bool[Tensor, "B M P"]:
    """Whether a point lies in a box, or is the nearest of its level to the box's centre."""
    places, half = points[:, :2], points[:, 2:] / 2
    inside = (places > boxes[:, :, None, :2]) & (places < boxes[:, :, None, 2:])  # (B, M, P, 2)
    centres = (boxes[:, :, None, :2] + boxes[:, :, None, 2:]) / 2
    near = (places - centres).abs() <= half
    return inside.all(-1) | near.all(-1)
