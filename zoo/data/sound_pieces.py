"""Sounds of single words, and how strings of them are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor


@dataclass
class Pieces:
    """Sounds of one word each.

    Args:
        samples: of each, int16 (T,).
        words: number of the word that each says, (N,).
        voices: number of the voice that says it, (N,).
        names: what reports call each.
    """

    samples: Sequence[Tensor]
    words: Tensor
    voices: Tensor
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def select(self, rows: Tensor) -> "Pieces":
        """Returns some of them, in the order of `rows`."""
        chosen = rows.tolist()
        samples, names = [self.samples[row] for row in chosen], [self.names[row] for row in chosen]
        return Pieces(samples, self.words[rows], self.voices[rows], names)


@runtime_checkable
class PieceSource(Protocol):
    """Where sounds of single words come from."""

    @property
    def words(self) -> Sequence[str]:
        """What is said, as text."""

    def prepare(self) -> None:
        """Makes sure that the sounds are there."""

    def load(self) -> tuple[int, Mapping[str, Pieces]]:
        """Returns the samples in a second, and the sounds of "train" and "test"."""


class Strings(NamedTuple):
    """Strings of sounds, one after the other, with silence around each.

    Attributes:
        pieces: rows of the sounds, -1 behind the last one, (N, U).
        starts: the sample at which each begins, (N, U).
        lengths: samples of each string, (N,).
    """

    pieces: Tensor
    starts: Tensor
    lengths: Tensor


def draw_strings(
    pieces: Pieces,
    count: int,
    *,
    num_words: tuple[int, int],
    gap: tuple[int, int],
    margin: int,
    draw: torch.Generator,
) -> Strings:
    """Draws strings, each of sounds of one voice.

    Args:
        pieces: the sounds.
        count: N, how many strings.
        num_words: fewest and most words of a string.
        gap: least and most samples of silence between two of them.
        margin: samples of silence before the first and after the last one.
        draw: the source of randomness.
    """
    fewest, most = num_words
    by_voice = pieces.voices.argsort(stable=True)
    sizes = pieces.voices.bincount()
    voice = pieces.voices[torch.randint(len(pieces), (count, 1), generator=draw)]  # (N, 1), by its share
    place = (torch.rand(count, most, generator=draw) * sizes[voice]).long()  # (N, U)
    chosen = by_voice[(sizes.cumsum(0) - sizes)[voice] + place]
    gaps = torch.randint(gap[0], gap[1] + 1, (count, most), generator=draw)
    said = torch.arange(most) < torch.randint(fewest, most + 1, (count, 1), generator=draw)
    taken = torch.tensor([len(samples) for samples in pieces.samples])[chosen] * said
    gaps = torch.where(said, gaps, 0)
    gaps[:, 0] = margin
    ends = (gaps + taken).cumsum(1)
    return Strings(torch.where(said, chosen, -1), ends - taken, ends[:, -1] + margin)


def joined(pieces: Pieces, strings: Strings, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the samples of some strings, silent behind their ends, int16 (B, T), and how many each has, (B,)."""
    lengths = strings.lengths[rows]
    waves = torch.zeros(len(rows), int(lengths.max()), dtype=torch.int16)
    chosen, starts = strings.pieces[rows].tolist(), strings.starts[rows].tolist()
    for wave, numbers, places in zip(waves, chosen, starts, strict=True):
        for number, start in zip(numbers, places, strict=True):
            if number >= 0:
                samples = pieces.samples[number]
                wave[start : start + len(samples)] = samples
    return waves, lengths
