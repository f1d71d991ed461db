"""Pairs of texts as tokens: one is read, the other one is to be written."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import torch

from zoo.batch import Batch
from zoo.data.base import Split
from zoo.data.buckets import BucketedOrder, SortedOrder
from zoo.data.order import Order, ShuffledOrder
from zoo.data.pair_loader import PairLoader
from zoo.data.pairs import Pairs, PairSource, split_off
from zoo.data.splits import SplitData
from zoo.data.token_lists import TokenLists
from zoo.data.tokenizer import UNKNOWN, Kind, Tokenizer, load_tokenizer, train_tokenizer
from zoo.errors import DataError
from zoo.ranges import AtLeastTwo, Fraction, NonNegativeInt, PositiveInt

_LONGEST = 512  # tokens, where the data decide


class TextPairs(SplitData):
    """Pairs of texts, as tokens of two tokenizers that are trained on the training split alone.

    Each text to write ends with a token that the tokenizer does not know, the last of its vocabulary; where it had to
    be cut it has none, and nothing that is written can equal it. Training batches are of sources of like length, in an
    order that is a function of (seed, epoch). Texts and tokens are in memory.

    Args:
        source: where the pairs come from.
        tokenizer: what a token is, of either side: a character, a word, or a piece of one that byte-pair encoding
            finds.
        lowercase: whether words are read, and written, in small letters.
        min_count: what the training texts have less often is an unknown token; of byte pairs, is not joined.
        max_vocab: tokens at most, of either side; None for all, and for 4,096 of byte pairs.
        max_length: tokens at which texts are cut; None for the longest of the training split, and 512 at most.
        device_cache: whether tokens are kept on the GPU that trains.
        batch_size: pairs in a training batch of one process.
        eval_batch_size: pairs in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training sources that are held out where there are none for validation.
        split_seed: decides which are held out.
        seed: decides the order.
        source_vocab_size: fact that is checked against the data: tokens that are read; None to leave it to them.
        target_vocab_size: fact likewise: tokens that are written, the one at the end among them.
        source_tokenizer_state: a tokenizer that was trained before, as its `state` has it; None to train one.
        target_tokenizer_state: likewise.
    """

    def __init__(
        self,
        *,
        source: PairSource,
        tokenizer: Kind = "characters",
        lowercase: bool = False,
        min_count: PositiveInt = 1,
        max_vocab: AtLeastTwo | None = None,
        max_length: AtLeastTwo | None = None,
        device_cache: bool = True,
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        source_vocab_size: PositiveInt | None = None,
        target_vocab_size: PositiveInt | None = None,
        source_tokenizer_state: Mapping[str, Any] | None = None,
        target_tokenizer_state: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        self.pair_source, self.kind, self.lowercase = source, tokenizer, lowercase
        self.min_count, self.max_vocab, self.max_length = min_count, max_vocab, max_length
        self.device_cache, self.val_fraction, self.split_seed = device_cache, val_fraction, split_seed
        self.source_vocab_size, self.target_vocab_size = source_vocab_size, target_vocab_size
        self.source_tokenizer_state, self.target_tokenizer_state = source_tokenizer_state, target_tokenizer_state
        self.pairs: dict[str, Pairs] = {}
        self.sources: dict[str, TokenLists] = {}
        self.targets: dict[str, TokenLists] = {}

    @property
    def share_for_test(self) -> float:
        """Share of the sources to split off for testing where there are none for it."""
        return 0.0

    def prepare_data(self) -> None:
        """Lets the source make sure that the pairs are there."""
        self.pair_source.prepare()

    def setup(self, stage: str | None = None) -> None:
        """Reads, splits and tokenizes the pairs, the first time it is called."""
        if self.pairs:
            return
        pairs = self._split(dict(self.pair_source.load()))
        train = pairs.get("train")
        self.source_tokenizer = self._tokenizer(self.source_tokenizer_state, train.sources if train else None)
        self.target_tokenizer = self._tokenizer(self.target_tokenizer_state, train.targets if train else None)
        encoded = {split: self._encoded(part) for split, part in pairs.items()}
        if self.max_length is None:
            measured = encoded.get("train") or next(iter(encoded.values()))
            self.max_length = min(max(len(tokens) for side in measured for tokens in side), _LONGEST)
        for split, (sources, targets) in encoded.items():
            self.sources[split] = TokenLists(sources, max_length=self.max_length)
            self.targets[split] = TokenLists(targets, max_length=self.max_length)
        self.pairs = pairs

    def _split(self, found: dict[str, Pairs]) -> dict[str, Pairs]:
        """Splits test, then validation pairs off the training pairs where there are none for it."""
        if "train" not in found:
            return found
        if "test" not in found and self.share_for_test:
            found["train"], found["test"] = split_off(found["train"], "test", self.share_for_test, seed=self.split_seed)
        if "val" not in found:
            found["train"], found["val"] = split_off(found["train"], "val", self.val_fraction, seed=self.split_seed)
        return found

    def _tokenizer(self, state: Mapping[str, Any] | None, texts: Iterable[str] | None) -> Tokenizer:
        """Returns the tokenizer given, or one trained on the training split.

        Raises:
            DataError: there is neither.
        """
        if state is not None:
            return load_tokenizer(state)
        if texts is None:
            remedy = "leave data.evaluation_only false, or evaluate a checkpoint, which carries tokenizers"
            raise DataError("data", "no texts to train a tokenizer on", remedy)
        options: dict[str, Any] = {"vocab_size": self.max_vocab, "min_count": self.min_count}
        return train_tokenizer(self.kind, texts, lowercase=self.lowercase, **options)

    def _encoded(self, pairs: Pairs) -> tuple[list[list[int]], list[list[int]]]:
        sources = [self.source_tokenizer.encode(text) for text in pairs.sources]
        return sources, [[*self.target_tokenizer.encode(text), self.boundary] for text in pairs.targets]

    @property
    def boundary(self) -> int:
        """The token that begins and ends a text to write."""
        return self.target_tokenizer.vocab_size

    @property
    def sizes(self) -> dict[str, int]:
        """How many pairs each split has."""
        return {split: len(pairs) for split, pairs in self.pairs.items()}

    def training_order(self) -> ShuffledOrder:
        """Returns an order in which sources of like length make up a batch."""
        return BucketedOrder(self.sources["train"].lengths, self.batch_size, seed=self.seed)

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> PairLoader:
        """Returns batches of the pairs of a split; in evaluation by length."""
        sources, targets = self.sources[split], self.targets[split]
        root = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        device = root if self.device_cache and root.type == "cuda" else torch.device("cpu")
        return PairLoader(
            sources.to(device),
            targets.to(device),
            boundary=self.boundary,
            order=order if train else SortedOrder(sources.lengths),
            batch_size=batch_size,
            drop_last=train,
            start=self.batches_trained if train else lambda: 0,
        )

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Returns the batch: "input" (B, S), "decoder_input" and "target" (B, T), filled up with 0, "index" (B,)."""
        return batch

    def largest_batch(self, batch_size: int) -> Batch:
        """Returns the training batch that takes the most memory."""
        cost = self.sources["train"].lengths + self.targets["train"].lengths
        rows = cost.argsort(descending=True, stable=True)[:batch_size]
        return self.loader("train", self.training_order(), batch_size, train=True).batch(rows)

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given, where the data decide."""
        return {"source_vocab_size": self.source_vocab_size, "target_vocab_size": self.target_vocab_size}

    def found_facts(self) -> dict[str, Any]:
        """Returns the numbers of tokens of both sides, and the tokens at which texts are cut."""
        vocab_sizes = {"source_vocab_size": self.source_tokenizer.vocab_size, "target_vocab_size": self.boundary + 1}
        return {**vocab_sizes, "max_length": self.max_length}

    def preprocessing(self) -> dict[str, Any]:
        """Returns all that turns texts into tokens and back; these are arguments of the constructor."""
        states = {
            "source_tokenizer_state": self.source_tokenizer.state(),
            "target_tokenizer_state": self.target_tokenizer.state(),
        }
        return {**self.found_facts(), "tokenizer": self.source_tokenizer.kind, **states}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the pairs of each split."""
        digest = hashlib.sha256()
        for split, part in self.pairs.items():
            digest.update(repr((split, list(part.sources), list(part.targets))).encode())
        return digest.hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns what a report calls a pair: file and row, as "pairs.tsv row 17", or its place in the split."""
        return self.pairs[split].names[index]

    def source_text(self, split: Split, index: int) -> str:
        """Returns what is read, as it was given."""
        return self.pairs[split].sources[index]

    def target_text(self, split: Split, index: int) -> str:
        """Returns what is to be written, as it was given."""
        return self.pairs[split].targets[index]

    def text_of(self, tokens: Iterable[int]) -> str:
        """Returns the text that a model has written."""
        return self.target_tokenizer.decode([token for token in tokens if token != self.boundary])

    def describe_splits(self) -> list[str]:
        """Returns a line on the size of each split, and how much of its sources is known."""
        lines = []
        for split, part in self.sources.items():
            total, unknown = int(part.lengths.sum()), float((part.tokens == UNKNOWN).sum())
            shares = f"{total:,} tokens to read, {unknown / total:.1%} of them unknown"
            lines.append(f"{split:<12} {len(part):,} pairs, {shares}")
        return lines
