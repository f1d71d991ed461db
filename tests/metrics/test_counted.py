"""Shares from counts: over samples of several updates, and error rates equal to those of torchmetrics."""

import random

import pytest
import torch
from torchmetrics.text import CharErrorRate
from torchmetrics.text import WordErrorRate as OfTexts

from zoo.metrics.counted import CharacterErrorRate, ExactMatch, TokenAccuracy, WordErrorRate
from zoo.tasks.transcription import count_errors

LETTERS = " abc"  # the tokens 1 to 4


def tokens(texts: list[str]) -> torch.Tensor:
    length = max(1, *map(len, texts))
    return torch.tensor([[*(LETTERS.index(each) + 1 for each in text), *[0] * (length - len(text))] for text in texts])


def test_counts_are_summed_before_they_are_divided() -> None:
    counts = torch.tensor([[3, 4, 1, 1], [0, 6, 0, 1], [5, 5, 1, 1]])
    accuracy, match = TokenAccuracy(), ExactMatch()
    for part in (counts[:1], counts[1:]):
        accuracy.update(part, part)
        match.update(part, part)
    assert float(accuracy.compute()) == pytest.approx(8 / 15)
    assert float(match.compute()) == pytest.approx(2 / 3)


def test_error_rates_are_those_of_torchmetrics() -> None:
    draw = random.Random(0)
    words = ["".join(draw.choices("abc", k=draw.randint(1, 3))) for _ in range(20)]
    said = [" ".join(draw.choices(words, k=draw.randint(1, 6))) for _ in range(30)]
    found = [" ".join(draw.choices(text.split(), k=draw.randint(1, 5))) for text in said]
    counts = count_errors(tokens(found), tokens(said), separator=1)
    for ours, theirs in ((WordErrorRate(), OfTexts()), (CharacterErrorRate(), CharErrorRate())):
        ours.update(counts, counts)
        assert float(ours.compute()) == pytest.approx(float(theirs(found, said)), abs=1e-6)


def test_without_a_separator_each_token_is_a_word() -> None:
    counts = count_errors(tokens(["abc", ""]), tokens(["acc", "ab"]), separator=None)
    assert counts.tolist() == [[1, 3, 1, 3], [2, 2, 2, 2]]
