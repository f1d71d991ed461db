"""Text is read in pieces: the same text, cut where lines end, and bad bytes named by place."""

import hashlib
from pathlib import Path

import pytest

from zoo.data import text_stream
from zoo.data.text_stream import Survey, part_of, read_text, survey, whole_lines
from zoo.errors import DataError, OptionError

TEXT = "Ein Käse,\r\nzwei €,\ndrei \U0001f600.\n" * 5


@pytest.fixture(params=[1, 2, 3, 7, 1 << 20])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pieces so small that characters are cut in two."""
    monkeypatch.setattr(text_stream, "_CHUNK", request.param)
    return int(request.param)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_the_pieces_are_the_text(chunk: int, encoding: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", TEXT.encode(encoding))
    assert "".join(read_text(path, encoding=encoding)) == TEXT


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert "".join(read_text(write(tmp_path / "a.txt", "\ufeff" + TEXT))) == TEXT


def test_a_byte_that_means_nothing_is_named_by_row_and_offset(chunk: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"one\ntwo \xc3\xa4\nthree \xe9 four\n")
    with pytest.raises(DataError) as refused:
        list(read_text(path))
    assert str(refused.value).startswith(f"{path} row 3: is no utf-8 text: byte 0xe9 at offset 17; save it as UTF-8")


def test_a_text_that_ends_within_a_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2: is no utf-8 text: byte 0xe2 at offset 2"):
        list(read_text(write(tmp_path / "a.txt", b"a\n\xe2\x82")))


def test_the_encoding_given_is_taken(tmp_path: Path) -> None:
    assert "".join(read_text(write(tmp_path / "a.txt", b"caf\xe9"), encoding="latin-1")) == "café"
    with pytest.raises(OptionError, match=r"data.encoding: there is no latin-99; name one"):
        list(read_text(tmp_path / "a.txt", encoding="latin-99"))


@pytest.mark.parametrize("name", ["nowhere.txt", "."])
def test_what_is_no_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(read_text(tmp_path / name))


def test_a_part_is_cut_by_characters(chunk: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", TEXT)
    for start, stop in ((0, 10), (3, 40), (20, 21), (60, len(TEXT)), (5, 5)):
        assert "".join(part_of(read_text(path), start, stop)) == TEXT[start:stop]


def test_pieces_end_where_lines_do(chunk: int, tmp_path: Path) -> None:
    pieces = list(whole_lines(read_text(write(tmp_path / "a.txt", TEXT + "rest"))))
    assert "".join(pieces) == TEXT + "rest"
    assert all(piece.endswith("\n") for piece in pieces[:-1])


def test_a_line_without_end_is_cut_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_stream, "_LONGEST_LINE", 10)
    assert list(whole_lines(["abcd"] * 7)) == ["abcdabcdabcd", "abcdabcdabcd", "abcd"]


def test_a_text_is_surveyed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = write(tmp_path / "a.txt", TEXT), tmp_path / "cache"
    expected = Survey(hashlib.sha256(TEXT.encode()).hexdigest(), len(TEXT))
    assert survey(path, encoding="utf-8", cache=cache) == expected
    reads = []
    monkeypatch.setattr(text_stream, "read_text", lambda *a, **k: reads.append(a) or read_text(*a, **k))
    assert survey(path, encoding="utf-8", cache=cache) == expected and not reads
    write(path, TEXT + "more")
    assert survey(path, encoding="utf-8", cache=cache).characters == len(TEXT) + 4 and reads


def test_a_note_that_was_spoilt_is_made_anew(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "a.txt", TEXT), tmp_path / "cache"
    first = survey(path, encoding="utf-8", cache=cache)
    (note,) = cache.glob("*.json")
    for content in ("", "{", "[]", '{"sha256": "0"}'):
        note.write_text(content)
        assert survey(path, encoding="utf-8", cache=cache) == first


def test_an_empty_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.txt: the file is empty; give a file with text in it"):
        survey(write(tmp_path / "a.txt", b""), encoding="utf-8", cache=tmp_path)
