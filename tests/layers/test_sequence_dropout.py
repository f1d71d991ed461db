import torch

from zoo.layers.dropout_embedding import DropoutEmbedding
from zoo.layers.locked_dropout import LockedDropout


def test_locked_dropout_drops_features_of_whole_sequences() -> None:
    torch.manual_seed(0)
    dropped = LockedDropout(0.25)(torch.ones(50, 4, 40))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs((dropped == 0).float().mean().item() - 0.25) < 0.05


def test_locked_dropout_is_off_in_evaluation() -> None:
    features = torch.ones(5, 4, 3)
    assert LockedDropout(0.25).eval()(features) is features


def test_a_dropped_token_is_zero_wherever_it_stands() -> None:
    torch.manual_seed(0)
    embedding = DropoutEmbedding(100, 3, dropout=0.25)
    tokens = torch.arange(100).repeat(2, 1)
    vectors = embedding(tokens)
    gone = (vectors == 0).all(2)
    assert torch.equal(gone[0], gone[1])
    assert 10 < gone[0].sum() < 40
    torch.testing.assert_close(vectors[~gone], embedding.weight[tokens][~gone] / 0.75)


def test_no_token_is_dropped_in_evaluation() -> None:
    embedding = DropoutEmbedding(100, 3, dropout=0.25).eval()
    assert torch.equal(embedding(torch.arange(100).unsqueeze(0))[0], embedding.weight)
