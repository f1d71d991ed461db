"""A user's own sounds: a folder a class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from zoo.data.image_scan import class_names, scan
from zoo.data.sound import SoundData
from zoo.data.sound_augment import SoundAugment
from zoo.data.sound_features import Kind
from zoo.data.sound_scan import SUFFIXES
from zoo.data.sounds import SoundFiles
from zoo.errors import DataError, OptionError
from zoo.ranges import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


class Folder:
    """Finds WAV and FLAC files under `root/<class>/`, or `root/train/<class>/` and likewise for `val` and `test`.

    Args:
        root: the folder; `~` stands for the home folder.
        whole_is_test: whether a folder of classes is a test split as a whole, where one class is enough.
    """

    def __init__(self, root: str | None, *, whole_is_test: bool = False) -> None:
        self.root = None if root is None else Path(root).expanduser()
        self.whole_is_test = whole_is_test
        self.class_names: Sequence[str] = ()

    @property
    def has_splits(self) -> bool:
        """Whether there is a folder of training sounds."""
        return self.root is not None and (self.root / "train").is_dir()

    def prepare(self) -> None:
        """Does nothing: there is nothing to download."""

    def find(self) -> dict[str, SoundFiles]:
        """Returns the files of each split.

        Raises:
            OptionError: no folder is given.
            DataError: it cannot be used.
        """
        if self.root is None:
            raise OptionError("data.root", "no folder of sounds given", "add data.root=FOLDER")
        found = scan(self.root, fewest_classes=1 if self.whole_is_test else 2, suffixes=SUFFIXES, kind="sounds")
        self.class_names = class_names(found)
        splits: dict[str, SoundFiles] = {}
        for split, classes in found.items():
            if unknown := sorted(set(classes) - set(self.class_names)):
                problem = f"classes {', '.join(unknown)} of {split} are not in train"
                raise DataError(str(self.root), problem, "add them to train or remove them")
            labelled = [(path, label) for label, name in enumerate(self.class_names) for path in classes.get(name, ())]
            files, labels = zip(*labelled, strict=True)
            splits[split] = SoundFiles.below(self.root, files, labels)
        if self.whole_is_test and not self.has_splits and "train" in splits:
            splits["test"] = splits.pop("train")
        return splits


class AudioFolder(SoundData):
    """WAV and FLAC files under `root/<class>/`, or under `root/train/<class>/`, `root/val/<class>/` and `root/test/…`.

    Classes are the names of the folders, in alphabetical order; hidden files and files of other kinds are passed over.
    Where there is no validation folder it is split off the training sounds. A folder that has nothing but a test or a
    validation folder can be evaluated.

    Args:
        root: the folder; `~` stands for the home folder.
        evaluation_only: whether nothing is trained on these sounds: a folder of classes is then a test split as a
            whole, unless `test_fraction` is given, and one class is enough; folders of splits stand as they are.
        test_fraction: share of sounds split off for testing where there is no test folder; None for 0.15 of a folder
            of classes and none of a folder of splits.
        features: see `zoo.data.sound.SoundData`, as for all that follow.
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
        val_fraction: share of the training sounds that are held out where there is no validation folder.
        split_seed: decides which sounds are held out, and which `train_samples` are taken.
        seed: decides order and augmentation.
        train_samples: how many training sounds to use, stratified by class; None for all.
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
        root: str | None,
        evaluation_only: bool = False,
        test_fraction: Fraction | None = None,
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
        self.folder = Folder(root, whole_is_test=evaluation_only and test_fraction is None)
        super().__init__(
            source=self.folder,
            features=features,
            sample_rate=sample_rate,
            clip_seconds=clip_seconds,
            num_mels=num_mels,
            num_mfcc=num_mfcc,
            window_seconds=window_seconds,
            hop_seconds=hop_seconds,
            min_frequency=min_frequency,
            max_frequency=max_frequency,
            in_memory=in_memory,
            device_cache=device_cache,
            num_workers=num_workers,
            on_bad_sample=on_bad_sample,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            val_fraction=val_fraction,
            split_seed=split_seed,
            seed=seed,
            train_samples=train_samples,
            num_classes=num_classes,
            in_channels=in_channels,
            image_size=image_size,
            mean=mean,
            std=std,
            augment=augment,
        )
        self.test_fraction = test_fraction

    @property
    def share_for_test(self) -> float:
        """Share of the sounds to split off for testing where there are none for it."""
        if self.test_fraction is not None:
            return self.test_fraction
        return 0.0 if self.folder.has_splits else 0.15

    def check_training(self) -> None:
        """Asks for training sounds, and enough of them for a batch.

        Raises:
            DataError: there are none.
            OptionError: they do not fill a batch.
        """
        if "train" not in self.labels:
            remedy = "put some into train/CLASS, and leave data.evaluation_only false"
            raise DataError(str(self.folder.root), "no sounds to train on", remedy)
        super().check_training()
