"""Files of tokens: written whole or not at all, read without being loaded."""

import multiprocessing
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.data.text_stream import read_text, survey, whole_lines
from zoo.data.token_file import Tokens, token_file, token_type
from zoo.errors import StorageError

FRESH = multiprocessing.get_context("forkserver")


def pieces() -> Iterator[Tokens]:
    yield np.arange(5)
    yield np.arange(0)
    yield np.arange(3) + 60_000


def never() -> Iterator[Tokens]:
    raise AssertionError("the tokens are there already")
    yield


def test_tokens_are_written_once_and_mapped(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.npy"
    tokens = token_file(path, pieces(), vocab_size=65_536)
    assert isinstance(tokens, np.memmap) and tokens.dtype == np.uint16
    assert tokens.tolist() == [0, 1, 2, 3, 4, 60_000, 60_001, 60_002]
    assert token_file(path, never(), vocab_size=65_536).tolist() == tokens.tolist()
    assert np.load(path).tolist() == tokens.tolist()  # NumPy's own format


@pytest.mark.parametrize(("vocab_size", "bits"), [(2, 16), (65_536, 16), (65_537, 32), (250_000, 32)])
def test_a_token_takes_as_few_bits_as_it_may(vocab_size: int, bits: int) -> None:
    assert token_type(vocab_size).itemsize * 8 == bits


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path: Path) -> None:
    def broken() -> Iterator[Tokens]:
        yield np.arange(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        token_file(tmp_path / "a.npy", broken(), vocab_size=100)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
    assert len(token_file(tmp_path / "a.npy", pieces(), vocab_size=65_536)) == 8


def test_a_file_that_was_cut_off_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    token_file(path, pieces(), vocab_size=65_536)
    for length in (140, 128, 50, 0):
        os.truncate(path, length)
        assert len(token_file(path, pieces(), vocab_size=65_536)) == 8


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    def full() -> Iterator[Tokens]:
        yield np.arange(5)
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\); make room"):
        token_file(tmp_path / "a.npy", full(), vocab_size=100)


def test_processes_that_start_together_write_one_file(tmp_path: Path) -> None:
    with FRESH.Pool(3) as pool:
        lengths = pool.starmap(_written, [(tmp_path / "a.npy",)] * 3)
    assert [count for count, _ in lengths] == [8, 8, 8]
    assert sum(wrote for _, wrote in lengths) == 1


def _written(path: Path) -> tuple[int, bool]:
    wrote = []

    def noted() -> Iterator[Tokens]:
        wrote.append(1)
        yield from pieces()

    return len(token_file(path, noted(), vocab_size=65_536)), bool(wrote)


@pytest.mark.parametrize("megabytes", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_corpus_needs_no_memory_of_its_size(megabytes: int, tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    line = (b"All work and no play makes a dull corpus, number %07d.\n" % 0) * 20_000
    with path.open("wb") as file:
        for _ in range(megabytes * 1_000_000 // len(line)):
            file.write(line)
    receiver, sender = FRESH.Pipe(duplex=False)
    child = FRESH.Process(target=_tokenize_in_little, args=(path, tmp_path / "cache", sender))
    child.start()
    sender.close()
    assert receiver.recv() == (path.stat().st_size,) * 2
    child.join()


def _tokenize_in_little(path: Path, cache: Path, sender: Any) -> None:
    """Reads, tokenizes and cuts windows of a text in 48 MB beyond what the process has."""
    with open("/proc/self/status") as file:
        taken = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (taken + 48_000_000, taken + 48_000_000))
    try:
        characters = survey(path, encoding="utf-8", cache=cache).characters
        codes = (np.frombuffer(text.encode(), np.uint8) for text in whole_lines(read_text(path)))
        tokens = token_file(cache / "tokens.npy", codes, vocab_size=256)
        windows = np.lib.stride_tricks.sliding_window_view(tokens, 1025)
        windows[np.random.default_rng(0).integers(0, len(windows), 64)]
        sender.send((characters, len(tokens)))
    except MemoryError as error:
        sender.send(repr(error))
