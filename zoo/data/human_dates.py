"""Dates as people write them, made up on the spot, and the same by ISO 8601: no download."""

import datetime
from collections.abc import Callable, Sequence

import torch

from zoo.data.order import generator
from zoo.data.pairs import Pairs
from zoo.errors import OptionError
from zoo.ranges import NonNegativeInt, PositiveInt

FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)  # so that a year of two digits is one year
NUM_DAYS = (LAST - FIRST).days + 1

_MONTHS = {
    language: names.split()
    for language, names in {
        "en": "January February March April May June July August September October November December",
        "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    }.items()
}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ONES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_TEENS = (
    "tenth",
    "eleventh",
    "twelfth",
    *(f"{stem}teenth" for stem in ("thir", "four", "fif", "six", "seven", "eigh")),
)
_ORDINALS = (
    *(*_ONES, *_TEENS, "nineteenth", "twentieth"),
    *(f"twenty-{one}" for one in _ONES),
    *("thirtieth", "thirty-first"),
)


def _suffix(day: int) -> str:
    return "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _month(day: datetime.date, language: str = "en") -> str:
    return _MONTHS[language][day.month - 1]


# Numbers with slashes have the month first, as in America, and those with dots the day, as in Europe.
_STYLES: Sequence[Callable[[datetime.date], str]] = (
    lambda day: f"{_month(day)} {day.day}, {day.year}",
    lambda day: f"{_month(day)[:3]} {day.day}, {day.year}",
    lambda day: f"{day.day} {_month(day)} {day.year}",
    lambda day: f"{day.day} {_month(day)[:3]} {day:%y}",
    lambda day: f"{day.day}{_suffix(day.day)} of {_month(day)} {day.year}",
    lambda day: f"{_month(day)} {day.day}{_suffix(day.day)}, '{day:%y}",
    lambda day: f"{_month(day)} the {_ORDINALS[day.day - 1]}, {day.year}",
    lambda day: f"the {_ORDINALS[day.day - 1]} of {_month(day)} {day.year}",
    lambda day: f"{_WEEKDAYS[day.weekday()]}, {_month(day)} {day.day}, {day.year}",
    lambda day: f"{_WEEKDAYS[day.weekday()][:3]} {day.day} {_month(day)[:3]} {day.year}",
    lambda day: f"{day.year}, {_month(day)} {day.day}",
    lambda day: f"{day.month}/{day.day}/{day.year}",
    lambda day: f"{day:%m/%d/%y}",
    lambda day: f"{day.day}.{day.month}.{day.year}",
    lambda day: f"{day:%d.%m.%y}",
    lambda day: f"{day.year}/{day.month}/{day.day}",
    lambda day: f"{day:%d}-{_month(day)[:3]}-{day.year}",
    lambda day: f"{day:%Y%m%d}",
    lambda day: f"{day.day}. {_month(day, 'de')} {day.year}",
    lambda day: f"{'1er' if day.day == 1 else day.day} {_month(day, 'fr')} {day.year}",
    lambda day: f"{day.day} de {_month(day, 'es')} de {day.year}",
)
_CASES: Sequence[Callable[[str], str]] = (str, str, str.lower, str.upper)


class HumanDates:
    """Days from 1950 to 2049 in 21 styles and four languages, in capitals, small letters or both.

    Validation and test are on days that no training text is about.

    Args:
        num_samples: training pairs.
        num_val_samples: validation pairs.
        num_test_samples: test pairs.
        seed: decides all that is random.

    Raises:
        OptionError: there are too few days.
    """

    def __init__(
        self,
        *,
        num_samples: PositiveInt = 10_000,
        num_val_samples: PositiveInt = 1000,
        num_test_samples: PositiveInt = 2000,
        seed: NonNegativeInt = 0,
    ) -> None:
        held_out = num_val_samples + num_test_samples
        if held_out >= NUM_DAYS:
            problem = f"{held_out:,} validation and test samples leave none of {NUM_DAYS:,} days to train on"
            raise OptionError("data.source", problem, "lower num_val_samples or num_test_samples")
        self.sizes = {"val": num_val_samples, "test": num_test_samples, "train": num_samples}
        self.seed = seed

    def prepare(self) -> None:
        """Does nothing: there is nothing to download."""

    def load(self) -> dict[str, Pairs]:
        """Returns the pairs of each split."""
        days = torch.randperm(NUM_DAYS, generator=generator("days", self.seed)).tolist()
        splits = {}
        for split, size in self.sizes.items():
            count = min(size, len(days))
            splits[split] = self._write(split, size, days[:count])
            days = days[count:]
        return splits

    def _write(self, split: str, size: int, days: Sequence[int]) -> Pairs:
        """Writes so many dates, going through the days again where there are fewer."""
        draw = generator("styles of dates", split, self.seed)
        styles = torch.randint(len(_STYLES), (size,), generator=draw).tolist()
        cases = torch.randint(len(_CASES), (size,), generator=draw).tolist()
        dates = [FIRST + datetime.timedelta(days[row % len(days)]) for row in range(size)]
        sources = [_CASES[case](_STYLES[style](day)) for case, style, day in zip(cases, styles, dates, strict=True)]
        return Pairs(sources, [day.isoformat() for day in dates], [f"{split}[{row}]" for row in range(size)])
