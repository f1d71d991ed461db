"""What embeddings are worth: how well simple classifiers read classes off them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from zoo.ranges import PositiveInt

_ROWS = 1024  # of test samples that are compared with all training samples at once


@torch.no_grad()
def neighbour_accuracy(
    train: Float[Tensor, "N D"],
    train_labels: Int[Tensor, " N"],
    test: Float[Tensor, "M D"],
    test_labels: Int[Tensor, " M"],
    *,
    neighbours: PositiveInt = 10,
) -> float:
    """The accuracy of a vote of the nearest training samples by cosine, each weighed by exp(cosine / 0.07).

    Zhirong Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", 2018,
    arXiv:1805.01978.

    Args:
        train: embeddings of the training samples.
        train_labels: their classes.
        test: embeddings of the samples that are judged.
        test_labels: their classes.
        neighbours: that vote; fewer where there are no more.
    """
    train, test = F.normalize(train.float()), F.normalize(test.float())
    classes = F.one_hot(train_labels).float()  # (N, K)
    count, right = min(neighbours, len(train)), 0
    for rows, labels in zip(torch.split(test, _ROWS), torch.split(test_labels, _ROWS), strict=True):
        nearest = (rows @ train.T).topk(count)
        votes = ((nearest.values / 0.07).exp().unsqueeze(-1) * classes[nearest.indices]).sum(1)  # (m, K)
        right += int((votes.argmax(1) == labels).sum())
    return right / len(test)


def linear_accuracy(
    train: Float[Tensor, "N D"],
    train_labels: Int[Tensor, " N"],
    test: Float[Tensor, "M D"],
    test_labels: Int[Tensor, " M"],
    *,
    weight_decay: float = 1e-3,
) -> float:
    """The accuracy of a logistic regression on standardised embeddings, fitted by L-BFGS from zero.

    Args:
        train: embeddings of the training samples.
        train_labels: their classes.
        test: embeddings of the samples that are judged.
        test_labels: their classes.
        weight_decay: of the weights' squares, against the mean loss.
    """
    train, test = train.float(), test.float()
    mean, std = train.mean(0), train.std(0, correction=0).clamp(min=1e-6)
    train, test = (train - mean) / std, (test - mean) / std
    weight = torch.zeros(int(train_labels.max()) + 1, train.shape[1], requires_grad=True)
    bias = torch.zeros(len(weight), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(F.linear(train, weight, bias), train_labels) + weight_decay * weight.square().sum() / 2
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return float((F.linear(test, weight, bias).argmax(1) == test_labels).float().mean())
