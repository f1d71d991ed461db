"""Sound files read as 16-bit samples of one channel at one rate."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import soundfile
import torch
import torchaudio.transforms  # type: ignore[import-untyped]
from torch import Tensor

from zoo.data.sound_scan import check_file

SCALE = 32768  # of a 16-bit sample that is 1.0


class SoundError(Exception):
    """A sound that cannot be used; the message says why, in a few words without its name."""


class Header(NamedTuple):
    """What a sound file says of itself.

    Attributes:
        sample_rate: samples in a second.
        num_samples: of each channel.
    """

    sample_rate: int
    num_samples: int


def read_header(path: Path) -> Header:
    """Returns the header of a sound file, without decoding it.

    Raises:
        SoundError: it is no sound, or an empty one.
    """
    try:
        if not path.is_file():  # to open a pipe would wait for its other end
            raise SoundError("a folder" if path.is_dir() else "no regular file")
        found = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise SoundError(check_file(path) or str(error)) from error
    if not found.frames:
        raise SoundError(check_file(path) or "it holds no samples")
    return Header(found.samplerate, found.frames)


def read_sound(path: Path, sample_rate: int | None = None) -> tuple[Tensor, int]:
    """Reads a sound file whole; channels are averaged.

    Args:
        path: the file.
        sample_rate: samples in a second of the result; None for what the file has.

    Returns:
        Samples, int16 (T,), and their rate.

    Raises:
        SoundError: it is no sound, a damaged one, or silent.
    """
    if problem := check_file(path):
        raise SoundError(problem)
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:  # since it was looked at
        raise SoundError(str(error)) from error
    wave = torch.from_numpy(samples.mean(1) if samples.shape[1] > 1 else samples[:, 0])
    refuse_silence(wave)
    rounded = to_int16(wave)
    return (rounded, rate) if sample_rate is None else (resampled(rounded, rate, sample_rate), sample_rate)


def resampled(samples: Tensor, old: int, new: int) -> Tensor:
    """Returns 16-bit samples at another rate, (T,)."""
    return samples if old == new else to_int16(_resampling(old, new)(to_float(samples)))


def refuse_silence(wave: Tensor) -> None:
    """Refuses a sound in which nothing can be heard.

    Raises:
        SoundError: all samples are equal.
    """
    if float(wave.max()) == float(wave.min()):
        raise SoundError(f"silent: all {len(wave):,} samples are {float(wave[0]):g}")


def to_int16(wave: Tensor) -> Tensor:
    """Rounds samples from -1 to 1 to 16 bits; what is louder is cut off."""
    return (wave * SCALE).round_().clamp_(-SCALE, SCALE - 1).to(torch.int16)


def to_float(samples: Tensor) -> Tensor:
    """Returns 16-bit samples as numbers from -1 to 1."""
    return samples.float().div_(SCALE)


@lru_cache(maxsize=16)
def _resampling(old: int, new: int) -> torchaudio.transforms.Resample:
    """Returns what resamples, whose filter is computed once for each pair of rates."""
    return torchaudio.transforms.Resample(old, new)
