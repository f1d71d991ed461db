"""Bad data: each is named by file, or by file, row and column, in one line, before training where a scan finds it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.data import images_on_disk
from tests.data.images_on_disk import content
from tests.data.tables import HEADER, rows, text_of, with_cell, write
from zoo.data.base import BadSample
from zoo.data.image_folder import ImageFolder
from zoo.data.memory_images import MemoryImages
from zoo.data.table import TableData
from zoo.errors import DataError, RunError, TrainingStopped


def folder_of(root: Path, **options) -> ImageFolder:
    return ImageFolder(**{"root": str(root), "batch_size": 4, "image_size": 16, **options})


def table_of(path: Path, **options) -> TableData:
    return TableData(**{"path": str(path), "target": "kind", "batch_size": 8, **options})


def raised(act: Callable[[], object]) -> str:
    """What a user reads, which must be one line."""
    with pytest.raises(RunError) as error:
        act()
    assert error.value.exit_code in (2, 3)
    line = str(error.value)
    assert "\n" not in line and line.isprintable()
    return line


BAD_IMAGES = {
    "cut off": (lambda: content()[:-500], "truncated"),
    "cut off png": (lambda: content("PNG")[:-500], "runcated"),
    "empty": (lambda: b"", "the file is empty"),
    "web page": (lambda: b"\n<!DOCTYPE html><html><body>404</body></html>", "it is a web page"),
    "text": (lambda: b"not here\n", "it is text"),
    "random bytes": (lambda: bytes(range(200, 256)), "no image begins with the bytes c8 c9"),
    "bomb": (images_on_disk.bomb, "more pixels than the 178,956,970 that are safe to decode"),
}


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_a_bad_image_is_named_before_training_and_can_be_left_out(tmp_path, kind, caplog):
    make, reason = BAD_IMAGES[kind]
    images_on_disk.folder(tmp_path)
    bad = tmp_path / "bees" / "bad.jpg"
    bad.write_bytes(make())
    line = raised(folder_of(tmp_path).facts)
    assert line.startswith(f"{bad}: cannot be read as an image (") and reason in line
    assert line.endswith("; mend it, remove it, or set data.on_bad_sample=skip")
    data = folder_of(tmp_path, on_bad_sample="skip")
    data.facts()
    assert sum(map(len, data.files.values())) == 40
    assert str(bad) in caplog.text and reason in caplog.text


def a_folder(path: Path) -> None:
    path.mkdir()


def a_broken_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere.jpg"))


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [(a_folder, "a folder"), (a_broken_link, "No such file"), (a_pipe, "no regular file")],
)
def test_what_is_no_file_is_named_before_training(tmp_path, make, reason):
    images_on_disk.folder(tmp_path)
    make(tmp_path / "ants" / "bad.jpg")
    assert raised(folder_of(tmp_path).facts).startswith(
        f"{tmp_path}/ants/bad.jpg: cannot be read as an image ({reason}"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_named_before_training(tmp_path):
    images_on_disk.folder(tmp_path)
    (tmp_path / "ants" / "00.jpeg").chmod(0)
    assert "Permission denied" in raised(folder_of(tmp_path).facts)
    (tmp_path / "bees").chmod(0)
    assert raised(folder_of(tmp_path).facts).startswith(f"{tmp_path}/bees: cannot be listed (Permission denied)")


def test_all_bad_images_are_counted_and_the_first_are_listed(tmp_path):
    images_on_disk.folder(tmp_path)
    for number in range(9):
        (tmp_path / "bees" / f"bad{number}.jpg").touch()
    line = raised(folder_of(tmp_path).facts)
    assert "bad0.jpg" in line and "bad4.jpg" in line and "bad5.jpg" not in line and "and 4 more" in line
    line = raised(folder_of(tmp_path, on_bad_sample="skip").facts)
    assert "9 of 49; mend or remove them: more than 10% are not left out" in line


def test_whole_images_are_no_fault(tmp_path):
    data = folder_of(images_on_disk.folder(tmp_path))
    assert data.facts()["num_classes"] == 2
    assert list(data.scan()) == []


def test_a_whole_scan_finds_what_the_start_of_a_run_does_not(tmp_path):
    images_on_disk.folder(tmp_path)
    bad = tmp_path / "bees" / "bad.jpg"
    bad.write_bytes(images_on_disk.overwritten(content("JPEG", side=200, quality=90)))
    folder_of(tmp_path).facts()
    found = list(folder_of(tmp_path, num_workers=2).scan())
    assert [name for name, _ in found] == [str(bad)]
    assert "Corrupt JPEG data" in found[0].problem


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_image_that_is_damaged_during_the_run_is_named_by_its_batch(tmp_path, num_workers):
    data = folder_of(images_on_disk.folder(tmp_path, form="BMP"), num_workers=num_workers)
    data.facts()
    bad = data.files["train"][7]
    bad.write_bytes(bad.read_bytes()[:-2000])

    def train() -> None:
        for _ in data.train_dataloader():
            pass

    assert raised(train).startswith(f"{bad}: cannot be decoded (")


BAD_CELLS = {
    "empty": ("", "is empty"),
    "NA": ("NA", "is missing (NA)"),
    "nan": ("nan", "is missing (nan)"),
    "text": ("tall", "is text (tall)"),
    "decimal comma": ("3,14", "has a decimal comma (3,14)"),
    "comma that may mean either": ("3,141", "has a decimal comma or a thousands separator (3,141)"),
    "thousands": ("1,234.5", "has a thousands separator (1,234.5)"),
    "thousands with points": ("1.234.567", "has a thousands separator (1.234.567)"),
    "unit": ("12%", "is text (12%)"),
    "underscore": ("1_000", "is text (1_000)"),
    "infinity": ("-inf", "is infinite (-inf)"),
    "too large": ("1e300", "is too large for float32 (1e300)"),
    "control characters": ("a\x1b[31mb", "is text (a?[31mb)"),
}


@pytest.mark.parametrize("kind", BAD_CELLS)
def test_a_bad_cell_is_named_by_row_and_column_before_training(tmp_path, kind):
    cell, reason = BAD_CELLS[kind]
    path = write(tmp_path / "a.csv", with_cell(3, 1, cell))
    remedy = "mend them, or set data.on_bad_sample=skip to leave the rows out"
    assert raised(table_of(path).facts) == f"{path}: row 5 column height {reason}; {remedy}"
    assert list(table_of(path).scan()) == [BadSample(f"{path} row 5", f"column height {reason}")]
    data = table_of(path, on_bad_sample="skip")
    data.facts()
    assert sum(map(len, data.lines.values())) == 59


@pytest.mark.parametrize("cell", ["1", "-1.5", "+2", "1e-7", ".5", "3.", " 4 "])
def test_a_number_is_no_fault(tmp_path, cell):
    data = table_of(write(tmp_path / "a.csv", with_cell(3, 1, cell)))
    data.facts()
    assert list(data.scan()) == []


def lines_of(path: Path, change: Callable[[list[str]], list[str]]) -> Path:
    path.write_text("".join(change(text_of(rows()).splitlines(keepends=True))), encoding="utf-8")
    return path


WRONG_FILES: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "short row": (lambda lines: [*lines[:4], "1,2\n", *lines[4:]], "row 5 has 2 cells where the header has 4"),
    "long row": (lambda lines: [*lines[:4], "1,2,x,y,z\n", *lines[4:]], "row 5 has 5 cells where the header has 4"),
    "decimal commas between commas": (
        lambda lines: [*lines[:4], "1,5,2,5,3,5,oak\n", *lines[4:]],
        "row 5 has 7 cells where the header has 4 (decimal commas?)",
    ),
    "row of nothing": (lambda lines: [*lines, ",,,\n"], "row 62 is empty"),
    "open quotation mark": (
        lambda lines: [*lines[:4], '1,2,"3,oak\n', *lines[4:]],
        "row 5 has a quotation mark that is not closed, which goes on to row 62",
    ),
    "column named twice": (
        lambda lines: ["a,b,a,kind\n", *lines[1:]],
        "the header, row 1, names columns 1 and 3 both a; give each column a name of its own",
    ),
    "column without a name": (lambda lines: ["a,,c,kind\n", *lines[1:]], "the header, row 1, has no name for column 2"),
    "no header": (lambda lines: ["1,2,3,4\n", *lines[1:]], "row 1 holds numbers, not names"),
    "no rows": (lambda lines: lines[:1], "has a header but no rows"),
    "no text": (lambda lines: ["\n", " \n"], "is empty"),
    "one column": (lambda lines: ["kind\n", "oak\n", "ash\n"], "row 1 has one column (kind)"),
    "class without a name": (lambda lines: [*lines, "1,2,3,\n"], "row 62 column kind is empty"),
    "class of one row": (lambda lines: [*lines, "1,2,3,fir\n"], "row 62 column kind is the only fir"),
    "one class": (lambda lines: [lines[0], *["1,2,3,oak\n"] * 20], "column kind has one class (oak) in 20 rows"),
    "target that is no class": (
        lambda lines: [lines[0], *(f"1,2,3,{number}\n" for number in range(20))],
        "column kind has 20 values in 20 rows, and so holds no classes",
    ),
    "target that is a quantity": (
        lambda lines: [lines[0], *["1,2,3,1.5\n", "1,2,3,2\n"] * 10],
        "row 2 column kind is a fraction, no class (1.5)",
    ),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_a_wrong_table_is_named_by_its_row_before_training(tmp_path, kind):
    change, reason = WRONG_FILES[kind]
    path = lines_of(tmp_path / "a.csv", change)
    assert raised(table_of(path).facts).startswith(f"{path}: {reason}")


def test_an_open_quotation_mark_does_not_let_the_rest_be_left_out(tmp_path):
    path = lines_of(tmp_path / "a.csv", WRONG_FILES["open quotation mark"][0])
    assert "58 of 61 rows are bad" in raised(table_of(path, on_bad_sample="skip").facts)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"PK\x03\x04", "a zip archive or a spreadsheet, not CSV text"),
        (b"\xff\xfe", "UTF-16 text, not CSV text"),
        (b"\x1f\x8b", "compressed by gzip"),
        (b"a,b\n1,\0", "no text: row 2 holds a zero byte"),
    ],
)
def test_a_file_that_is_no_csv_is_named_for_what_it_is(tmp_path, start, kind):
    (tmp_path / "a.csv").write_bytes(start + text_of(rows()).encode())
    assert raised(table_of(tmp_path / "a.csv").facts).startswith(f"{tmp_path}/a.csv: is {kind}")


def test_a_table_that_is_not_there_is_named(tmp_path):
    assert raised(table_of(tmp_path / "a.csv").facts) == f"{tmp_path}/a.csv: no such file; set data.path to a CSV file"


def test_bytes_that_are_not_utf8_are_named_by_row_and_column(tmp_path):
    path = write(tmp_path / "a.csv", with_cell(3, 3, "fr\u00eane"))
    table_of(path, evaluation_only=True).facts()
    path.write_bytes(path.read_bytes().decode("utf-8").encode("latin-1"))
    assert raised(table_of(path).facts).startswith(f"{path}: row 5 column kind has the byte 0xea, which is not UTF-8;")
    path.write_bytes(text_of(rows(), header=["largeur", "h\u00eatre", "c", "kind"]).encode("latin-1"))
    assert "has the byte 0xea, which is not UTF-8, in the name of column 2" in raised(table_of(path).facts)


def test_all_bad_cells_are_counted_and_the_first_are_listed(tmp_path):
    body = [[*row[:2], "?", row[3]] for row in rows()]
    path = write(tmp_path / "a.csv", body)
    line = raised(table_of(path).facts)
    assert line.count("column depth is text (?)") == 5 and "row 6" in line and ", and 55 more; mend them" in line
    assert len(list(table_of(path).scan())) == 60


def test_more_classes_than_given_are_named_by_row(tmp_path):
    path = write(tmp_path / "a.csv")
    line = raised(table_of(path, num_classes=2).facts)
    assert line.startswith(f"{path}: row 2 column kind is oak, out of 2 classes, row 5 column kind is oak")


class Source:
    """Images with the labels that are given."""

    class_names = ("a", "b")

    def __init__(self, labels: list[int]) -> None:
        self.labels = torch.tensor(labels)

    def prepare(self) -> None: ...

    def load(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        images = torch.arange(len(self.labels) * 64).view(-1, 1, 8, 8).remainder(256).to(torch.uint8)
        return {"train": (images, self.labels)}


@pytest.mark.parametrize("label", [-1, 2, 255])
def test_labels_out_of_range_are_named_before_training(label):
    line = raised(MemoryImages(source=Source([0, 1] * 20 + [label, label])).facts)
    assert line.startswith(
        f"train[40]: its label is {label}, but the 2 classes are 0 to 1, and 1 more labels are wrong;"
    )


def test_labels_in_range_are_no_fault():
    data = MemoryImages(source=Source([0, 1] * 20), batch_size=4)
    assert data.facts()["num_classes"] == 2
    assert list(data.scan()) == []


class Unchecked(MemoryImages):
    """Data that find out nothing by themselves."""

    def spoil(self) -> "Unchecked":
        self.facts()
        self.labels["train"][3] = 7
        return self

    def prepare_batch(self, batch, train):
        batch = super().prepare_batch(batch, train)
        batch["input"][batch["index"] == 5] = float("nan")
        return batch


def test_the_scan_that_all_data_inherit_finds_labels_and_numbers():
    found = list(Unchecked(source=Source([0, 1] * 20), batch_size=4).spoil().scan())
    assert BadSample("train[3]", "its label is 7, but the 2 classes are 0 to 1") in found
    assert BadSample("train[5]", "its input holds NaN or infinity") in found
    assert BadSample("val[5]", "its input holds NaN or infinity") not in found


def test_labels_that_no_scan_has_seen_stop_the_run_at_the_first_batch():
    import lightning

    class Linear(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(64, 2)

        def training_step(self, batch, batch_idx):
            return torch.nn.functional.cross_entropy(self.layer(batch["input"].flatten(1)), batch["target"])

        def validation_step(self, batch, batch_idx):
            return self.training_step(batch, batch_idx)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    def fit(data: MemoryImages) -> None:
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
        lightning.Trainer(**quiet, enable_checkpointing=False, max_epochs=1).fit(Linear(), datamodule=data)

    data = Unchecked(source=Source([0, 1] * 20), batch_size=36)
    fit(data)
    with pytest.raises(TrainingStopped, match=r"train\[3\]: its label is 7, but the 2 classes are 0 to 1; correct it"):
        fit(Unchecked(source=Source([0, 1] * 20), batch_size=36).spoil())


def test_images_of_another_type_are_refused():
    source = Source([0, 1] * 20)
    source.load = lambda: {"train": (torch.zeros(40, 1, 8, 8), source.labels)}  # type: ignore[method-assign]
    with pytest.raises(DataError, match=r"data.source \(train\): torch.float32 images \(40, 1, 8, 8\) with 40 labels"):
        MemoryImages(source=source).facts()


def test_the_columns_of_these_tests_are_what_they_seem():
    assert HEADER[1] == "height" and len(rows()) == 60
