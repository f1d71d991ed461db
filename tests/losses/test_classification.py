import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from zoo.losses.classification import BinaryCrossEntropy, CrossEntropy, FocalLoss, SquaredError

LOSSES = [CrossEntropy, FocalLoss, BinaryCrossEntropy, SquaredError]


@pytest.fixture
def logits() -> Tensor:
    torch.manual_seed(0)
    return 3 * torch.randn(16, 5)


@pytest.fixture
def target() -> Tensor:
    return torch.arange(16) % 5


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}])
def test_indices_and_one_hot_targets_give_the_same_loss(
    loss: type[nn.Module], options: dict, logits: Tensor, target: Tensor
) -> None:
    criterion = loss(**options)
    torch.testing.assert_close(
        criterion(logits, target), criterion(logits, functional.one_hot(target, 5).float()), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("loss", [BinaryCrossEntropy, CrossEntropy])
def test_soft_targets_mix_the_losses_of_their_labels(loss: type[nn.Module], logits: Tensor, target: Tensor) -> None:
    other = target.flip(0)
    mixed = 0.3 * functional.one_hot(target, 5) + 0.7 * functional.one_hot(other, 5)
    expected = 0.3 * loss()(logits, target) + 0.7 * loss()(logits, other)
    torch.testing.assert_close(loss()(logits, mixed), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_class_of_weight_zero_pulls_less(loss: type[nn.Module], logits: Tensor, target: Tensor) -> None:
    criterion = loss(class_weights=[0.0, 1.0, 1.0, 1.0, 1.0])
    gradients = []
    for weighted in (criterion, loss()):
        leaf = logits.clone().requires_grad_()
        weighted(leaf, target).backward()
        gradients.append(leaf.grad[target == 0].abs().sum())
    assert gradients[0] < gradients[1]


@pytest.mark.parametrize("loss", LOSSES[1:])  # the first is torch's own, to which autocast gives float32
def test_half_precision_logits_lose_nothing_but_their_own_rounding(
    loss: type[nn.Module], logits: Tensor, target: Tensor
) -> None:
    rounded = logits.bfloat16()
    assert torch.equal(loss()(rounded, target), loss()(rounded.float(), target))


def test_cross_entropy_takes_weights_as_a_list(logits: Tensor, target: Tensor) -> None:
    weights = [1.0, 2.0, 3.0, 4.0, 5.0]
    expected = functional.cross_entropy(logits, target, torch.tensor(weights), label_smoothing=0.1)
    assert torch.equal(CrossEntropy(label_smoothing=0.1, class_weights=weights)(logits, target), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_loss_at_gamma_zero_is_cross_entropy(smoothing: float, logits: Tensor, target: Tensor) -> None:
    focal = FocalLoss(gamma=0.0, label_smoothing=smoothing)(logits, target)
    torch.testing.assert_close(focal, CrossEntropy(label_smoothing=smoothing)(logits, target), rtol=1e-5, atol=1e-6)


def test_focal_loss_of_two_classes_is_that_of_torchvision() -> None:
    torch.manual_seed(0)
    logit, target = 3 * torch.randn(32), torch.arange(32) % 2
    expected = sigmoid_focal_loss(logit, target.float(), alpha=0.25, gamma=2.0, reduction="mean")
    both = torch.stack([torch.zeros(32), logit], dim=1)
    actual = FocalLoss(gamma=2.0, class_weights=[0.75, 0.25])(both, target)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_has_finite_gradients_where_the_model_is_certain(gamma: float) -> None:
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    FocalLoss(gamma=gamma)(logits, torch.tensor([0, 0])).backward()
    assert logits.grad.isfinite().all()


def test_binary_cross_entropy_is_the_sum_over_classes_of_that_of_torch(logits: Tensor, target: Tensor) -> None:
    expected = 5 * nn.BCEWithLogitsLoss()(logits, functional.one_hot(target, 5).float())
    torch.testing.assert_close(BinaryCrossEntropy()(logits, target), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("softmax", [True, False])
def test_squared_error_is_the_sum_over_classes_of_that_of_torch(softmax: bool, logits: Tensor, target: Tensor) -> None:
    outputs = logits.softmax(1) if softmax else logits
    expected = 5 * functional.mse_loss(outputs, functional.one_hot(target, 5).float())
    torch.testing.assert_close(SquaredError(softmax=softmax)(logits, target), expected, rtol=1e-6, atol=1e-6)
