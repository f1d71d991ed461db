"""Tones of seven pitches and three voices, made up on the spot, as words to make strings of: no download."""

import math

import torch
from torch import Tensor

from zoo.data.order import generator
from zoo.data.sound_files import to_int16
from zoo.data.sound_pieces import Pieces
from zoo.ranges import NonNegativeInt, PositiveInt

_SEMITONES = (0, 2, 4, 5, 7, 9, 11)  # above the lowest tone
_LOWEST = 261.63  # Hz
_OVERTONES = ((1.0,), (1.0, 0.5, 0.25), (1.0, 0.0, 0.33, 0.0, 0.2))  # of each voice
_SECONDS = (0.1, 0.25)
_LEVEL = (-12.0, 0.0)  # loudness in dB
_NOISE = 0.02


class Tones:
    """Tones from c to b, of random length and loudness, a little out of tune, with a little noise.

    Args:
        num_samples: training tones.
        num_test_samples: test tones.
        sample_rate: samples in a second.
        seed: decides all that is random.
    """

    words = tuple("cdefgab")

    def __init__(
        self,
        *,
        num_samples: PositiveInt = 420,
        num_test_samples: PositiveInt = 210,
        sample_rate: PositiveInt = 8000,
        seed: NonNegativeInt = 0,
    ) -> None:
        self.sizes = {"train": num_samples, "test": num_test_samples}
        self.sample_rate, self.seed = sample_rate, seed

    def prepare(self) -> None:
        """Does nothing: there is nothing to download."""

    def load(self) -> tuple[int, dict[str, Pieces]]:
        """Returns the samples in a second, and the tones of "train" and "test"."""
        return self.sample_rate, {split: self._make(split, size) for split, size in self.sizes.items()}

    def _make(self, split: str, size: int) -> Pieces:
        """Makes so many tones, whose pitches and voices take turns."""
        draw = generator("tones", split, self.seed)
        words = torch.arange(size) % len(self.words)
        voices = torch.arange(size) // len(self.words) % len(_OVERTONES)
        samples = [self._tone(word, voice, draw) for word, voice in zip(words.tolist(), voices.tolist(), strict=True)]
        return Pieces(samples, words, voices, [f"{split}[{row}]" for row in range(size)])

    def _tone(self, word: int, voice: int, draw: torch.Generator) -> Tensor:
        length, level, tune, phase = torch.rand(4, generator=draw).tolist()
        seconds = _SECONDS[0] + (_SECONDS[1] - _SECONDS[0]) * length
        time = torch.arange(round(seconds * self.sample_rate)) / self.sample_rate
        pitch = _LOWEST * 2 ** ((_SEMITONES[word] + 0.4 * (tune - 0.5)) / 12)
        turns = 2 * math.pi * (pitch * time + phase)
        overtones = _OVERTONES[voice]
        wave = sum(share * torch.sin(number * turns) for number, share in enumerate(overtones, 1) if share)
        assert isinstance(wave, Tensor)
        faded = wave / sum(overtones) * (20 * torch.minimum(time, seconds - time)).clamp(max=1.0)
        loudness = 0.5 * 10 ** ((_LEVEL[0] + (_LEVEL[1] - _LEVEL[0]) * level) / 20)
        return to_int16(loudness * (faded + _NOISE * torch.randn(len(time), generator=draw)))
