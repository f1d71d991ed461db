import torch
from torch.nn import functional as F

from zoo.layers.attention_pooling import AttentionPooling


def test_padding_has_no_weight_and_the_rest_adds_up_to_one() -> None:
    torch.manual_seed(0)
    pooling, features = AttentionPooling(5, hidden_size=3), torch.randn(3, 7, 5)
    mask = torch.arange(7) < torch.tensor([[7], [2], [1]])
    weights = pooling.weights(features, mask)
    assert not weights[~mask].any()
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    torch.testing.assert_close(pooling(features, mask)[2], features[2, 0])


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    pooling, features = AttentionPooling(5), torch.randn(2, 7, 5)
    mask = torch.arange(7).expand(2, 7) < 4
    torch.testing.assert_close(pooling(features, mask), pooling(features[:, :4]))


def test_the_score_is_the_additive_one() -> None:
    torch.manual_seed(0)
    pooling, features = AttentionPooling(5), torch.randn(1, 7, 5)
    scores = torch.stack([pooling.score.weight[0] @ pooling.hidden(place).tanh() for place in features[0]])
    torch.testing.assert_close(pooling(features)[0], F.softmax(scores, dim=0) @ features[0])
