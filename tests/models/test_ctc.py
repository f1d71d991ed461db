"""Decoding of CTC, against brute force over all alignments of tiny cases."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from zoo.models.ctc import ctc_beam, ctc_greedy


def drawn(seed: int, *shape: int, sharpness: float = 2.0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return (sharpness * torch.randn(*shape, generator=draw, dtype=torch.float64)).log_softmax(-1)


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token)


def all_texts(frames: Tensor) -> dict[tuple[int, ...], float]:
    """The probability of every text, summed over all alignments."""
    probabilities: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        ways = math.exp(sum(float(frames[time, token]) for time, token in enumerate(path)))
        probabilities[collapsed(path)] = probabilities.get(collapsed(path), 0.0) + ways
    return probabilities


def texts_of(tokens: Tensor) -> list[tuple[int, ...]]:
    return [tuple(token for token in row if token) for row in tokens.tolist()]


@pytest.mark.parametrize("seed", range(12))
def test_a_wide_beam_finds_the_most_probable_of_all_texts(seed: int) -> None:
    frames, lengths = drawn(seed, 3, 5, 2 + seed % 2), torch.tensor([5, 1 + seed % 5, 3])
    tokens, scores = ctc_beam(frames, lengths, beam_width=64)
    for row, text in enumerate(texts_of(tokens)):
        expected = all_texts(frames[row, : lengths[row]])
        assert expected[text] == pytest.approx(max(expected.values()))
        assert float(scores[row]) == pytest.approx(math.log(expected[text]), abs=1e-9)


def test_the_probability_of_a_text_is_that_of_torchs_loss() -> None:
    frames, lengths = drawn(3, 4, 9, 5), torch.tensor([9, 7, 9, 4])
    tokens, scores = ctc_beam(frames, lengths, beam_width=400)
    sizes = (tokens != 0).sum(1)
    loss = torch.nn.functional.ctc_loss(frames.transpose(0, 1), tokens, lengths, sizes, reduction="none")
    torch.testing.assert_close(-scores, loss, atol=1e-5, rtol=0)


def test_a_narrow_beam_is_no_better_than_a_wide_one_and_one_prefix_will_do() -> None:
    frames, lengths = drawn(1, 6, 12, 4, sharpness=1.0), torch.full((6,), 12)
    scores = [ctc_beam(frames, lengths, beam_width=width)[1] for width in (1, 4, 64)]
    assert (scores[0] <= scores[2] + 1e-9).all() and (scores[1] <= scores[2] + 1e-9).all()


def test_the_beam_finds_a_text_that_the_greedy_way_does_not() -> None:
    # Nothing is said with 0.4 * 0.4, a token in some way with all the rest: the example of Graves' thesis.
    frames = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    lengths = torch.tensor([2])
    assert texts_of(ctc_greedy(frames, lengths)) == [()]
    assert texts_of(ctc_beam(frames, lengths, beam_width=4)[0]) == [(1,)]


def test_greedy_joins_equal_tokens_unless_a_blank_stands_between_them() -> None:
    path = torch.tensor([[1, 1, 0, 1, 2, 2, 0, 0], [0, 3, 3, 3, 0, 2, 1, 1]])
    frames = torch.nn.functional.one_hot(path, 4).double()
    assert texts_of(ctc_greedy(frames, torch.tensor([8, 6]))) == [(1, 1, 2), (3, 2)]
    assert ctc_greedy(frames, torch.tensor([8, 1])).tolist() == [[1, 1, 2], [0, 0, 0]]


@pytest.mark.parametrize("seed", range(3))
def test_what_lies_behind_the_end_changes_no_text(seed: int) -> None:
    frames = drawn(seed, 2, 10, 4)
    lengths = torch.tensor([10, 6])
    other = frames.clone()
    other[1, 6:] = drawn(seed + 9, 4, 4)
    for tokens in (frames, other):
        assert texts_of(ctc_greedy(tokens, lengths))[1:] == texts_of(ctc_greedy(frames[1:, :6], lengths[1:]))
        found, score = ctc_beam(tokens, lengths, beam_width=8)
        alone, expected = ctc_beam(frames[1:, :6], lengths[1:], beam_width=8)
        assert texts_of(found)[1:] == texts_of(alone)
        torch.testing.assert_close(score[1:], expected)
