"""Sounds with one class each: their windows, features, statistics and batches."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.batch import Batch
from zoo.data.base import BadSample, Split, Watch, unwatched
from zoo.data.clips import Windows
from zoo.data.labelled import LabelledData
from zoo.data.loader import EpochLoader
from zoo.data.order import Order, generator
from zoo.data.sound_augment import SoundAugment
from zoo.data.sound_features import Kind, SoundFeatures
from zoo.data.sound_files import to_float
from zoo.data.sound_survey import Survey, scan, survey
from zoo.data.sound_windows import SplitSounds
from zoo.data.sounds import SoundSource
from zoo.errors import DataError, OptionError, explained_option
from zoo.ranges import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

_STATISTICS_SOUNDS = 4096
_STATISTICS_BATCH = 256
_HELD_WHOLE = 0.95  # of the training sounds, by a window whose length is found


class SoundData(LabelledData):
    """Sounds with one class each, as windows of one length: spectrograms laid out as images, or waveforms.

    Sounds are mixed to one channel and kept as 16-bit samples, in memory where they take no more than a gigabyte;
    larger sets are read by worker processes while the model trains. All must have one sample rate, or are resampled to
    the one that is given. A longer sound is cut to the window, at random in training and in the middle otherwise; a
    shorter one has silence on both sides. Features are computed of whole batches on their device, and each is brought
    to mean 0 and standard deviation 1 of up to 4,096 training sounds drawn by `split_seed`.

    Args:
        source: where the sounds come from.
        features: "mel" or "mfcc", spectrograms (B, 1, F, T), low frequencies first; or "waveform", (B, 1, T).
        sample_rate: samples in a second, which all sounds are resampled to; None for what they have.
        clip_seconds: length of the window; None for one that holds 95 % of the training sounds whole.
        num_mels: mel bands.
        num_mfcc: cosine coefficients, at most as many as bands.
        window_seconds: length of the stretch of sound that a column of the spectrogram is computed from.
        hop_seconds: distance of two columns.
        min_frequency: lower end of the lowest band in Hz.
        max_frequency: upper end of the highest one; None for half the sample rate.
        in_memory: whether sounds are kept in memory; None where they take no more than a gigabyte.
        device_cache: whether sounds in memory are kept on the GPU that trains.
        num_workers: processes that read sounds that are not kept in memory.
        on_bad_sample: whether a damaged or silent sound ends the run or is left out with a warning.
        batch_size: sounds in a training batch of one process.
        eval_batch_size: sounds in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training sounds that are held out where there are none for validation.
        split_seed: decides which sounds are held out, and which `train_samples` are taken.
        seed: decides order and augmentation.
        train_samples: how many training sounds to use, stratified; None for all.
        num_classes: fact that is checked against the data; None to leave it to them.
        in_channels: fact likewise: always 1.
        image_size: fact likewise: features and columns of a spectrogram, or samples of a waveform.
        mean: of each feature; None to measure it on the training split.
        std: standard deviation, likewise.
        augment: what happens to training batches; None for nothing.
    """

    def __init__(
        self,
        *,
        source: SoundSource,
        features: Kind = "mel",
        sample_rate: PositiveInt | None = None,
        clip_seconds: PositiveFloat | None = None,
        num_mels: PositiveInt = 40,
        num_mfcc: PositiveInt = 40,
        window_seconds: PositiveFloat = 0.03,
        hop_seconds: PositiveFloat = 0.01,
        min_frequency: NonNegativeFloat = 20.0,
        max_frequency: PositiveFloat | None = None,
        in_memory: bool | None = None,
        device_cache: bool = True,
        num_workers: NonNegativeInt = 0,
        on_bad_sample: Literal["error", "skip"] = "error",
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        train_samples: PositiveInt | None = None,
        num_classes: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: Sequence[PositiveInt] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        augment: SoundAugment | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            val_fraction=val_fraction,
            split_seed=split_seed,
            seed=seed,
            train_samples=train_samples,
            num_classes=num_classes,
        )
        self.source, self.features, self.sample_rate, self.clip_seconds = source, features, sample_rate, clip_seconds
        self.spectrogram: dict[str, Any] = {
            "num_mels": num_mels,
            "num_mfcc": num_mfcc,
            "window_seconds": window_seconds,
            "hop_seconds": hop_seconds,
            "min_frequency": min_frequency,
            "max_frequency": max_frequency,
        }
        self.in_memory, self.device_cache, self.num_workers = in_memory, device_cache, num_workers
        self.on_bad_sample, self.augment = on_bad_sample, augment
        self.in_channels, self.image_size, self.mean, self.std = in_channels, image_size, mean, std
        self.splits: dict[str, SplitSounds] = {}
        self.hearing: SoundFeatures | None = None

    @property
    def share_for_test(self) -> float:
        """Share of the sounds to split off for testing where there are none for it."""
        return 0.0

    def prepare_data(self) -> None:
        """Lets the source download what is missing."""
        self.source.prepare()

    def load(self) -> dict[str, Tensor]:
        """Finds the sounds, looks at each, splits them and measures them."""
        found = self.source.find()
        self.class_names = list(self.source.class_names)
        rate, surveys = survey(
            found, sample_rate=self.sample_rate, in_memory=self.in_memory, on_bad_sample=self.on_bad_sample
        )
        parts = self._split(surveys)
        measured = next(split for split in ("train", "test", "val") if split in parts)
        if self.clip_seconds is None:
            lengths = parts[measured].lengths.sort().values
            self.clip_seconds = round(int(lengths[int(_HELD_WHOLE * (len(lengths) - 1))]) / rate, 6)
        self.sample_rate, window = rate, max(1, round(self.clip_seconds * rate))
        reading: dict[str, Any] = {"num_workers": self.num_workers, "on_bad_sample": self.on_bad_sample}
        self.splits = {
            split: SplitSounds(part, sample_rate=rate, window=window, **reading) for split, part in parts.items()
        }
        self.hearing = self._features_of(self.splits[measured])
        return {split: part.sounds.labels for split, part in parts.items()}

    def _split(self, found: dict[str, Survey]) -> dict[str, Survey]:
        """Splits test, then validation sounds off the training sounds where there are none for it.

        Raises:
            DataError: no sound of a class is left to train on.
        """
        if (train := found.get("train")) is None:
            return found
        counts = train.sounds.labels.bincount(minlength=len(self.class_names))
        for name, count in zip(self.class_names, counts.tolist(), strict=True):
            if not count:
                raise DataError("data", f"no usable sound of {name} to train on", "add some, or remove the class")
        strata = train.sounds.labels if train.sounds.strata is None else train.sounds.strata
        has_val, has_test = "val" in found, "test" in found
        rows = self.split_off(strata, has_val=has_val, has_test=has_test, test_fraction=self.share_for_test)
        return found | {split: train.select(part) for split, part in rows.items()}

    def _features_of(self, split: SplitSounds) -> SoundFeatures:
        """Returns what computes features, measured on a split where their statistics are not given.

        Raises:
            OptionError: options do not fit the sounds, or each other.
        """
        options: dict[str, Any] = {**self.spectrogram, "mean": self.mean, "std": self.std}
        try:
            hearing = SoundFeatures(self.features, sample_rate=split.sample_rate, **options)
            hearing.check(split.window)
        except ValueError as error:
            raise explained_option("data", error) from error
        for name, given in (("mean", self.mean), ("std", self.std)):
            if given is not None and len(given) != hearing.num_features:
                problem = f"{len(given)} values for {hearing.num_features} features"
                raise OptionError(f"data.{name}", problem, "give one for each, or null to measure them")
        if self.mean is None or self.std is None:
            draw = generator("statistics", self.split_seed)
            rows = torch.randperm(len(split), generator=draw)[:_STATISTICS_SOUNDS]
            middle = Windows(len(split), seed=None)
            hearing.measure(to_float(split.cut(part, middle)) for part in torch.split(rows, _STATISTICS_BATCH))
        return hearing

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given, where the data decide."""
        image_size = None if self.image_size is None else list(self.image_size)
        return {**super().given_facts(), "in_channels": self.in_channels, "image_size": image_size}

    def preprocessing(self) -> dict[str, Any]:
        """Returns all that decides what a network hears; these are arguments of the constructor."""
        assert self.hearing is not None and self.splits, "setup comes first"
        window = next(iter(self.splits.values())).window
        return {
            "features": self.features,
            "sample_rate": self.sample_rate,
            "clip_seconds": self.clip_seconds,
            **self.spectrogram,
            "in_channels": 1,
            "image_size": self.hearing.image_size(window),
            "mean": list(self.hearing.mean or ()),
            "std": list(self.hearing.std or ()),
        }

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over what tells each sound of each split from another one: name, size and class of a file."""
        digest = hashlib.sha256()
        for split, part in self.splits.items():
            for row in range(len(part)):
                digest.update(repr((split, *part.sounds.identity(row))).encode())
        return digest.hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the file, relative to the folder of all, or the place in the split."""
        return self.splits[split].sounds.names[index]

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> EpochLoader[Batch]:
        """Returns batches of windows of a split, int16 (B, T)."""
        root = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        return self.splits[split].loader(
            self.labels[split],
            self._windows(split, train=train),
            order=order,
            batch_size=batch_size,
            drop_last=train,
            start=self.batches_trained if train else lambda: 0,
            root=root,
            device_cache=self.device_cache,
        )

    def _windows(self, split: Split, *, train: bool) -> Windows:
        at_random = train and self.augment is not None and self.augment.crop
        return Windows(len(self.splits[split]), seed=self.seed if at_random else None)

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Augments where it trains, and computes the features.

        Args:
            batch: "input" int16 (B, T), "target" (B,) and "index" (B,), the rows in the split.
            train: whether to augment.

        Returns:
            The batch with "input" float32, (B, 1, F, T) or (B, 1, T).
        """
        assert self.hearing is not None
        inputs = self.hearing(self._heard(batch["input"], batch["index"], train=train))
        if train and self.augment is not None:
            inputs = self.augment.on_features(inputs, self.draws(self.augment, batch["index"]))
        return {**batch, "input": inputs}

    def _heard(self, samples: Tensor, index: Tensor, *, train: bool) -> Tensor:
        """Returns waveforms, (B, T), augmented where it trains."""
        waves = to_float(samples)
        if not train or self.augment is None:
            return waves
        return self.augment.on_waves(waves, self.draws(self.augment, index))

    def listen(self, split: Split, rows: Tensor, *, train: bool) -> Tensor:
        """Returns what is heard of some sounds in this epoch, as waveforms, for a person to listen to.

        Args:
            split: which split.
            rows: of the sounds, (B,).
            train: whether to augment.

        Returns:
            Float from -1 to 1, (B, T).
        """
        epoch = self._order.epoch if self._order else 0
        samples = self.splits[split].cut(rows.cpu(), self._windows(split, train=train), epoch)
        return self._heard(samples, rows.to(samples.device), train=train)

    def spectrograms(self, waves: Tensor) -> Tensor:
        """Returns log-mel spectrograms for a person to look at, whatever the features are, (B, 1, F, T)."""
        looking = SoundFeatures("mel", sample_rate=self.sample_rate or 1, **self.spectrogram)
        return looking(F.pad(waves, (0, max(0, looking.shortest - waves.shape[1]))))

    def scan(self, watch: Watch = unwatched) -> Iterator[BadSample]:
        """Reads every sound; if all can be used, looks at the batches."""
        self.prepare_data()
        bad = list(scan(self.source.find(), watch, sample_rate=self.sample_rate))
        yield from bad or super().scan(watch)

    def place_of_class(self, name: str) -> str:
        """Returns the first sound that has a class, for errors."""
        number = self.class_names.index(name)
        rows = [(part.sounds, row) for part in self.splits.values() for row in range(len(part))]
        return next((sounds.place(row) for sounds, row in rows if sounds.labels[row] == number), "data")
