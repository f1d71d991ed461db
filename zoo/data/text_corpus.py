"""A text of any size for language modelling: tokens in files that are mapped into memory, cut into windows."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from zoo.batch import Batch
from zoo.data.base import BadSample, Split, Watch, unwatched
from zoo.data.order import Order
from zoo.data.splits import SplitData
from zoo.data.text_splits import Part, check_shares, cut, whole
from zoo.data.text_stream import part_of, read_text, survey, whole_lines
from zoo.data.token_cache import cache_folder, cannot_cache
from zoo.data.token_file import Tokens, token_file
from zoo.data.tokenizer import Tokenizer, load_tokenizer, train_tokenizer
from zoo.data.windows import EvaluationWindows, TrainingWindows, WindowLoader, num_training_windows
from zoo.errors import OptionError
from zoo.files import write_json
from zoo.ranges import AtLeastTwo, NonNegativeInt, PositiveInt, Probability

_SAMPLE = 1 << 25  # characters of the training split, at most, that a tokenizer is trained on


@runtime_checkable
class TextSource(Protocol):
    """Where a text comes from that is no file of the user's."""

    def prepare(self) -> Path:
        """Makes sure that the text is there and returns its file."""


class TextCorpus(SplitData):
    """A text file in splits, in the order of the text: the first part is trained on, the last tested.

    The text is tokenized once, piece by piece, into a cache that later runs find; the tokenizer is trained on the
    training split alone. Training samples are windows whose places are a function of (seed, epoch); in evaluation each
    token of a split but the first is predicted once.

    Args:
        path: the file; `~` stands for the home folder.
        source: where the text comes from if there is no `path`.
        test_path: another file to test on; None for the end of the text.
        encoding: a name that Python knows.
        tokenizer: what a token is.
        vocab_size: tokens that a `bpe` or `words` tokenizer has at most; None for its own default. A fact otherwise.
        context_length: tokens that the model sees at once.
        windows_per_epoch: samples of an epoch, after which is validated; None for as many as the text has.
        eval_stride: tokens from one evaluated window to the next; below `context_length`, each token is predicted from
            `context_length - eval_stride` tokens or more. None for `context_length`.
        val_fraction: share of the text to validate on; None for 0.1, of a long text a million characters.
        test_fraction: share of the text to test on, its end; None likewise, but for 0 where there is a `test_path`.
        evaluation_only: whether nothing is trained on this text: it is then a test split as a whole.
        cache_dir: where tokens are kept; None for the user's cache.
        tokenizer_state: a tokenizer that was trained before, as its `state` has it.
        batch_size: windows in a training batch of one process.
        eval_batch_size: windows in an evaluation batch, None for `batch_size`.
        seed: decides which windows come when.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        source: TextSource | None = None,
        test_path: str | None = None,
        encoding: str = "utf-8",
        tokenizer: Literal["characters", "words", "bpe"] = "characters",
        vocab_size: AtLeastTwo | None = None,
        context_length: PositiveInt = 128,
        windows_per_epoch: PositiveInt | None = None,
        eval_stride: PositiveInt | None = None,
        val_fraction: Probability | None = None,
        test_fraction: Probability | None = None,
        evaluation_only: bool = False,
        cache_dir: str | None = None,
        tokenizer_state: Mapping[str, Any] | None = None,
        batch_size: PositiveInt = 32,
        eval_batch_size: PositiveInt | None = None,
        seed: NonNegativeInt = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        if test_path is not None and test_fraction is None:
            test_fraction = 0.0
        if not evaluation_only:
            check_shares(val_fraction, test_fraction)
        if eval_stride is not None and eval_stride > context_length:
            problem = f"{eval_stride} is more than data.context_length {context_length}"
            raise OptionError("data.eval_stride", problem, "lower it, so that no token is left out")
        self.path = None if path is None else Path(path).expanduser()
        self.test_path = None if test_path is None else Path(test_path).expanduser()
        self.source, self.encoding, self.kind, self.vocab_size = source, encoding, tokenizer, vocab_size
        self.context_length, self.windows_per_epoch = context_length, windows_per_epoch
        self.eval_stride = eval_stride or context_length
        self.val_fraction, self.test_fraction, self.evaluation_only = val_fraction, test_fraction, evaluation_only
        self.cache, self.tokenizer_state = cache_folder(cache_dir), tokenizer_state
        self.parts: dict[str, Part] = {}
        self.tokens: dict[str, Tokens] = {}

    def prepare_data(self) -> None:
        """Lets the source download what is missing."""
        if self.path is None and self.source is not None:
            self.source.prepare()

    def setup(self, stage: str | None = None) -> None:
        """Reads the text and tokenizes it, where no run has done so before; costs nothing the second time.

        Raises:
            OptionError: no text is given, or a split is shorter than a window.
            DataError: the text cannot be used.
            StorageError: the tokens cannot be written.
        """
        if self.tokens:
            return
        self.parts = self._cut()
        self.tokenizer = self._tokenizer()
        self.tokens = {split: self._tokenized(part) for split, part in self.parts.items()}
        for split, tokens in self.tokens.items():
            if len(tokens) <= self.context_length:
                problem = f"{self.context_length} given, but the {split} split is {len(tokens):,} long"
                remedy = f"set it to at most {len(tokens) - 1}, or take" if len(tokens) > 1 else "take"
                raise OptionError("data.context_length", problem, f"{remedy} a longer text")

    def _cut(self) -> dict[str, Part]:
        path = self.source.prepare() if self.path is None and self.source is not None else self.path
        if path is None:
            raise OptionError("data.path", "no text given", "add data.path=FILE.txt")
        look = partial(survey, encoding=self.encoding, cache=self.cache)
        if self.evaluation_only:
            return {"test": whole(path, look(path))}
        parts = cut(path, look(path), val=self.val_fraction, test=self.test_fraction)
        return parts if self.test_path is None else parts | {"test": whole(self.test_path, look(self.test_path))}

    def _pieces(self, part: Part, *, shown: str = "") -> Iterator[str]:
        text = read_text(part.path, encoding=self.encoding, shown=shown)
        return whole_lines(part_of(text, part.start, part.stop))

    def _tokenizer(self) -> Tokenizer:
        """Returns the tokenizer given, or one trained on the training split, or on pieces from all over a long one."""
        if self.tokenizer_state is not None:
            return load_tokenizer(self.tokenizer_state)
        if "train" not in self.parts:
            raise OptionError("data.tokenizer_state", "none given", "evaluate a checkpoint, which carries one")
        part = self.parts["train"]
        note = self._cached("json", [*part[1:], self.encoding, self.kind, self.vocab_size])
        try:
            return load_tokenizer(json.loads(note.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not trained before
        taken = islice(self._pieces(part), 0, None, -(-(part.stop - part.start) // _SAMPLE))
        tokenizer = train_tokenizer(self.kind, taken, vocab_size=self.vocab_size, size_option="data.vocab_size")
        try:
            write_json(note, tokenizer.state())
        except OSError as error:
            raise cannot_cache(self.cache, error) from error
        return tokenizer

    def _cached(self, ending: str, identity: list[Any]) -> Path:
        """Returns the file that keeps what was made of something."""
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return self.cache / f"{digest[:32]}.{ending}"

    def _tokenized(self, part: Part) -> Tokens:
        """Returns the tokens of a split, out of the cache where they are there."""
        tokenizer = self.tokenizer
        path = self._cached("npy", [*part[1:], self.encoding, tokenizer.state()])
        pieces = self._pieces(part, shown=f"tokenizing {part.path.name}")
        return token_file(path, map(tokenizer.encode_array, pieces), vocab_size=tokenizer.vocab_size)

    @property
    def sizes(self) -> dict[str, int]:
        """How many windows each split has; in training, those of an epoch."""
        length, stride = self.context_length, self.eval_stride
        sizes = {
            split: EvaluationWindows.count(len(tokens), context_length=length, stride=stride)
            for split, tokens in self.tokens.items()
        }
        if "train" in sizes:
            sizes["train"] = self.windows_per_epoch or num_training_windows(len(self.tokens["train"]), length)
        return sizes

    @property
    def tokens_per_sample(self) -> int:
        """How many tokens a window has."""
        return self.context_length

    @cached_property
    def tokens_per_character(self) -> dict[str, float]:
        """Of each split; what a loss in bits a token is multiplied by, to be one in bits a character."""
        return {split: len(self.tokens[split]) / (part.stop - part.start) for split, part in self.parts.items()}

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> WindowLoader:
        """Returns batches of windows of a split."""
        options: dict[str, Any] = {"context_length": self.context_length, "order": order, "batch_size": batch_size}
        if train:
            return TrainingWindows(self.tokens[split], drop_last=True, start=self.batches_trained, **options)
        return EvaluationWindows(self.tokens[split], stride=self.eval_stride, **options)

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Returns the batch: "input" and "target" (B, T), and "index" (B,), the first token of each window."""
        return batch

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given, where the data decide; of a vocabulary that is trained, the size is a limit."""
        return {} if self.tokenizer_state is None and self.kind != "characters" else {"vocab_size": self.vocab_size}

    def found_facts(self) -> dict[str, Any]:
        """Returns the number of tokens that there are, and of those that the model sees at once."""
        return {"vocab_size": self.tokenizer.vocab_size, "context_length": self.context_length}

    def preprocessing(self) -> dict[str, Any]:
        """Returns the tokenizer and the facts; all are arguments of the constructor."""
        return {**self.found_facts(), "tokenizer": self.tokenizer.kind, "tokenizer_state": self.tokenizer.state()}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the splits' place in their text, its content, and the tokenizer."""
        parts = {split: part[1:] for split, part in self.parts.items()}
        return hashlib.sha256(json.dumps([parts, self.tokenizer.state()], sort_keys=True).encode()).hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the window's place in the split, such as "train tokens 640 to 703"."""
        return f"{split} tokens {index} to {index + self.context_length - 1}"

    def scan(self, watch: Watch = unwatched) -> Iterator[BadSample]:
        """Reads the text to its end, which is all that can be wrong with it.

        Yields:
            Nothing: a text is right or wrong as a whole.
        """
        self.facts()
        yield from ()

    def describe_splits(self) -> list[str]:
        """Returns a line on the size of each split."""
        return [
            f"{split:<12} {len(self.tokens[split]):,} tokens of {part.stop - part.start:,} characters, "
            f"{self.sizes[split]:,} windows"
            for split, part in self.parts.items()
        ]
