"""Small sound files for tests."""

from pathlib import Path

import numpy as np
import soundfile

PITCHES = {"high": 1000.0, "low": 300.0}


def tone(path: Path, pitch: float = 440.0, *, seconds: float = 0.1, rate: int = 8000, number: int = 0) -> Path:
    """Writes a sine in a little noise, both a function of pitch and number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng([round(pitch), number])
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.5 * np.sin(2 * np.pi * (pitch * time + draw.random())) + draw.normal(0, 0.01, len(time))
    soundfile.write(path, wave, rate, subtype="PCM_16")
    return path


def flat(root: Path, count: int = 20, **options) -> Path:
    """Writes two classes of tones, WAV and FLAC in turn."""
    for name, pitch in PITCHES.items():
        for number in range(count):
            tone(root / name / f"{number:02}.{'flac' if number % 2 else 'wav'}", pitch, number=number, **options)
    return root
