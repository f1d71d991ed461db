import sysconfig
from pathlib import Path

import pytest

from zoo.data.python_lines import PythonLines, _lines
from zoo.errors import DataError

SOURCE = b'''#!/usr/bin/env python
"""Module docstring,
of two lines."""

import os  # operating system

# A comment of its own
def f(
    x, y=1
):
    r"""What f does."""
    return "a # string" + \\
        x


class A:
    "One line."
    y = {"text":
         "not a docstring"}
    "".join(["code"])
'''


def test_lines_are_told_apart_and_stripped_of_what_gives_them_away():
    assert list(_lines(SOURCE)) == [
        (2, "docstring", "Module docstring,"),
        (3, "docstring", "of two lines."),
        (5, "code", "import os"),
        (7, "comment", "A comment of its own"),
        (8, "code", "def f("),
        (11, "docstring", "What f does."),
        (12, "code", 'return "a # string" + \\'),
        (16, "code", "class A:"),
        (17, "docstring", "One line."),
        (18, "code", 'y = {"text":'),
        (20, "code", '"".join(["code"])'),
    ]


def test_what_cannot_be_read_has_no_lines():
    assert list(_lines("x = 'é'".encode())) == []
    assert list(_lines(b"x = (\n")) == [(1, "code", "x = (")]


def test_each_kind_comes_equally_often_and_no_line_twice():
    splits = PythonLines(num_lines=1500).load()
    assert sum(part.labels.bincount(minlength=3) for part in splits.values()).tolist() == [500] * 3
    texts = [text for part in splits.values() for text in part.texts]
    assert len(set(texts)) == 1500
    assert splits["test"].labels.bincount(minlength=3).min() > 20
    again = PythonLines(num_lines=1500).load()
    assert [again[split].texts for split in again] == [splits[split].texts for split in splits]


def test_test_lines_are_from_other_files():
    splits = PythonLines(num_lines=1500).load()
    train, test = ({name.split(" row ")[0] for name in splits[split].names} for split in ("train", "test"))
    assert not train & test
    name, _, row = splits["train"].names[0].partition(" row ")
    line = (Path(sysconfig.get_paths()["stdlib"]) / name).read_text().splitlines()[int(row) - 1]
    assert splits["train"].texts[0] in line


def test_more_lines_than_there_are_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("zoo.data.python_lines.drawn_files", lambda root: ["abc.py"])
    with pytest.raises(DataError, match=r"there are only \d+ of code.*; lower data.source.num_lines"):
        PythonLines(num_lines=30_000).load()
