"""Boxes (x1, y1, x2, y2): what they have in common, and which of them a detector keeps."""

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.ops import batched_nms

CANDIDATES = 1000  # of an image, best first, that overlap is looked at


def pairwise_iou(first: Float[Tensor, "B M 4"], second: Float[Tensor, "B P 4"]) -> Float[Tensor, "B M P"]:
    """Returns the intersection over union of each box with each other one of the same image."""
    corner = torch.maximum(first[:, :, None, :2], second[:, None, :, :2])
    opposite = torch.minimum(first[:, :, None, 2:], second[:, None, :, 2:])
    common = (opposite - corner).clamp_(min=0).prod(-1)  # (B, M, P)
    union = box_area(first)[:, :, None] + box_area(second)[:, None] - common
    return common / union.clamp(min=1e-9)


def box_area(boxes: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N"]:
    """Returns the areas of boxes."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)


def keep_best(
    boxes: Float[Tensor, "B P 4"],
    scores: Float[Tensor, "B P K"],
    *,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
) -> Float[Tensor, "B D 6"]:
    """Leaves out, class by class, boxes that overlap a better one.

    Args:
        boxes: in pixels.
        scores: of each class, from 0 to 1.
        score_threshold: boxes below are left out.
        iou_threshold: overlap from which on two boxes are of one object.
        max_detections: D, at most so many are kept.

    Returns:
        x1 y1 x2 y2 score label, best first, filled up with score 0 and label -1.
    """
    found = []
    for own_boxes, own_scores in zip(boxes.float(), scores.float(), strict=True):
        flat = own_scores.flatten()  # (P K)
        best = flat.topk(min(CANDIDATES, len(flat)))
        above = best.values > score_threshold
        values, places = best.values[above], best.indices[above]
        points, labels = places // own_scores.shape[1], places % own_scores.shape[1]
        kept = batched_nms(own_boxes[points], values, labels, iou_threshold)[:max_detections]
        found.append(torch.cat([own_boxes[points[kept]], values[kept, None], labels[kept, None].float()], dim=1))
    return filled_up(found, max_detections)


def filled_up(found: list[Tensor], max_detections: int) -> Float[Tensor, "B D 6"]:
    """Returns the detections of several images as one tensor.

    Args:
        found: of each image (N, 6), x1 y1 x2 y2 score label, best first.
        max_detections: D; what exceeds it is left out.
    """
    padded = found[0].new_tensor([0, 0, 0, 0, 0, -1]).repeat(len(found), max_detections, 1)
    for place, rows in enumerate(found):
        padded[place, : min(len(rows), max_detections)] = rows[:max_detections].detach()
    return padded
