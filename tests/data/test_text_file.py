"""A user's own texts: read from CSV, TSV and JSONL; what is wrong is named by file and row."""

from pathlib import Path
from typing import Any

import pytest

from tests.data.texts import samples, with_text, write_csv, write_json
from zoo.data.base import BadSample
from zoo.data.text_file import TextFile
from zoo.errors import DataError, OptionError, RunError


def data_of(path: Path | None, **options: Any) -> TextFile:
    given = None if path is None else str(path)
    return TextFile(**{"path": given, "text": "review", "label": "verdict", "batch_size": 4, **options})


def loaded(path: Path, **options: Any) -> TextFile:
    data = data_of(path, **options)
    data.facts()
    return data


def line(path: Path | None, **options: Any) -> str:
    """The one line that a user reads."""
    with pytest.raises(RunError) as error:
        data_of(path, **options).facts()
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_kind_of_file_is_read_alike(tmp_path):
    files = [
        write_csv(tmp_path / "a.csv"),
        write_csv(tmp_path / "a.tsv", delimiter="\t"),
        write_csv(tmp_path / "b.csv", delimiter=";"),
        write_json(tmp_path / "a.jsonl"),
    ]
    found = [loaded(path) for path in files]
    assert {data.fingerprint for data in found} == {found[0].fingerprint}
    assert found[0].sizes == {"train": 46, "val": 5, "test": 9}
    assert found[0].class_names == ["bad", "good"]


def test_a_sample_is_named_by_the_line_that_an_editor_shows(tmp_path):
    rows = [("two\nlines, good", "good"), *samples()]
    data = loaded(write_csv(tmp_path / "a.csv", rows), evaluation_only=True, **loaded_state(tmp_path))
    assert [data.sample_name("test", row) for row in (0, 1)] == ["a.csv row 2", "a.csv row 4"]
    assert data.sample_text("test", 0) == "two\nlines, good"
    assert data.sizes == {"test": 61}


def loaded_state(tmp_path: Path) -> dict[str, Any]:
    return loaded(write_csv(tmp_path / "trained.csv")).preprocessing()


def test_files_of_their_own_are_taken_for_validation_and_test(tmp_path):
    path, other = write_csv(tmp_path / "a.csv"), write_json(tmp_path / "b.jsonl", samples(20))
    assert loaded(path, test_path=str(other)).sizes == {"train": 54, "val": 6, "test": 20}
    assert loaded(path, val_path=str(other)).sizes == {"train": 51, "val": 20, "test": 9}
    assert loaded(path, test_fraction=0.0).sizes == {"train": 54, "val": 6}


def test_labels_may_be_numbers_and_truth_values(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        "\n".join(f'{{"review": "text {row}", "verdict": {row % 11}}}' for row in range(55))
    )
    assert loaded(tmp_path / "a.jsonl").class_names == [str(number) for number in range(11)]
    (tmp_path / "b.jsonl").write_text(
        "\n".join(f'{{"review": "text {row}", "verdict": {"true" if row % 2 else "false"}}}' for row in range(40))
    )
    assert loaded(tmp_path / "b.jsonl").class_names == ["false", "true"]


def test_another_encoding_is_read_if_it_is_named(tmp_path):
    path = write_csv(tmp_path / "a.csv", with_text(3, "très fine"), encoding="latin-1")
    assert line(path) == (
        f"{path}: row 5 column review has the byte 0xe8, which is not UTF-8 (see data.encoding); "
        "mend them, or set data.on_bad_sample=skip to leave the rows out"
    )
    assert "très fine" in [text for part in loaded(path, encoding="latin-1").texts.values() for text in part.texts]
    wide = write_csv(tmp_path / "b.csv", encoding="utf-16")
    assert line(wide).startswith(f"{wide}: is UTF-16 text, not CSV text; ")
    assert loaded(wide, encoding="utf-16").sizes == loaded(write_csv(tmp_path / "c.csv")).sizes
    assert line(path, delimiter=";;").startswith("data.delimiter: ';;' given; give one character")
    assert line(path, encoding="klingon").startswith("data.encoding: there is no klingon; name one")


def test_quotation_marks_may_be_part_of_the_text(tmp_path):
    rows = with_text(3, 'say "fine" now')
    text = "review\tverdict\n" + "".join(f"{text}\t{label}\n" for text, label in rows).replace("say", '"say')
    (tmp_path / "a.tsv").write_text(text)
    assert "row 5 " in line(tmp_path / "a.tsv") and "(data.quotes=false takes" in line(tmp_path / "a.tsv")
    assert '"say "fine" now' in loaded(tmp_path / "a.tsv", quotes=False).files.read()["train"].texts


BAD_ROWS = {
    "empty text": ("", "good", "row 5 column review is empty"),
    "blank text": ("  ", "good", "row 5 column review is empty"),
    "no label": ("a film", "", "row 5 column verdict is empty"),
    "missing label": ("a film", "N/A", "row 5 column verdict is missing (N/A)"),
    "class of one row": ("a film", "mixed", "row 5 column verdict is the only mixed"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
@pytest.mark.parametrize("write", [write_csv, write_json])
def test_a_bad_row_is_named_and_can_be_left_out(tmp_path, kind, write, caplog):
    text, label, problem = BAD_ROWS[kind]
    path = write(tmp_path / ("a.csv" if write is write_csv else "a.jsonl"), with_text(3, text, label))
    problem = problem if write is write_csv else problem.replace("row 5", "row 4")
    assert line(path).startswith(f"{path}: {problem}; mend")
    assert list(data_of(path).scan()) == [BadSample(f"{path} row {problem.split()[1]}", problem.split(" ", 2)[2])]
    assert sum(loaded(path, on_bad_sample="skip").sizes.values()) == 59
    assert "left out 1 bad of 60 rows" in caplog.text


def test_more_than_a_tenth_is_not_left_out(tmp_path):
    rows = [("", label) if row < 7 else (text, label) for row, (text, label) in enumerate(samples())]
    assert "7 of 60 rows are bad (row 2 column" in line(write_csv(tmp_path / "a.csv", rows), on_bad_sample="skip")


WRONG_FILES = {
    "empty": ("", "is empty; give a file"),
    "header alone": ("review,verdict\n", "has a header but no rows; give"),
    "one class": (
        "review,verdict\n" + "a film,good\n" * 30,
        "column verdict has one class (good) in 30 rows; 2 or more",
    ),
    "a class a row": (
        "review,verdict\n" + "".join(f"a film,{row}x\n" for row in range(30)),
        "column verdict has 30 values in 30 rows, and so holds no classes; set data.label",
    ),
    "ragged": (
        "review,verdict\na,good\nb,bad,c\n" * 1 + "a,good\nb,bad\n" * 9,
        "row 3 has 3 cells where the header has 2",
    ),
    "spreadsheet": ("PK\x03\x04 and so on", "is a zip archive or a spreadsheet, not CSV text; save it as CSV"),
    "a quantity": ("review,verdict\n" + "a film,0.5\nb,1\n" * 9, "row 2 column verdict is a fraction, no class (0.5)"),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_a_wrong_file_is_named_before_training(tmp_path, kind):
    content, problem = WRONG_FILES[kind]
    (tmp_path / "a.csv").write_text(content)
    assert line(tmp_path / "a.csv").startswith(f"{tmp_path}/a.csv: {problem}")


TWO_OF_EACH = '{"review": "a", "verdict": "b"}\n' * 2 + '{"review": "a", "verdict": "c"}\n' * 2
WRONG_JSON = {
    "array": ('[\n{"review": "a"},\n{"review": "b"}]\n', "row 1 is no JSON (Expecting value at column 2); give a JSON"),
    "text": (
        "review,verdict\na,b\n",
        "row 1 is no JSON (Expecting value at column 1); give a JSON object in each line",
    ),
    "a number": (f"{TWO_OF_EACH}3\n", "row 5 is int, no JSON object; mend"),
    "no field": (TWO_OF_EACH + '{"review": "a"}\n', "row 5 has no verdict; mend"),
}


@pytest.mark.parametrize("kind", WRONG_JSON)
def test_wrong_json_is_named_by_its_line(tmp_path, kind):
    content, problem = WRONG_JSON[kind]
    (tmp_path / "a.jsonl").write_text(content)
    assert line(tmp_path / "a.jsonl").startswith(f"{tmp_path}/a.jsonl: {problem}")


def test_columns_that_are_not_there_are_answered_with_those_that_are(tmp_path):
    for path in (write_csv(tmp_path / "a.csv"), write_json(tmp_path / "a.jsonl")):
        assert line(path, text="text") == f"data.text: {path} has no column text; its columns are review, verdict"
        assert line(path, label=None) == (
            "data.label: no column of classes given; add data.label=COLUMN, one of review, verdict"
        )
        assert line(path, text=None).startswith(
            "data.text: no column of texts given; add data.text=COLUMN, one of review"
        )


def test_a_file_that_is_not_there_or_not_given_is_named(tmp_path):
    assert line(None) == "data.path: no file of texts given; add data.path=FILE.csv"
    assert line(tmp_path / "a.csv") == f"{tmp_path}/a.csv: no such file; set data.path to a CSV file"


def test_a_class_of_the_test_file_that_is_not_trained_on_is_named(tmp_path):
    path, other = write_csv(tmp_path / "a.csv"), write_csv(tmp_path / "b.csv", with_text(7, "so so", "mixed"))
    assert line(path, test_path=str(other)).startswith(
        f"{other}: row 9 column verdict is mixed, which is no class of a.csv; mend"
    )
    assert loaded(path, test_path=str(other), on_bad_sample="skip").sizes["test"] == 59


def test_too_few_rows_for_the_splits_are_refused(tmp_path):
    few = write_csv(tmp_path / "a.csv", samples(4))
    assert line(few, test_fraction=0.0).startswith(
        "data.val_fraction: 0.1 of 4 samples leaves none for validation; set"
    )
    assert line(few, test_fraction=0.1).startswith("data.test_fraction: 0.1 of 4 samples leaves none for testing;")
    with pytest.raises(OptionError, match="64 asked, but only 46 training samples"):
        loaded(write_csv(tmp_path / "b.csv"), batch_size=64).check_training()


def test_evaluation_alone_needs_a_tokenizer(tmp_path):
    with pytest.raises(DataError, match="no texts to train a tokenizer on; leave "):
        loaded(write_csv(tmp_path / "a.csv"), evaluation_only=True)
