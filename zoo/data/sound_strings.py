"""Strings of spoken words, or of tones, to be transcribed: sounds of single words, one after the other."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.base import Split
from zoo.data.buckets import SortedOrder
from zoo.data.order import Order, ShuffledOrder, complement, generator, stratified
from zoo.data.sound_augment import SoundAugment
from zoo.data.sound_features import SoundFeatures
from zoo.data.sound_files import to_float
from zoo.data.sound_pieces import Pieces, PieceSource, Strings, draw_strings, joined
from zoo.data.splits import SplitData
from zoo.data.string_loader import StringLoader, StringOrder, epoch_of
from zoo.errors import DataError, OptionError, explained_option
from zoo.ranges import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

BLANK = 0  # the token that a model says nothing with, which fills texts up, too
_BETWEEN = " "
_STATISTICS_STRINGS = 500
_MARGIN_SECONDS = 0.1  # before and after a string


class SoundStrings(SplitData):
    """Strings of sounds and what is said in them, as spectrograms and texts of characters.

    Training strings are a function of (seed, epoch, sample), so that each epoch brings others; those of validation and
    test are fixed. A string is of one voice; those of each split are made of sounds of that split alone, where
    validation has sounds that are held out of the training ones. Words of one character follow each other in a text;
    longer ones have a blank between them.

    Args:
        source: where the sounds come from.
        num_samples: training strings of an epoch.
        num_val_samples: validation strings.
        num_test_samples: test strings.
        min_words: fewest words of a string.
        max_words: most words of a string.
        min_gap: least silence between two words in seconds.
        max_gap: most silence likewise.
        features: "mel" or "mfcc", low frequencies first.
        num_mels: mel bands.
        num_mfcc: cosine coefficients, at most as many as bands.
        window_seconds: length of the stretch of sound that a column of the spectrogram is computed from.
        hop_seconds: distance of two columns.
        min_frequency: lower end of the lowest band in Hz.
        max_frequency: upper end of the highest one; None for half the sample rate.
        batch_size: strings in a training batch of one process.
        eval_batch_size: strings in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training sounds that validation strings are made of.
        split_seed: decides which these are, and draws the strings of validation and test.
        seed: decides training strings, order and augmentation.
        characters: what the tokens from 1 on stand for; None for the characters of the words, and a blank between them.
        vocab_size: fact that is checked against the data: tokens, 0 among them, which says nothing.
        in_channels: fact likewise: always 1.
        image_size: fact: rows of a spectrogram, and columns of the longest string there can be; always found anew.
        separator: fact: the token between two words; None where each character is one.
        mean: of each feature; None to measure it on training strings.
        std: standard deviation, likewise.
        augment: what happens to training batches, but nothing that moves sounds in time; None for nothing.

    Raises:
        OptionError: options do not go together.
    """

    def __init__(
        self,
        *,
        source: PieceSource,
        num_samples: PositiveInt = 2000,
        num_val_samples: PositiveInt = 300,
        num_test_samples: PositiveInt = 600,
        min_words: PositiveInt = 2,
        max_words: PositiveInt = 7,
        min_gap: NonNegativeFloat = 0.0,
        max_gap: NonNegativeFloat = 0.2,
        features: Literal["mel", "mfcc"] = "mel",
        num_mels: PositiveInt = 40,
        num_mfcc: PositiveInt = 40,
        window_seconds: PositiveFloat = 0.03,
        hop_seconds: PositiveFloat = 0.01,
        min_frequency: NonNegativeFloat = 20.0,
        max_frequency: PositiveFloat | None = None,
        batch_size: PositiveInt = 32,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        characters: Sequence[str] | None = None,
        vocab_size: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: Sequence[PositiveInt] | None = None,
        separator: PositiveInt | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        augment: SoundAugment | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        for low, high, name in ((min_words, max_words, "words"), (min_gap, max_gap, "gap")):
            if low > high:
                raise OptionError(f"data.min_{name}", f"{low:g} is more than max_{name} {high:g}", "set it lower")
        for name in ("speed", "shift"):
            if augment is not None and getattr(augment, name):
                problem = f"{getattr(augment, name):g} would move sounds beyond the end of their string"
                raise OptionError(f"data.augment.{name}", problem, "set it to 0")
        self.piece_source = source
        self.counts = {"train": num_samples, "val": num_val_samples, "test": num_test_samples}
        self.num_words, self.gap_seconds = (min_words, max_words), (min_gap, max_gap)
        self.spectrogram: dict[str, Any] = {
            "num_mels": num_mels,
            "num_mfcc": num_mfcc,
            "window_seconds": window_seconds,
            "hop_seconds": hop_seconds,
            "min_frequency": min_frequency,
            "max_frequency": max_frequency,
        }
        self.features, self.val_fraction, self.split_seed = features, val_fraction, split_seed
        self.characters, self.vocab_size, self.in_channels = characters, vocab_size, in_channels
        self.mean, self.std, self.augment = mean, std, augment
        self.pieces: dict[str, Pieces] = {}
        self.spoken: list[list[int]] = []  # the tokens of each word
        self._drawn: dict[str, tuple[int, Strings]] = {}
        self._table: tuple[int, Tensor] | None = None

    def prepare_data(self) -> None:
        """Lets the source make sure that the sounds are there."""
        self.piece_source.prepare()

    def setup(self, stage: str | None = None) -> None:
        """Reads, splits and measures the sounds, the first time it is called.

        Raises:
            OptionError: an option does not fit the sounds.
            DataError: the words have characters that are no token.
        """
        if self.pieces:
            return
        self.sample_rate, found = self.piece_source.load()
        self._spell(self.piece_source.words)
        self.pieces = self._split(dict(found))
        self.hearing = self._features()

    def _spell(self, words: Sequence[str]) -> None:
        """Finds the characters, and the tokens of each word."""
        spaced = any(len(word) > 1 for word in words)
        if self.characters is None:
            self.characters = [*([_BETWEEN] if spaced else []), *sorted(set("".join(words)))]
        tokens = {character: token for token, character in enumerate(self.characters, BLANK + 1)}
        if unknown := {*"".join(words), *(_BETWEEN if spaced else "")} - tokens.keys():
            problem = f"the words hold {', '.join(map(repr, sorted(unknown)))}, which the model does not know"
            raise DataError("data", problem, f"give data of {''.join(self.characters)!r} alone")
        self.spoken = [[tokens[character] for character in word] for word in words]
        self.separator = tokens[_BETWEEN] if spaced else None

    def _split(self, found: dict[str, Pieces]) -> dict[str, Pieces]:
        """Holds out the sounds of validation, each word of each voice in its share.

        Raises:
            OptionError: none would be left, or none be held out.
        """
        train = found["train"]
        count = round(self.val_fraction * len(train))
        if not 0 < count < len(train):
            left = "validation" if count == 0 else "training"
            problem = f"{self.val_fraction:g} of {len(train)} sounds leaves none for {left}"
            raise OptionError("data.val_fraction", problem, "set it between 0 and 1, such as 0.1")
        strata = train.words * (int(train.voices.max()) + 1) + train.voices
        val = stratified(strata, count, generator("validation sounds", self.split_seed))
        return {**found, "train": train.select(complement(val, len(train))), "val": train.select(val)}

    def _features(self) -> SoundFeatures:
        """Returns what computes features, measured on training strings where their statistics are not given.

        Raises:
            OptionError: options do not fit the sounds, or each other.
        """
        options: dict[str, Any] = {**self.spectrogram, "mean": self.mean, "std": self.std}
        try:
            hearing = SoundFeatures(self.features, sample_rate=self.sample_rate, **options)
        except ValueError as error:
            raise explained_option("data", error) from error
        self.margin = max(round(_MARGIN_SECONDS * self.sample_rate), hearing.shortest)
        if self.mean is None or self.std is None:
            strings = self._draw("train", _STATISTICS_STRINGS, generator("statistics", self.split_seed))
            rows = torch.arange(_STATISTICS_STRINGS).unsqueeze(1)
            hearing.measure(to_float(joined(self.pieces["train"], strings, row)[0]) for row in rows)
        return hearing

    def _draw(self, split: str, count: int, draw: torch.Generator) -> Strings:
        low, high = (round(seconds * self.sample_rate) for seconds in self.gap_seconds)
        options: dict[str, Any] = {"num_words": self.num_words, "gap": (low, high), "margin": self.margin}
        return draw_strings(self.pieces[split], count, **options, draw=draw)

    def strings(self, split: str, epoch: int = 0) -> Strings:
        """Returns the strings of a split; those of training are other ones in each epoch."""
        epoch = epoch if split == "train" else 0
        if split not in self._drawn or self._drawn[split][0] != epoch:
            counters = (self.seed, epoch) if split == "train" else (self.split_seed,)
            drawn = self._draw(split, self.counts[split], generator("strings", split, *counters))
            self._drawn[split] = epoch, drawn
        return self._drawn[split][1]

    def tokens_of(self, split: str, strings: Strings, index: int) -> list[int]:
        """Returns what is said in a string."""
        words = self.pieces[split].words
        said = [self.spoken[words[piece]] for piece in strings.pieces[index].tolist() if piece >= 0]
        between = [] if self.separator is None else [self.separator]
        return [token for number, word in enumerate(said) for token in (*(between if number else []), *word)]

    def batch(self, split: Split, epoch: int, rows: Tensor) -> Batch:
        """Returns strings as loaded: "input" int16 (B, T), with "input_length" in samples, and what is said."""
        strings = self.strings(split, epoch)
        waves, lengths = joined(self.pieces[split], strings, rows)
        texts = [torch.tensor(self.tokens_of(split, strings, row)) for row in rows.tolist()]
        return {
            "input": waves,
            "input_length": lengths,
            "target": torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=BLANK),
            "target_length": torch.tensor([len(text) for text in texts]),
            "index": rows,
        }

    @property
    def sizes(self) -> dict[str, int]:
        """How many strings each split has."""
        return {split: count for split, count in self.counts.items() if split in self.pieces}

    def training_order(self) -> ShuffledOrder:
        """Returns an order in which strings of like length make up a batch."""
        return StringOrder(lambda epoch: self.strings("train", epoch).lengths, self.batch_size, seed=self.seed)

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> StringLoader:
        """Returns batches of strings; in evaluation by length."""
        return StringLoader(
            lambda epoch, rows: self.batch(split, epoch, rows),
            order=order if train else SortedOrder(self.strings(split).lengths),
            batch_size=batch_size,
            drop_last=train,
            start=self.batches_trained if train else lambda: 0,
        )

    def largest_batch(self, batch_size: int) -> Batch:
        """Returns the training batch that takes the most memory."""
        rows = self.strings("train").lengths.argsort(descending=True, stable=True)[:batch_size]
        return self.batch("train", 0, rows)

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Augments where it trains, and computes the features.

        Returns:
            The batch with "input" float32 (B, 1, F, T), and "input_length" in columns.
        """
        waves, index = to_float(batch["input"]), batch["index"]
        augment = self.augment if train else None
        if augment is not None:
            waves = augment.on_waves(waves, self._draws(augment, index))
        inputs = self.hearing(waves)
        if augment is not None:
            inputs = augment.on_features(inputs, self._draws(augment, index))
        frames = batch["input_length"].div(self.hearing.hop, rounding_mode="floor") + 1
        return {**batch, "input": inputs, "input_length": frames}

    def _draws(self, augment: SoundAugment, index: Tensor) -> Tensor:
        """Returns the random numbers of these samples in this epoch."""
        epoch = epoch_of(self._order)
        if self._table is None or self._table[0] != epoch or self._table[1].device != index.device:
            self._table = epoch, augment.table(self.counts["train"], self.seed, epoch).to(index.device)
        return self._table[1].index_select(0, index)

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given, where the data decide."""
        return {"vocab_size": self.vocab_size, "in_channels": self.in_channels}

    def found_facts(self) -> dict[str, Any]:
        """Returns the numbers of tokens and channels, the sides of the longest spectrogram, and the separator."""
        longest = max(len(samples) for samples in self.pieces["train"].samples)
        gap = round(self.gap_seconds[1] * self.sample_rate)
        samples = self.num_words[1] * (longest + gap) + 2 * self.margin
        assert self.characters is not None
        facts = {"vocab_size": len(self.characters) + 1, "in_channels": 1, "separator": self.separator}
        return {**facts, "image_size": self.hearing.image_size(samples)}

    def preprocessing(self) -> dict[str, Any]:
        """Returns all that decides what a network hears and what tokens mean; arguments of the constructor."""
        statistics = {"mean": list(self.hearing.mean or ()), "std": list(self.hearing.std or ())}
        return {"features": self.features, **self.spectrogram, "characters": list(self.characters or ()), **statistics}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the sounds of each split, and the strings of validation and test."""
        digest = hashlib.sha256(repr((self.counts, self.num_words, self.gap_seconds, self.spoken)).encode())
        for split, part in self.pieces.items():
            digest.update(repr((split, list(part.names), part.words.tolist())).encode())
            for samples in part.samples:
                digest.update(samples.numpy().data)
        return digest.hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the sounds that a string is made of, as "3_theo_7+1_theo_0"."""
        epoch = epoch_of(self._order) if split == "train" else 0
        pieces = self.strings(split, epoch).pieces[index].tolist()
        return "+".join(self.pieces[split].names[piece] for piece in pieces if piece >= 0)

    def target_text(self, split: Split, index: int) -> str:
        """Returns what is said in a string."""
        epoch = epoch_of(self._order) if split == "train" else 0
        return self.text_of(self.tokens_of(split, self.strings(split, epoch), index))

    def text_of(self, tokens: Iterable[int]) -> str:
        """Returns the text of tokens."""
        assert self.characters is not None
        return "".join(self.characters[token - 1] for token in tokens if token != BLANK)

    def describe_splits(self) -> list[str]:
        """Returns a line on each split."""
        lines = []
        for split, count in self.sizes.items():
            seconds = int(self.strings(split).lengths.sum()) / self.sample_rate
            made = f"{count:,} strings of {len(self.pieces[split]):,} sounds"
            lines.append(f"{split:<12} {made}, {seconds / 60:.0f} minutes{' an epoch' if split == 'train' else ''}")
        return lines
