"""What a network hears: log-mel spectrograms or MFCC, computed of whole batches on their device, or the waveform."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
import torchaudio.transforms  # type: ignore[import-untyped]
from torch import Tensor
from torchaudio.functional import melscale_fbanks  # type: ignore[import-untyped]

from zoo.ranges import NonNegativeFloat, PositiveFloat, PositiveInt

Kind = Literal["mel", "mfcc", "waveform"]
_FLOOR = 1e-6  # added to the energies before their logarithm, as torchaudio's MFCC does
_LONGEST = 16  # Fourier transform, in windows


class SoundFeatures:
    """Turns waveforms into what a network takes, each feature with mean 0 and standard deviation 1 once measured.

    The Fourier transform is as long as the window, rounded up to a power of two, and longer where a mel band would
    otherwise hold no frequency at all.

    Args:
        kind: "mel" for the logarithm of the energies in mel bands, "mfcc" for their cosine transform, or "waveform".
        sample_rate: samples in a second.
        num_mels: mel bands.
        num_mfcc: cosine coefficients, at most as many as bands.
        window_seconds: length of the stretch of sound that a column of the spectrogram is computed from.
        hop_seconds: distance of two columns.
        min_frequency: lower end of the lowest band in Hz.
        max_frequency: upper end of the highest one; None for half the sample rate.
        mean: of each band, coefficient, or of all samples; None until `measure`.
        std: standard deviation, likewise.

    Raises:
        ValueError: the bands do not fit the rate.
    """

    def __init__(
        self,
        kind: Kind = "mel",
        *,
        sample_rate: PositiveInt,
        num_mels: PositiveInt = 40,
        num_mfcc: PositiveInt = 40,
        window_seconds: PositiveFloat = 0.03,
        hop_seconds: PositiveFloat = 0.01,
        min_frequency: NonNegativeFloat = 20.0,
        max_frequency: PositiveFloat | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        self.kind, self.sample_rate = kind, sample_rate
        self.mean, self.std = mean, std
        self._constants: tuple[Tensor, Tensor] | None = None
        self._transform: torch.nn.Module = torch.nn.Identity()
        self.num_features, self.hop, self.shortest = 1, 1, 1
        if kind == "waveform":
            return
        window, self.hop = (max(1, round(seconds * sample_rate)) for seconds in (window_seconds, hop_seconds))
        highest = sample_rate / 2 if max_frequency is None else max_frequency
        if not min_frequency < highest <= sample_rate / 2:
            rule = f"they must rise and stay below {sample_rate / 2:g}, half the sample rate"
            raise ValueError(f"frequencies {min_frequency:g} to {highest:g} Hz: {rule}; set data.max_frequency=null")
        if kind == "mfcc" and num_mfcc > num_mels:
            raise ValueError(f"num_mfcc {num_mfcc}: there are only {num_mels} mel bands; set data.num_mels={num_mfcc}")
        length = _fft_length(window, num_mels, (min_frequency, highest), sample_rate)
        self.shortest = length // 2 + 1  # the transform mirrors half its length at either end
        mel = {
            "n_fft": length,
            "win_length": window,
            "hop_length": self.hop,
            "f_min": min_frequency,
            "f_max": highest,
            "n_mels": num_mels,
        }
        self.num_features = num_mels if kind == "mel" else num_mfcc
        if kind == "mel":
            self._transform = torchaudio.transforms.MelSpectrogram(sample_rate, **mel)
        else:
            self._transform = torchaudio.transforms.MFCC(sample_rate, num_mfcc, log_mels=True, melkwargs=mel)

    def num_frames(self, num_samples: int) -> int:
        """Returns how many columns a sound of so many samples has."""
        return num_samples if self.kind == "waveform" else 1 + num_samples // self.hop

    def image_size(self, num_samples: int) -> list[int]:
        """Returns the sides of what a sound becomes: features and columns, or its samples alone."""
        frames = self.num_frames(num_samples)
        return [frames] if self.kind == "waveform" else [self.num_features, frames]

    def check(self, num_samples: int) -> None:
        """Refuses sounds that are too short to be transformed.

        Raises:
            ValueError: they are.
        """
        if num_samples < self.shortest:
            seconds = f"clips of {num_samples / self.sample_rate:.3g} s"
            rule = f"{self.kind} needs {self.shortest / self.sample_rate:.3g} s or more"
            raise ValueError(f"{seconds}: {rule}; set data.clip_seconds, or data.features=waveform")

    @torch.no_grad()
    def __call__(self, waves: Tensor) -> Tensor:
        """Computes the features of a batch, low frequencies first.

        Args:
            waves: float from -1 to 1, (B, T).

        Returns:
            (B, 1, F, T'), or (B, 1, T) of waveforms, standardised if `measure` was called or the statistics given.
        """
        features = self._raw(waves)
        if self.mean is None or self.std is None:
            return features
        if self._constants is None or self._constants[0].device != features.device:
            shape = (-1, 1) if features.ndim == 4 else (-1,)
            mean, std = (torch.tensor(values, device=features.device).view(shape) for values in (self.mean, self.std))
            self._constants = 1 / std, -mean / std
        scale, bias = self._constants
        return features.mul(scale).add_(bias)

    def _raw(self, waves: Tensor) -> Tensor:
        if self.kind == "waveform":
            return waves.unsqueeze(1)
        features: Tensor = self._transform.to(waves.device)(waves.float())  # (B, F, T')
        if self.kind == "mel":
            features = features.add_(_FLOOR).log_()
        return features.unsqueeze(1)

    @torch.no_grad()
    def measure(self, batches: Iterable[Tensor]) -> None:
        """Measures mean and standard deviation of each feature, and standardises by them from now on.

        Args:
            batches: waveforms (B, T), at least one.
        """
        total, square, count = torch.zeros(()), torch.zeros(()), 0
        for waves in batches:
            features = self._raw(waves).double()
            rows = features.movedim(-2, 0).flatten(1)  # (F, all columns), or (1, all samples)
            total, square, count = total + rows.sum(1), square + rows.square().sum(1), count + rows.shape[1]
        assert count, "there must be sounds to measure"
        mean = total / count
        std = (square / count - mean.square()).clamp(min=0).sqrt()
        std[std <= 1e-6 * mean.abs() + 1e-12] = 1.0  # a constant feature, but for rounding
        self.mean, self.std = ([float(f"{value:.6g}") for value in values.tolist()] for values in (mean, std))
        self._constants = None


def _fft_length(window: int, num_mels: int, frequencies: tuple[float, float], sample_rate: int) -> int:
    """Returns the shortest power of two that holds the window and leaves no mel band empty.

    Raises:
        ValueError: there is none of a reasonable length.
    """
    length = 1 << (window - 1).bit_length()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the empty bands that are looked for
        while length <= _LONGEST * window:
            banks = melscale_fbanks(length // 2 + 1, *frequencies, num_mels, sample_rate)
            if bool(banks.amax(0).all()):
                return length
            length *= 2
    raise ValueError(f"num_mels {num_mels}: too many bands for {sample_rate} Hz; lower data.num_mels")
