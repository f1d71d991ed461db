"""The loss of segmentation against torch and by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo.batch import NO_TARGET
from zoo.losses.segmentation import SegmentationLoss, dice_loss

LOGITS = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(3, (2, 4, 5), generator=torch.Generator().manual_seed(1))
PARTLY = TARGET.masked_fill(torch.arange(5) == 2, NO_TARGET)


@pytest.mark.parametrize("target", [TARGET, PARTLY])
@pytest.mark.parametrize("class_weights", [None, [1.0, 2.0, 0.5]])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_without_options_it_is_the_cross_entropy_of_torch(target, class_weights, label_smoothing):
    weight = None if class_weights is None else torch.tensor(class_weights)
    expected = nn.CrossEntropyLoss(weight=weight, label_smoothing=label_smoothing)(LOGITS, target)
    loss = SegmentationLoss(class_weights=class_weights, label_smoothing=label_smoothing)(LOGITS, target)
    torch.testing.assert_close(loss, expected)


def test_gamma_looks_away_from_what_is_classified_well():
    log_p = functional.log_softmax(LOGITS, 1).gather(1, TARGET[:, None])[:, 0]
    expected = -((1 - log_p.exp()) ** 2 * log_p).mean()
    torch.testing.assert_close(SegmentationLoss(gamma=2.0)(LOGITS, TARGET), expected)


def test_dice_is_0_for_what_is_right_and_1_for_what_is_wrong_everywhere():
    sure = 50 * functional.one_hot(TARGET, 3).permute(0, 3, 1, 2).float()
    assert dice_loss(sure, TARGET) < 1e-6
    assert dice_loss(sure.roll(1, 1), TARGET) > 1 - 1e-6


def test_dice_does_not_look_at_pixels_without_a_target():
    other = LOGITS.clone()
    other[..., 2] = 7 * other[..., 2].flip(1)
    torch.testing.assert_close(dice_loss(LOGITS, PARTLY), dice_loss(other, PARTLY))


def test_a_batch_without_any_target_has_the_loss_0_and_no_gradient():
    logits = LOGITS.clone().requires_grad_()
    loss = SegmentationLoss(dice=1.0, gamma=1.0, class_weights=[1.0, 2.0, 3.0])(
        logits, torch.full_like(TARGET, NO_TARGET)
    )
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()
