"""Texts with one class each: their tokens, and batches of like length."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.base import Split
from zoo.data.buckets import BucketedOrder, SortedOrder, TextLoader
from zoo.data.labelled import LabelledData
from zoo.data.order import Order, ShuffledOrder
from zoo.data.texts import LabelledTexts, Texts
from zoo.data.token_lists import TokenLists
from zoo.data.tokenizer import UNKNOWN, Kind, Tokenizer, load_tokenizer, train_tokenizer
from zoo.data.word_dropout import WordDropout
from zoo.errors import DataError
from zoo.ranges import AtLeastTwo, Fraction, NonNegativeInt, PositiveInt, Probability

_LONGEST = 512  # tokens, where the data decide


class LabelledText(LabelledData):
    """Texts with one class each, as tokens of a tokenizer that is trained on the training split alone.

    Training batches are of texts of like length, in an order that is a function of (seed, epoch), and each batch is
    filled up to its own longest text. Texts and tokens are in memory.

    Args:
        source: where the texts come from.
        tokenizer: what a token is: a character, a word, or a piece of a word that byte-pair encoding finds.
        lowercase: whether words are read in small letters.
        min_count: what the training texts have less often is an unknown token; of byte pairs, is not joined.
        max_vocab: tokens at most, padding and unknown among them; None for all, and for 4,096 of byte pairs.
        max_length: tokens at which a text is cut; None for the longest training text, and 512 at most.
        word_dropout: probability of each word of a training text to be read as unknown.
        device_cache: whether tokens are kept on the GPU that trains.
        batch_size: texts in a training batch of one process.
        eval_batch_size: texts in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training texts that are held out where there are none for validation.
        split_seed: decides which texts are held out, and which `train_samples` are taken.
        seed: decides order and word dropout.
        train_samples: how many training texts to use, stratified by class; None for all.
        num_classes: fact that is checked against the data; None to leave it to them.
        vocab_size: fact likewise: how many tokens the tokenizer knows.
        tokenizer_state: a tokenizer that was trained before, as its `state` has it; None to train one.
    """

    def __init__(
        self,
        *,
        source: LabelledTexts,
        tokenizer: Kind = "words",
        lowercase: bool = True,
        min_count: PositiveInt = 1,
        max_vocab: AtLeastTwo | None = None,
        max_length: PositiveInt | None = None,
        word_dropout: Probability = 0.0,
        device_cache: bool = True,
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        train_samples: PositiveInt | None = None,
        num_classes: PositiveInt | None = None,
        vocab_size: PositiveInt | None = None,
        tokenizer_state: Mapping[str, Any] | None = None,
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
        self.source, self.kind, self.lowercase = source, tokenizer, lowercase
        self.min_count, self.max_vocab, self.max_length = min_count, max_vocab, max_length
        self.word_dropout = WordDropout(word_dropout) if word_dropout else None
        self.device_cache, self.vocab_size, self.tokenizer_state = device_cache, vocab_size, tokenizer_state
        self.texts: dict[str, Texts] = {}
        self.tokens: dict[str, TokenLists] = {}

    @property
    def share_for_test(self) -> float:
        """Share of the texts to split off for testing where there are none for it."""
        return 0.0

    def prepare_data(self) -> None:
        """Lets the source make sure that the texts are there."""
        self.source.prepare()

    def load(self) -> dict[str, Tensor]:
        """Reads, splits and tokenizes the texts."""
        found = dict(self.source.load())
        self.class_names = list(self.source.class_names)
        self.texts = self._split(found)
        self.tokenizer = self._tokenizer()
        for split, part in sorted(self.texts.items(), key=lambda item: item[0] != "train"):
            tokens = TokenLists(map(self.tokenizer.encode, part.texts), max_length=self.max_length or _LONGEST)
            self.max_length = self.max_length or int(tokens.lengths.max())
            self.tokens[split] = tokens
        return {split: part.labels for split, part in self.texts.items()}

    def _split(self, found: dict[str, Texts]) -> dict[str, Texts]:
        """Splits test, then validation texts off the training texts where there are none for it."""
        if (train := found.get("train")) is None:
            return found
        has_val, has_test = "val" in found, "test" in found
        rows = self.split_off(train.labels, has_val=has_val, has_test=has_test, test_fraction=self.share_for_test)
        return found | {split: train.select(part) for split, part in rows.items()}

    def _tokenizer(self) -> Tokenizer:
        """Returns the tokenizer given, or one trained on the training split.

        Raises:
            DataError: there is neither.
        """
        if self.tokenizer_state is not None:
            return load_tokenizer(self.tokenizer_state)
        if "train" not in self.texts:
            remedy = "leave data.evaluation_only false, or evaluate a checkpoint, which carries a tokenizer"
            raise DataError("data", "no texts to train a tokenizer on", remedy)
        return train_tokenizer(
            self.kind,
            self.texts["train"].texts,
            vocab_size=self.max_vocab,
            min_count=self.min_count,
            lowercase=self.lowercase,
        )

    def training_order(self) -> ShuffledOrder:
        """Returns an order in which texts of like length make up a batch."""
        return BucketedOrder(self.tokens["train"].lengths.cpu(), self.batch_size, seed=self.seed)

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> TextLoader:
        """Returns batches of the texts of a split; in evaluation by length."""
        tokens = self.tokens[split]
        root = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        return TextLoader(
            tokens.to(root if self.device_cache and root.type == "cuda" else "cpu"),
            self.labels[split],
            order=order if train else SortedOrder(tokens.lengths.cpu()),
            batch_size=batch_size,
            drop_last=train,
            start=self.batches_trained if train else lambda: 0,
        )

    def largest_batch(self, batch_size: int) -> Batch:
        """Returns the training batch that takes the most memory."""
        rows = self.tokens["train"].lengths.argsort(descending=True, stable=True)[:batch_size]
        return {"input": self.tokens["train"].padded(rows), "target": self.labels["train"][rows], "index": rows}

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Returns the batch: "input" int64 (B, T), filled up with 0, "target" (B,) and "index" (B,)."""
        if not train or self.word_dropout is None:
            return batch
        draws = self.draws(self.word_dropout, batch["index"])
        return {**batch, "input": self.word_dropout(batch["input"], draws)}

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given, where the data decide."""
        return {**super().given_facts(), "vocab_size": self.vocab_size}

    def found_facts(self) -> dict[str, Any]:
        """Returns the numbers of classes and tokens, and the tokens at which a text is cut."""
        facts = {"vocab_size": self.tokenizer.vocab_size, "max_length": self.max_length}
        return {"num_classes": len(self.class_names), **facts}

    def preprocessing(self) -> dict[str, Any]:
        """Returns all that turns a text into tokens; these are arguments of the constructor."""
        facts = {"vocab_size": self.tokenizer.vocab_size, "max_length": self.max_length}
        return {**facts, "tokenizer": self.tokenizer.kind, "tokenizer_state": self.tokenizer.state()}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the texts and the labels of each split."""
        digest = hashlib.sha256()
        for split, part in self.texts.items():
            digest.update(repr((split, list(part.texts), self.labels[split].tolist())).encode())
        return digest.hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns file and row, as "train.tsv row 17"."""
        return self.texts[split].names[index]

    def sample_text(self, split: Split, index: int) -> str:
        """Returns a text as it was read."""
        return self.texts[split].texts[index]

    def place_of_class(self, name: str) -> str:
        """Returns the first text that has a class."""
        number = self.class_names.index(name)
        places = [(part, row) for part in self.texts.values() for row in (part.labels == number).nonzero().flatten()]
        return next((part.names[int(row)] for part, row in places), "data")

    def describe_splits(self) -> list[str]:
        """Returns a line on the size of each split, and how much of it is known."""
        lines = []
        for split, part in self.tokens.items():
            total, unknown = int(part.lengths.sum()), float((part.tokens == UNKNOWN).sum())
            lines.append(f"{split:<12} {len(part):,} texts, {total:,} tokens, {unknown / total:.1%} of them unknown")
        return lines
