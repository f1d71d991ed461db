"""Augmentation of whole batches of sounds, each option of which is a regulariser with one override."""

import torch
from torch import Tensor

from zoo.data.counted_draws import CountedDraws
from zoo.data.order import generator
from zoo.errors import OptionError
from zoo.ranges import Fraction, NonNegativeFloat, PositiveInt

Draws = dict[str, Tensor]  # a random number for each sample, (B,), by name

_COLOURS = (0.0, 0.5, 1.0)  # amplitude falls by frequency to this power: white, pink and brown noise
_BANK = 1 << 17  # samples of noise of each colour


class SoundAugment(CountedDraws):
    """Augments the batches of an epoch by random numbers that are a function of (seed, epoch, sample).

    A table of the epoch holds a row of numbers for each sample, so neither the batch size nor the order nor the number
    of workers changes what happens to a sound. Each number has its own stream: switching one option on leaves the
    others' draws as they were.

    Args:
        crop: whether the window of a sound that is longer than the window lies at random; in the middle otherwise.
        speed: largest change of speed, and so of pitch, as a share: 0.1 from 1 / 1.1 to 1.1.
        shift: largest shift in time as a share of the window, either way; what moves in is silent.
        gain: largest change of loudness in dB, either way.
        noise: probability of adding white, pink or brown noise.
        min_snr: loudest noise, as the ratio of the sound's energy to that of the noise in dB.
        max_snr: softest noise, likewise.
        time_mask: largest share of the columns of a spectrogram, or of the samples of a waveform, that one mask blanks
            with its mean; D. Park et al., "SpecAugment", 2019, arXiv 1904.08779.
        frequency_mask: largest share of the rows of a spectrogram, likewise; waveforms have none.
        num_masks: masks of either kind.
    """

    def __init__(
        self,
        *,
        crop: bool = False,
        speed: NonNegativeFloat = 0.0,
        shift: Fraction = 0.0,
        gain: NonNegativeFloat = 0.0,
        noise: Fraction = 0.0,
        min_snr: float = 5.0,
        max_snr: float = 30.0,
        time_mask: Fraction = 0.0,
        frequency_mask: Fraction = 0.0,
        num_masks: PositiveInt = 2,
    ) -> None:
        if min_snr > max_snr:
            problem = f"{min_snr:g} is more than max_snr {max_snr:g}"
            raise OptionError("data.augment.min_snr", problem, "set it lower")
        self.crop, self.speed, self.shift, self.gain, self.noise = crop, speed, shift, gain, noise
        self.min_snr, self.max_snr = min_snr, max_snr
        self.time_mask, self.frequency_mask, self.num_masks = time_mask, frequency_mask, num_masks
        masks = range(num_masks)
        draws = {
            "speed": ["speed"],
            "shift": ["shift"],
            "gain": ["gain"],
            "noise": ["noise", "noise_snr", "noise_colour", "noise_place"],
            "time_mask": [f"time_{part}_{mask}" for mask in masks for part in ("width", "place")],
            "frequency_mask": [f"frequency_{part}_{mask}" for mask in masks for part in ("width", "place")],
        }
        self.names = [name for option, names in draws.items() if getattr(self, option) for name in names]
        self._noises = torch.empty(0)

    def on_waves(self, waves: Tensor, draws: Tensor) -> Tensor:
        """Applies what works on waveforms: speed and shift, then gain, then noise.

        Args:
            waves: float, (B, T).
            draws: the samples' rows of the table, (B, number of draws).

        Returns:
            (B, T).
        """
        draw = dict(zip(self.names, draws.unbind(1), strict=True))
        if self.speed or self.shift:
            waves = self._move(waves, draw)
        if self.gain:
            waves = waves * 10 ** ((2 * draw["gain"] - 1) * self.gain / 20).unsqueeze(1)
        return self._add_noise(waves, draw) if self.noise else waves

    def on_features(self, features: Tensor, draws: Tensor) -> Tensor:
        """Applies what works on standardised features, where 0 is the mean: masks.

        Args:
            features: (B, 1, F, T), or (B, 1, T) of waveforms; changed in place.
            draws: the samples' rows of the table, (B, number of draws).
        """
        draw = dict(zip(self.names, draws.unbind(1), strict=True))
        for axis, name, share in ((-1, "time", self.time_mask), (-2, "frequency", self.frequency_mask)):
            for mask in range(self.num_masks if share and -axis < features.ndim - 1 else 0):
                hidden = _mask(draw[f"{name}_width_{mask}"], draw[f"{name}_place_{mask}"], share, features.shape[axis])
                shape = [len(features), *[1] * (features.ndim - 1)]
                shape[axis] = -1
                features.masked_fill_(hidden.view(shape), 0.0)
        return features

    def _move(self, waves: Tensor, draw: Draws) -> Tensor:
        """Plays each sound faster or slower about its middle, and earlier or later; between samples it is linear."""
        length = waves.shape[1]
        time = torch.arange(length, device=waves.device, dtype=torch.float32)
        if self.speed:
            # The last bit of a power may depend on how many are computed at once; rounded from more bits it does not.
            rate = ((1 + self.speed) ** (2 * draw["speed"].double() - 1)).float().unsqueeze(1)
            time = (time - length / 2) * rate + length / 2
        if self.shift:
            time = time - ((2 * draw["shift"] - 1) * (self.shift * length)).round_().unsqueeze(1)
        place = time.floor()
        before = place.long().clamp_(-1, length) + 1  # of the wave with a silent sample before and two after it
        padded = torch.nn.functional.pad(waves, (1, 2))
        moved = padded.gather(1, before)
        if not self.speed:  # whole samples
            return moved
        after = padded.gather(1, before + 1)
        return moved.lerp_(after, (time - place).clamp_(0, 1))

    def _add_noise(self, waves: Tensor, draw: Draws) -> Tensor:
        """Adds noise from a bank that is the same for all; where in it a sound's noise begins is drawn."""
        bank = self._bank(waves.shape[1], waves.device)
        colour = (draw["noise_colour"] * len(_COLOURS)).long()
        begin = colour * (bank.numel() // len(_COLOURS)) + (draw["noise_place"] * _BANK).long()
        noise = bank.flatten().unfold(0, waves.shape[1], 1).index_select(0, begin)
        ratio = self.min_snr + (self.max_snr - self.min_snr) * draw["noise_snr"]
        energy = waves.square().mean(1) / noise.square().mean(1) / 10 ** (ratio / 10)
        level = torch.where(draw["noise"] < self.noise, energy.sqrt(), 0.0)
        return waves + noise.mul_(level.unsqueeze(1))

    def _bank(self, length: int, device: torch.device) -> Tensor:
        """Returns noise of each colour, the beginning once more at the end, (number of colours, _BANK + length)."""
        if self._noises.shape[-1] != _BANK + length or self._noises.device != device:
            white = torch.randn(_BANK, generator=generator("noise"))
            frequencies = torch.arange(_BANK // 2 + 1).clamp(min=20)  # brown noise is no drift
            spectra = torch.fft.rfft(white) / frequencies ** torch.tensor(_COLOURS).unsqueeze(1)
            noises = torch.fft.irfft(spectra, n=_BANK)
            noises = noises / noises.std(1, keepdim=True)
            repeats = -(-length // _BANK) + 1
            self._noises = noises.repeat(1, repeats)[:, : _BANK + length].contiguous().to(device)
        return self._noises


def _mask(width: Tensor, place: Tensor, share: float, size: int) -> Tensor:
    """Returns which of so many places a mask hides, bool (B, size)."""
    count = (width * (share * size + 1)).floor().clamp_(max=size)
    first = (place * (size - count + 1)).floor()
    places = torch.arange(size, device=width.device)
    return (places >= first.unsqueeze(1)) & (places < (first + count).unsqueeze(1))
