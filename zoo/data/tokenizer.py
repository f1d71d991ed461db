"""Text to numbers and back: characters, words, and pieces of words by byte-pair encoding.

Token 0 fills texts up and token 1 stands for what was not seen in training; neither is part of any text. A tokenizer
is trained on the training split alone, and its state is plain values, which a checkpoint carries.
"""

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from zoo.errors import OptionError

UNKNOWN = 1
NUM_SPECIAL = 2  # padding and unknown
Kind = Literal["characters", "words", "bpe"]
_DEFAULT_BPE_SIZE = 4096
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
_INCOMPLETE = "\ufffd"  # what bytes that are no whole character are decoded to
_LONGEST_CHARACTER = 4  # bytes
Ids = np.ndarray[Any, np.dtype[np.int64]]


class Tokenizer(ABC):
    """What every tokenizer can do.

    Attributes:
        kind: the name that `train_tokenizer` knows it by.
        joiner: what stands between two decoded tokens.
    """

    kind: Kind
    joiner = ""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of tokens, padding and unknown among them."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Returns the tokens of a text."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of tokens; padding is nothing, an unknown token a replacement mark."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Returns all there is to it as plain values, from which `load_tokenizer` makes it again."""

    def encode_array(self, text: str) -> Ids:
        """Returns the tokens of a text as an array (N,)."""
        return np.asarray(self.encode(text), dtype=np.int64)

    def unknown(self, text: str) -> list[str]:
        """Returns the parts of a text that it does not know, each once, in their order."""
        return []

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Decodes tokens as they come, in pieces that together are the whole text."""
        started = False
        for token in ids:
            yield (self.joiner if started else "") + self.decode([token])
            started = True


class Vocabulary(Tokenizer):
    """Tokens that are looked up in a list.

    Args:
        tokens: what the numbers from 2 on stand for.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)
        self.numbers = {token: number for number, token in enumerate(self.tokens, NUM_SPECIAL)}

    @property
    def vocab_size(self) -> int:
        """Number of tokens, padding and unknown among them."""
        return NUM_SPECIAL + len(self.tokens)

    @abstractmethod
    def split(self, text: str) -> Sequence[str]:
        """Cuts a text into tokens."""

    def encode(self, text: str) -> list[int]:
        """Returns the tokens of a text."""
        return [self.numbers.get(token, UNKNOWN) for token in self.split(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of tokens, joined as their kind asks."""
        return self.joiner.join(self._text(number) for number in ids if number)

    def _text(self, number: int) -> str:
        return self.tokens[number - NUM_SPECIAL] if number >= NUM_SPECIAL else _INCOMPLETE

    def unknown(self, text: str) -> list[str]:
        """Returns the tokens of a text that are not in the list, each once, in their order."""
        return list(dict.fromkeys(token for token in self.split(text) if token not in self.numbers))

    def state(self) -> dict[str, Any]:
        """Returns the list."""
        return {"kind": self.kind, "tokens": self.tokens}


class Characters(Vocabulary):
    """A token for each character of the training text; what it knows is decoded exactly."""

    kind: Kind = "characters"

    def __init__(self, tokens: Sequence[str]) -> None:
        super().__init__(tokens)
        codes = [ord(token) for token in self.tokens]
        self._table = np.full(max(codes, default=0) + 2, UNKNOWN, dtype=np.int64)  # the last one for all beyond
        self._table[codes] = range(NUM_SPECIAL, self.vocab_size)

    def split(self, text: str) -> Sequence[str]:
        """Returns the text, whose items are its characters."""
        return text

    def encode_array(self, text: str) -> Ids:
        """Looks all characters up at once."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        found: Ids = self._table[np.minimum(codes, len(self._table) - 1)]
        return found


class Words(Vocabulary):
    """A token for each word and punctuation mark; between decoded ones stands a blank.

    Args:
        tokens: the words.
        lowercase: whether capitals are read as small letters.
    """

    kind: Kind = "words"
    joiner = " "

    def __init__(self, tokens: Sequence[str], *, lowercase: bool = False) -> None:
        super().__init__(tokens)
        self.lowercase = lowercase

    def split(self, text: str) -> list[str]:
        """Returns words, with what apostrophes join, and punctuation marks one by one."""
        return _words(text, lowercase=self.lowercase)

    def state(self) -> dict[str, Any]:
        """Returns the words and how capitals are read."""
        return {**super().state(), "lowercase": self.lowercase}


class BytePairs(Tokenizer):
    """Pieces of words that occur often, down to single bytes: any text is known and decoded exactly.

    Rico Sennrich, Barry Haddow, Alexandra Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016,
    arXiv:1508.07909, on bytes; by the library tokenizers of Hugging Face.

    Args:
        content: what that library writes as JSON.
    """

    kind: Kind = "bpe"

    def __init__(self, content: str) -> None:
        from tokenizers import Tokenizer as Library  # only where it is used: it takes a tenth of a second

        self.content, self.library = content, Library.from_str(content)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, padding and unknown among them."""
        return NUM_SPECIAL + int(self.library.get_vocab_size())

    def encode(self, text: str) -> list[int]:
        """Returns the tokens of a text."""
        return [number + NUM_SPECIAL for number in self.library.encode(text).ids]

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of tokens; bytes that are no whole character become replacement characters."""
        known = [number - NUM_SPECIAL for number in ids if number >= NUM_SPECIAL]
        return str(self.library.decode(known))

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Decodes tokens as they come; one that ends within a character waits for the next."""
        waiting: list[int] = []
        for token in ids:
            waiting.append(token)
            text = self.decode(waiting)
            if not text.endswith(_INCOMPLETE) or len(waiting) > _LONGEST_CHARACTER:
                waiting.clear()
                yield text
        if waiting:
            yield self.decode(waiting)

    def state(self) -> dict[str, Any]:
        """Returns the library's JSON."""
        return {"kind": self.kind, "content": self.content}


def train_tokenizer(
    kind: Kind,
    texts: Iterable[str],
    *,
    vocab_size: int | None = None,
    min_count: int = 1,
    lowercase: bool = False,
    size_option: str = "data.max_vocab",
) -> Tokenizer:
    """Makes a tokenizer from the texts of the training split.

    Args:
        kind: what a token is.
        texts: those of the training split, or pieces of one.
        vocab_size: number of tokens at most, padding and unknown among them; the commonest stay. None for all, and for
            4,096 of byte pairs.
        min_count: what occurs less often is no token; of byte pairs, is not joined.
        lowercase: whether words are read in small letters.
        size_option: the option that `vocab_size` was given by.

    Returns:
        The tokenizer; the same for the same texts.

    Raises:
        OptionError: the vocabulary is too small for the kind.
    """
    if kind == "bpe":
        size = vocab_size or _DEFAULT_BPE_SIZE
        return _train_byte_pairs(texts, vocab_size=size, min_count=min_count, size_option=size_option)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text if kind == "characters" else _words(text, lowercase=lowercase))
    common = [token for token, count in counts.items() if count >= min_count]
    common.sort(key=lambda token: (-counts[token], token))
    kept = common[: None if vocab_size is None else max(vocab_size - NUM_SPECIAL, 0)]
    return Characters(sorted(kept)) if kind == "characters" else Words(kept, lowercase=lowercase)


def load_tokenizer(state: Mapping[str, Any]) -> Tokenizer:
    """Makes a tokenizer from what its `state` has returned."""
    if state["kind"] == "bpe":
        return BytePairs(state["content"])
    if state["kind"] == "words":
        return Words(state["tokens"], lowercase=state["lowercase"])
    return Characters(state["tokens"])


def _words(text: str, *, lowercase: bool) -> list[str]:
    return _WORD.findall(text.lower() if lowercase else text)


def _train_byte_pairs(texts: Iterable[str], *, vocab_size: int, min_count: int, size_option: str) -> BytePairs:
    from tokenizers import Tokenizer as Library
    from tokenizers import decoders, models, pre_tokenizers, trainers

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocab_size < NUM_SPECIAL + len(alphabet):
        problem = f"{vocab_size} given, but every byte is a token"
        raise OptionError(size_option, problem, f"set it to at least {NUM_SPECIAL + len(alphabet)}")
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - NUM_SPECIAL,
        min_frequency=min_count,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    library.train_from_iterator(texts, trainer)
    return BytePairs(library.to_str())
