"""Sounds made up on the spot, that a model can learn to tell apart: no download."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo.data.order import generator
from zoo.data.sound_files import Header, resampled, to_int16
from zoo.data.sounds import Sounds
from zoo.ranges import NonNegativeInt, PositiveFloat, PositiveInt

_LOWEST, _HIGHEST = 100.0, 800.0  # pitch in Hz
_LEVEL = (-20.0, 0.0)  # loudness in dB
_SNR = (5.0, 30.0)  # energy of the wave beside that of the noise, in dB

# One period of each wave, by its phase from 0 to 1.
_PERIODS: dict[str, Callable[[Tensor], Tensor]] = {
    "sine": lambda phase: torch.sin(2 * math.pi * phase),
    "square": lambda phase: torch.sign(0.5 - phase),
    "sawtooth": lambda phase: 2 * phase - 1,
    "triangle": lambda phase: 4 * (phase - 0.5).abs() - 1,
    "pulse": lambda phase: torch.where(phase < 0.1, 0.9, -0.1),
    "chirp": lambda phase: torch.sin(2 * math.pi * phase),
    "vibrato": lambda phase: torch.sin(2 * math.pi * phase),
}


@dataclass
class ComputedSounds(Sounds):
    """Sounds that were computed.

    Args:
        names: what reports call each.
        labels: class of each, (N,).
        strata: what validation sounds are drawn in equal shares of, (N,); None for the classes.
        waves: int16, (N, T).
        sample_rate: samples in a second.
        origin: what they were computed from, for the fingerprint.
    """

    waves: Tensor = field(default_factory=lambda: torch.empty(0))
    sample_rate: int = 1
    origin: str = ""

    def place(self, row: int) -> str:
        """Returns the name of a sound."""
        return self.names[row]

    def header(self, row: int) -> Header:
        """Returns rate and length."""
        return Header(self.sample_rate, self.waves.shape[1])

    def read(self, row: int, sample_rate: int) -> Tensor:
        """Returns a sound, resampled where its rate is another one."""
        return resampled(self.waves[row], self.sample_rate, sample_rate)

    def identity(self, row: int) -> tuple[object, ...]:
        """Returns the name, and what all sounds were computed from."""
        return self.names[row], self.origin


class Waveforms:
    """Waves of eight shapes, in random pitch, phase and loudness, under white noise.

    Args:
        num_samples: training sounds.
        num_test_samples: test sounds.
        sample_rate: samples in a second.
        seconds: length of each.
        seed: decides all that is random.
    """

    class_names = (*_PERIODS, "noise")

    def __init__(
        self,
        *,
        num_samples: PositiveInt = 2000,
        num_test_samples: PositiveInt = 400,
        sample_rate: PositiveInt = 8000,
        seconds: PositiveFloat = 0.5,
        seed: NonNegativeInt = 0,
    ) -> None:
        self.num_samples, self.num_test_samples = num_samples, num_test_samples
        self.sample_rate, self.seconds, self.seed = sample_rate, seconds, seed

    def prepare(self) -> None:
        """Does nothing: there is nothing to download."""

    def find(self) -> dict[str, ComputedSounds]:
        """Returns the training and the test sounds; the classes take turns."""
        return {
            split: self._compute(split, count)
            for split, count in (("train", self.num_samples), ("test", self.num_test_samples))
        }

    def _compute(self, split: str, count: int) -> ComputedSounds:
        draw = generator("waveforms", split, self.seed)
        labels = torch.arange(count) % len(self.class_names)
        pitch, start, glide, ratio, level = torch.rand(5, count, 1, generator=draw)
        time = torch.arange(max(2, round(self.seconds * self.sample_rate))) / self.sample_rate  # (T,)
        noise = torch.randn(count, len(time), generator=draw)
        pitch = _LOWEST * (_HIGHEST / _LOWEST) ** pitch
        waves = torch.empty_like(noise)
        for label, name in enumerate(self.class_names):
            rows = labels == label
            if name in _PERIODS:
                phase = (pitch[rows] * _bent(name, time, glide[rows]) + start[rows]) % 1
                wave = _PERIODS[name](phase)
                spread = (wave.square().mean(1, keepdim=True) / 10 ** (_between(_SNR, ratio[rows]) / 10)).sqrt()
                waves[rows] = wave + spread * noise[rows]
            else:
                waves[rows] = 0.5 * noise[rows]
        waves *= 0.5 * 10 ** (_between(_LEVEL, level) / 20)
        names = [f"{split}[{row}]" for row in range(count)]
        origin = repr((split, count, self.sample_rate, self.seconds, self.seed))
        return ComputedSounds(names, labels, None, to_int16(waves), self.sample_rate, origin)


def _between(ends: tuple[float, float], share: Tensor) -> Tensor:
    return ends[0] + (ends[1] - ends[0]) * share


def _bent(name: str, time: Tensor, glide: Tensor) -> Tensor:
    """Returns the time that a wave follows: in a chirp its pitch becomes up to three times as high, or low."""
    if name == "chirp":
        end = torch.where(
            glide < 0.5, 1 / (1.5 + 3 * glide), 1.5 + 3 * (glide - 0.5)
        )  # pitch at the end, of that before
        return time + (end - 1) * time.square() / (2 * time[-1])
    if name == "vibrato":
        return time + _between((0.002, 0.004), glide) * torch.sin(2 * math.pi * 6 * time)
    return time.expand(len(glide), -1)
