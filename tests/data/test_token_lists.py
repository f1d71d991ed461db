import torch

from zoo.data.token_lists import TokenLists

LISTS = [[5, 6, 7], [8], [9, 10, 11, 12], [13, 14]]


def test_rows_are_filled_up_to_the_longest_of_them():
    padded = TokenLists(LISTS).padded(torch.tensor([3, 0, 1]))
    assert padded.tolist() == [[13, 14, 0], [5, 6, 7], [8, 0, 0]]
    assert padded.dtype == torch.int64


def test_the_last_text_is_read_to_its_end_and_no_further():
    assert TokenLists(LISTS).padded(torch.tensor([3, 2])).tolist() == [[13, 14, 0, 0], [9, 10, 11, 12]]


def test_long_texts_are_cut():
    lists = TokenLists(LISTS, max_length=2)
    assert lists.lengths.tolist() == [2, 1, 2, 2]
    assert lists.padded(torch.arange(4)).tolist() == [[5, 6], [8, 0], [9, 10], [13, 14]]
