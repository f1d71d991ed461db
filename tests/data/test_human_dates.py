"""Dates as people write them: what they mean, and that the days of each split are its own."""

import datetime

import pytest
import torch

from zoo.data.human_dates import _STYLES, FIRST, LAST, HumanDates
from zoo.errors import OptionError


def test_the_same_seed_gives_the_same_pairs_and_another_one_others() -> None:
    first, again, other = (HumanDates(num_samples=200, seed=seed).load() for seed in (0, 0, 1))
    assert first == again
    assert first["train"].targets != other["train"].targets


def test_no_day_of_validation_or_test_is_trained_on() -> None:
    splits = HumanDates(num_samples=40_000).load()
    days = {split: set(pairs.targets) for split, pairs in splits.items()}
    assert len(splits["train"]) == 40_000
    assert (len(days["val"]), len(days["test"])) == (1000, 2000)
    assert not days["train"] & (days["val"] | days["test"]) and not days["val"] & days["test"]


def test_no_style_writes_two_days_alike() -> None:
    # What is written has to have one meaning, or there is nothing to learn.
    every = [FIRST + datetime.timedelta(day) for day in range((LAST - FIRST).days + 1)]
    for style in _STYLES:
        assert len({style(day).lower() for day in every}) == len(every)


def test_styles_do_not_contradict_each_other() -> None:
    draw = torch.Generator().manual_seed(0)
    days = [FIRST + datetime.timedelta(int(day)) for day in torch.randint(36_525, (3000,), generator=draw)]
    meaning: dict[str, datetime.date] = {}
    for day in days:
        for style in _STYLES:
            assert meaning.setdefault(style(day).lower(), day) == day


def test_more_days_than_there_are_cannot_be_held_out() -> None:
    with pytest.raises(OptionError, match="leave none of 36,525 days"):
        HumanDates(num_val_samples=30_000, num_test_samples=7000)
