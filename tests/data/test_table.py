import numpy as np
import pytest
import torch

from tests.data.tables import HEADER, KINDS, rows, text_of, with_cell, write
from zoo.data.table import TableData
from zoo.errors import DataError, OptionError


def table_of(path, **options) -> TableData:
    data = TableData(**{"path": str(path), "target": "kind", "batch_size": 8, **options})
    data.facts()
    return data


def all_of(data: TableData, split: str) -> dict[str, torch.Tensor]:
    batches = list(data.val_dataloader() if split == "val" else data.test_dataloader())
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def test_facts_are_found_in_the_file(tmp_path):
    facts = TableData(path=str(write(tmp_path / "a.csv")), target="kind").facts()
    assert (facts["num_classes"], facts["in_channels"], facts["image_size"]) == (3, 3, [])
    assert facts["columns"] == HEADER[:3]


def test_rows_are_split_by_class_and_by_split_seed_alone(tmp_path):
    path = write(tmp_path / "a.csv")
    first, second, other = table_of(path, seed=0), table_of(path, seed=1), table_of(path, split_seed=1)
    assert {split: len(labels) for split, labels in first.labels.items()} == {"train": 46, "val": 5, "test": 9}
    assert first.lines == second.lines and first.fingerprint == second.fingerprint
    assert first.lines != other.lines and first.fingerprint != other.fingerprint
    assert sorted(line for lines in first.lines.values() for line in lines) == list(range(2, 62))
    assert first.labels["test"].bincount().tolist() == [3, 3, 3]


def test_numbers_are_normalised_by_the_training_split(tmp_path):
    data = table_of(write(tmp_path / "a.csv"))
    np.testing.assert_allclose(data.rows["train"].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(data.rows["train"].std(0, correction=0), 1, atol=1e-6)
    batch = next(iter(data.train_dataloader()))
    assert batch["input"].dtype == torch.float32 and batch["input"].shape == (8, 3)
    index = int(batch["index"][0])
    raw = np.array([float(cell) for cell in rows()[data.lines["train"][index] - 2][:3]])
    np.testing.assert_allclose(batch["input"][0], (raw - data.mean) / data.std, rtol=1e-5)
    assert data.class_names[int(batch["target"][0])] == rows()[data.lines["train"][index] - 2][3]


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_columns_of_any_scale_keep_their_digits(tmp_path, scale):
    body = [[f"{float(cell) * scale + scale * 1e3!r}" for cell in row[:3]] + row[3:] for row in rows()]
    scaled, plain = table_of(write(tmp_path / "a.csv", body)), table_of(write(tmp_path / "b.csv"))
    torch.testing.assert_close(scaled.rows["train"], plain.rows["train"], atol=1e-3, rtol=1e-3)


def test_a_constant_column_becomes_zero(tmp_path):
    body = [[*row[:2], "0.1", row[3]] for row in rows()]
    assert not table_of(write(tmp_path / "a.csv", body)).rows["train"][:, 2].abs().max() > 1e-6


@pytest.mark.parametrize(
    ("classes", "names"), [(["10", "9", "2"], ["2", "9", "10"]), (["b", "10", "a"], ["10", "a", "b"])]
)
def test_classes_are_sorted_as_numbers_or_as_text(tmp_path, classes, names):
    body = [[*row[:3], classes[KINDS.index(row[3])]] for row in rows()]
    assert table_of(write(tmp_path / "a.csv", body)).class_names == names


def test_whole_numbers_may_be_written_with_a_point(tmp_path):
    body = [[*row[:3], ("1", "1.0", "2")[number % 3]] for number, row in enumerate(rows())]
    assert table_of(write(tmp_path / "a.csv", body)).class_names == ["1", "2"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, delimiter):
    assert table_of(write(tmp_path / "a.csv", delimiter=delimiter)).columns == HEADER[:3]


@pytest.mark.parametrize("change", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n"), lambda t: t + "\n\n"])
def test_marks_of_other_systems_are_no_fault(tmp_path, change):
    (tmp_path / "a.csv").write_text(change(text_of(rows())), encoding="utf-8", newline="")
    assert sum(map(len, table_of(tmp_path / "a.csv").lines.values())) == 60


def test_columns_are_chosen_by_name(tmp_path):
    path = write(tmp_path / "a.csv", with_cell(3, 1, "abc"))
    assert table_of(path, columns=["depth", "width"]).columns == ["depth", "width"]
    assert table_of(path, drop=["height"]).columns == ["width", "depth"]


def test_bad_rows_are_left_out_if_they_may_be(tmp_path, caplog):
    data = table_of(write(tmp_path / "a.csv", with_cell(3, 1, "abc")), on_bad_sample="skip")
    assert sum(map(len, data.lines.values())) == 59
    assert 5 not in [line for lines in data.lines.values() for line in lines]
    assert "left out 1 bad of 60 rows" in caplog.text and "row 5 column height is text (abc)" in caplog.text


def test_more_than_a_tenth_is_not_left_out(tmp_path):
    body = [[*row[:3], "" if number < 7 else row[3]] for number, row in enumerate(rows())]
    with pytest.raises(DataError, match=r"7 of 60 rows are bad \(row 2 .*, and 2 more\); mend them"):
        table_of(write(tmp_path / "a.csv", body), on_bad_sample="skip")


def test_a_row_is_named_by_the_line_that_an_editor_shows(tmp_path):
    text = text_of([["1", "2", "3", "oak\nhill"], *rows()])
    (tmp_path / "a.csv").write_text(text)
    data = table_of(tmp_path / "a.csv", evaluation_only=True)
    assert [data.sample_name("test", row) for row in (0, 1)] == ["a.csv row 2", "a.csv row 4"]


def test_evaluation_takes_all_rows_in_the_columns_of_the_checkpoint(tmp_path):
    trained = table_of(write(tmp_path / "a.csv"))
    turned = [[row[3], "x", *row[2::-1]] for row in rows()[:6] if row[3] != "elm"]
    path = write(tmp_path / "b.csv", turned, header=["kind", "note", "depth", "height", "width"])
    judged = TableData(path=str(path), target="kind", evaluation_only=True, **trained.preprocessing())
    judged.align_classes(trained.class_names)
    batch = all_of(judged, "test")
    assert judged.facts()["num_classes"] == 3
    assert [trained.class_names[label] for label in batch["target"]] == ["oak", "ash", "oak", "ash"]
    raw = np.array([[float(cell) for cell in row[:3]] for row in rows()[:6] if row[3] != "elm"])
    np.testing.assert_allclose(batch["input"], (raw - trained.mean) / trained.std, rtol=1e-5)


def test_a_class_that_the_checkpoint_does_not_know_is_named_with_its_row(tmp_path):
    data = TableData(path=str(write(tmp_path / "a.csv", with_cell(7, 3, "fir"))), target="kind", evaluation_only=True)
    with pytest.raises(DataError) as error:
        data.align_classes(["oak", "ash", "elm"])
    assert str(error.value) == (
        f"{tmp_path}/a.csv row 9 column kind: classes fir are not among the checkpoint's oak, ash, elm; "
        "rename them, or leave them out"
    )


def test_a_number_out_of_all_proportion_to_the_checkpoint_is_named(tmp_path):
    options = {"mean": [0.0] * 3, "std": [1e-30] * 3, "columns": HEADER[:3]}
    with pytest.raises(DataError, match=r"a.csv row 5 column height: 1e\+20 is too large beside mean 0"):
        table_of(write(tmp_path / "a.csv", with_cell(3, 1, "1e20")), evaluation_only=True, **options)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"path": None}, "data.path: no table given; add data.path=FILE.csv"),
        (
            {"target": None},
            "data.target: no column of classes given; add data.target=COLUMN, one of width, height, depth, kind",
        ),
        (
            {"target": "kinds"},
            "data.target: {root}/a.csv has no column kinds; its columns are width, height, depth, kind",
        ),
        (
            {"columns": ["age"]},
            "data.columns: {root}/a.csv has no column age; its columns are width, height, depth, kind",
        ),
        ({"delimiter": ";;"}, "data.delimiter: ';;' given; give one character, such as \";\", or null"),
        ({"num_classes": 4}, "data.num_classes: 4 given but 3 found; remove the override"),
        ({"in_channels": 4}, "data.in_channels: 4 given but 3 found; remove the override"),
        (
            {"mean": [0.0], "std": [1.0]},
            "data.mean: 1 values for 3 columns; give one a column, or null to measure them",
        ),
    ],
)
def test_an_option_that_does_not_fit_is_named_with_its_remedy(tmp_path, options, line):
    path = str(write(tmp_path / "a.csv"))
    with pytest.raises(OptionError) as error:
        TableData(**{"path": path, "target": "kind", **options}).facts()
    assert str(error.value) == line.format(root=tmp_path)


def test_the_order_is_a_function_of_seed_and_epoch(tmp_path):
    path = write(tmp_path / "a.csv")

    def order(seed: int, epoch: int) -> list[int]:
        loader = table_of(path, seed=seed).train_dataloader()
        loader.sampler.set_epoch(epoch)
        return torch.cat([batch["index"] for batch in loader]).tolist()

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(0, 1)), tuple(order(0, 2)), tuple(order(1, 1))}) == 3
