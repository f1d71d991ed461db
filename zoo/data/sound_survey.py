"""Sounds looked at before the first step: their rates, lengths and damage; small sets are read into memory by it."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from zoo.data.base import BadSample, Watch
from zoo.data.decode import MEND_OR_SKIP, MOST_BAD
from zoo.data.sound_files import Header, SoundError
from zoo.data.sounds import Sounds
from zoo.errors import DataError

log = logging.getLogger(__name__)

_MOST_BYTES_IN_MEMORY = 1 << 30
_MOST_NAMED = 5


@dataclass
class Survey:
    """What can be used of a split.

    Args:
        sounds: those that are not bad.
        lengths: their samples, once resampled, (N,).
        samples: their samples themselves, int16, where they are kept in memory.
    """

    sounds: Sounds
    lengths: Tensor
    samples: list[Tensor] | None

    def select(self, rows: Tensor) -> "Survey":
        """Returns a part of the split, in the order of `rows`."""
        samples = None if self.samples is None else [self.samples[row] for row in rows.tolist()]
        return Survey(self.sounds.select(rows), self.lengths[rows], samples)


@dataclass
class _Look:
    """A split while it is looked at: by row what was found, and what is wrong."""

    sounds: Sounds
    headers: dict[int, Header] = field(default_factory=dict)
    samples: dict[int, Tensor] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)

    def read_headers(self) -> None:
        for row in range(len(self.sounds)):
            try:
                self.headers[row] = self.sounds.header(row)
            except SoundError as error:
                self.problems[row] = str(error)

    def read(self, sample_rate: int) -> None:
        for row in list(self.headers):
            try:
                self.samples[row] = self.sounds.read(row, sample_rate)
            except SoundError as error:
                self.problems[row] = str(error)
                del self.headers[row]

    def lengths(self, sample_rate: int) -> Tensor:
        return torch.tensor(
            [-(-header.num_samples * sample_rate // header.sample_rate) for header in self.headers.values()]
        )

    def bad(self) -> list[BadSample]:
        return [BadSample(self.sounds.place(row), problem) for row, problem in sorted(self.problems.items())]


def survey(
    splits: Mapping[str, Sounds],
    *,
    sample_rate: int | None,
    in_memory: bool | None,
    on_bad_sample: Literal["error", "skip"],
) -> tuple[int, dict[str, Survey]]:
    """Looks at all sounds.

    Args:
        splits: the sounds by split.
        sample_rate: what all are resampled to; None where all must have the same.
        in_memory: whether to read all of them; None to do so where they take no more than a gigabyte.
        on_bad_sample: "skip" to leave bad ones out with a warning.

    Returns:
        The rate, and what can be used of each split.

    Raises:
        DataError: rates differ, sounds are bad but not to be left out, or too many would be.
    """
    looks = {split: _Look(sounds) for split, sounds in splits.items()}
    for look in looks.values():
        look.read_headers()
    rate = sample_rate or _common_rate(list(looks.values()))
    size = 2 * sum(int(look.lengths(rate).sum()) for look in looks.values())
    if in_memory or (in_memory is None and size <= _MOST_BYTES_IN_MEMORY):
        for look in looks.values():
            look.read(rate)
    _judge([bad for look in looks.values() for bad in look.bad()], sum(map(len, splits.values())), on_bad_sample)
    return rate, {split: _usable(look, rate) for split, look in looks.items()}


def _usable(look: _Look, rate: int) -> Survey:
    sounds = look.sounds.select(torch.tensor(list(look.headers), dtype=torch.long)) if look.problems else look.sounds
    samples = list(look.samples.values()) or None
    lengths = torch.tensor([len(sound) for sound in samples]) if samples else look.lengths(rate)
    return Survey(sounds, lengths, samples)


def _common_rate(looks: Sequence[_Look]) -> int:
    """Returns the rate that all sounds have.

    Raises:
        DataError: two have different ones, or there are no sounds.
    """
    first: tuple[str, int] | None = None
    for look in looks:
        for row, header in look.headers.items():
            place = look.sounds.place(row)
            first = first or (place, header.sample_rate)
            if header.sample_rate != first[1]:
                problem = f"its sample rate is {header.sample_rate:,} Hz, but that of {first[0]} is {first[1]:,} Hz"
                remedy = f"have all resampled by data.sample_rate={min(header.sample_rate, first[1])}"
                raise DataError(place, problem, remedy)
    if first is None:
        bad = next((bad for look in looks for bad in look.bad()), BadSample("data", "there are no sounds"))
        raise DataError(bad.name, f"cannot be used as a sound ({bad.problem}), nor can any other", "mend them")
    return first[1]


def _judge(bad: Sequence[BadSample], total: int, on_bad_sample: Literal["error", "skip"]) -> None:
    """Warns of bad sounds that are left out.

    Raises:
        DataError: they are not to be left out, or too many would be.
    """
    if not bad:
        return
    listed = ", ".join(f"{name} ({problem})" for name, problem in bad[1:_MOST_NAMED])
    more = f" and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
    others = f", nor {listed}{more}" if listed else ""
    problem = f"cannot be used as a sound ({bad[0].problem}){others}"
    if on_bad_sample == "error":
        raise DataError(bad[0].name, problem, MEND_OR_SKIP)
    if len(bad) > MOST_BAD * total:
        remedy = f"mend or remove them: more than {MOST_BAD:.0%} are not left out"
        raise DataError(bad[0].name, f"{problem}: {len(bad)} of {total}", remedy)
    log.warning("left out %d bad of %d sounds: %s (%s)%s", len(bad), total, *bad[0], others)


def scan(splits: Mapping[str, Sounds], watch: Watch, *, sample_rate: int | None) -> Iterator[BadSample]:
    """Reads every sound.

    Args:
        splits: the sounds by split.
        watch: what to go through long loops with.
        sample_rate: what all are resampled to; None where all must have the same.

    Yields:
        Each that cannot be used, and each of another rate than most where none is given.
    """
    rows = [(sounds, row) for sounds in splits.values() for row in range(len(sounds))]
    rates: dict[str, int] = {}
    for sounds, row in watch(rows, "sounds", len(rows)):
        place = sounds.place(row)
        try:
            rates[place] = sounds.header(row).sample_rate
            sounds.read(row, rates[place])
        except SoundError as error:
            yield BadSample(place, str(error))
    if sample_rate is None and rates:
        usual = Counter(rates.values()).most_common(1)[0][0]
        for place, rate in rates.items():
            if rate != usual:
                problem = f"its sample rate is {rate:,} Hz, but that of most is {usual:,} Hz"
                yield BadSample(place, f"{problem}: data.sample_rate={min(rate, usual)} resamples all")
