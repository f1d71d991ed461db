import pytest
import torch

from zoo.data.tokenizer import UNKNOWN
from zoo.data.word_dropout import WordDropout

TOKENS = torch.full((500, 40), 7)


def dropped(epoch: int = 0, seed: int = 0, probability: float = 0.2) -> torch.Tensor:
    dropout = WordDropout(probability)
    return dropout(TOKENS, dropout.table(500, seed, epoch))


@pytest.mark.parametrize("probability", [0.05, 0.2, 0.7])
def test_so_many_words_become_unknown(probability):
    unknown = (dropped(probability=probability) == UNKNOWN).float()
    assert unknown.mean() == pytest.approx(probability, abs=0.015)
    assert unknown.mean(0).std() < 0.05  # at each place alike
    assert (dropped(probability=probability) != 7).float().mean() == unknown.mean()


def test_which_is_a_function_of_seed_epoch_and_sample():
    assert torch.equal(dropped(3), dropped(3))
    for other in (dropped(4), dropped(3, seed=1)):
        agree = ((dropped(3) == UNKNOWN) & (other == UNKNOWN)).float().mean()
        assert agree == pytest.approx(0.04, abs=0.01)  # as often as two that are independent
    rows = dropped(3)
    assert len(rows.unique(dim=0)) == 500


def test_padding_stays_and_changes_nothing():
    dropout = WordDropout(0.3)
    table = dropout.table(500, 0, 0)
    shorter = TOKENS.clone()
    shorter[:, 25:] = 0
    assert torch.equal(dropout(shorter, table)[:, :25], dropout(TOKENS, table)[:, :25])
    assert not dropout(shorter, table)[:, 25:].any()
    assert torch.equal(dropout(TOKENS[:, :25], table), dropout(TOKENS, table)[:, :25])
