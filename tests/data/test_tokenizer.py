"""Tokenizers give texts back, and know nothing but what they were trained on."""

import json

import pytest

from zoo.data.tokenizer import Kind, Tokenizer, load_tokenizer, train_tokenizer
from zoo.errors import OptionError

TEXT = "Hello wörld \u2014 don't stop \U0001f389!\n\tdef f(x): <pad> <unk> 日本 " * 8
KINDS: tuple[Kind, ...] = ("characters", "words", "bpe")


def trained(kind: Kind) -> Tokenizer:
    return train_tokenizer(kind, [TEXT], vocab_size=300 if kind == "bpe" else None)


@pytest.mark.parametrize("kind", ["characters", "bpe"])
def test_a_text_comes_back_as_it_was(kind: Kind) -> None:
    tokenizer = trained(kind)
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_checkpoint_carries_makes_the_same_tokenizer(kind: Kind) -> None:
    tokenizer = trained(kind)
    again = load_tokenizer(json.loads(json.dumps(tokenizer.state())))
    assert again.encode(TEXT) == tokenizer.encode(TEXT)
    assert again.vocab_size == tokenizer.vocab_size


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_holds_padding_and_all_numbers_lie_in_the_vocabulary(kind: Kind) -> None:
    tokenizer = trained(kind)
    ids = tokenizer.encode(TEXT + "\u1234 unheard-of")
    assert min(ids) > 0
    assert max(ids) < tokenizer.vocab_size
    assert tokenizer.encode_array(TEXT).tolist() == tokenizer.encode(TEXT)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_that_are_streamed_make_the_whole_text(kind: Kind) -> None:
    tokenizer = trained(kind)
    ids = tokenizer.encode(TEXT)
    pieces = list(tokenizer.stream(ids))
    assert "".join(pieces) == tokenizer.decode(ids)
    assert not any("\ufffd" in piece for piece in pieces)


def test_what_was_not_seen_is_unknown_and_named() -> None:
    characters, words = train_tokenizer("characters", ["abc"]), train_tokenizer("words", ["a b c"])
    assert characters.encode("abz") == [2, 3, 1]
    assert characters.unknown("zaz!") == ["z", "!"]
    assert words.unknown("a dog") == ["dog"]
    assert train_tokenizer("bpe", ["abc"], vocab_size=300).unknown("\u1234") == []


def test_rare_words_are_left_out_and_the_commonest_kept() -> None:
    texts = ["b b b a a c", "D d"]
    assert train_tokenizer("words", texts, min_count=2).state()["tokens"] == ["b", "a"]
    assert train_tokenizer("words", texts, vocab_size=3).state()["tokens"] == ["b"]
    assert train_tokenizer("words", texts, lowercase=True).unknown("D B") == []


def test_byte_pairs_are_those_of_the_training_texts() -> None:
    tokenizer = train_tokenizer("bpe", ["aaaa aaaa aaaa"], vocab_size=262)
    assert len(tokenizer.encode("aaaa")) < len(tokenizer.encode("bbbb")) == 4


def test_a_vocabulary_without_room_for_bytes_is_refused() -> None:
    with pytest.raises(OptionError, match="100 given, but every byte is a token; set it to at least 258"):
        train_tokenizer("bpe", ["abc"], vocab_size=100)
