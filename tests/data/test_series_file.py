"""A CSV file as a series: what is wrong is said in one line that names file, row and column."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.series import header, rows, with_cell, write
from zoo.data.series_file import Series, SeriesFile
from zoo.errors import RunError


def read(path: Path, **options: Any) -> Series:
    return SeriesFile(path, **options).read()


def message(path: Path, **options: Any) -> str:
    with pytest.raises(RunError) as refused:
        read(path, **options)
    assert refused.value.exit_code == 2
    return str(refused.value)


def test_numbers_dates_and_step_are_found(tmp_path: Path) -> None:
    series = read(write(tmp_path / "a.csv"))
    assert series.columns == ["load", "heat", "wind"]
    assert (series.date, str(series.frequency), series.values.shape) == ("date", "1 hour", (200, 3))
    assert series.time_of(1) == "2020-01-01 01:00"
    assert series.values[3, 2] == 3


def test_targets_stand_before_covariates_in_the_order_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    assert read(path, targets=["wind", "load"], covariates=["heat"]).columns == ["wind", "load", "heat"]
    assert read(path, covariates=["heat"]).columns == ["load", "wind", "heat"]


def test_columns_of_text_are_no_targets_by_themselves(tmp_path: Path) -> None:
    body = [[*row, "note"] for row in rows(30)]
    assert read(write(tmp_path / "a.csv", body, names=[*header(), "text"])).columns == ["load", "heat", "wind"]


def test_without_dates_rows_follow_each_other(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [row[1:] for row in rows(30)], names=header()[1:])
    series = read(path)
    assert (series.dates, series.frequency, series.time_of(0)) == (None, None, "row 1")


def test_a_missing_file_column_or_target_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    assert "no such file" in message(tmp_path / "b.csv")
    assert message(path, targets=["sun"]) == (
        f"data.targets: {path} has no column sun; its columns are date, load, heat, wind"
    )
    assert "data.date" in message(path, date="when") and "date, load" in message(path, date="when")
    assert "data.covariates" in message(path, covariates=["sun"])
    assert "load is a covariate, too" in message(path, targets=["load"], covariates=["load"])
    assert "date is the column of dates" in message(path, targets=["date"])
    assert "names load twice" in message(path, targets=["load", "load"])


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("abc", "row 5 column heat is text (abc); mend"),
        ("", "row 5 column heat is empty; fill"),
        ("1,5", "row 5 column heat has a decimal comma"),
        ("inf", "row 5 column heat is infinite"),
    ],
)
def test_a_cell_that_is_no_number_is_named(cell: str, said: str, tmp_path: Path) -> None:
    body = with_cell(3, 2, f'"{cell}"')
    assert said in message(write(tmp_path / "a.csv", body))


def test_a_row_of_another_length_is_named(tmp_path: Path) -> None:
    body = rows()
    body[4] = body[4][:2]
    assert "row 6 has 2 cells where the header has 4" in message(write(tmp_path / "a.csv", body))


@pytest.mark.parametrize("content", ["", "date,load\n"])
def test_a_file_without_rows_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    assert str(path) in message(path)


def test_a_date_that_cannot_be_read_is_named_with_a_way_out(tmp_path: Path) -> None:
    text = message(write(tmp_path / "a.csv", with_cell(3, 0, "01.02.2020")))
    assert "row 5 column date is no date such as 2016-07-01 13:00 (01.02.2020)" in text
    assert "data.date_format=" in text


def test_dates_in_another_order_are_read_by_their_format(tmp_path: Path) -> None:
    body = [[f"{row + 1:02}.01.2020", *cells[1:]] for row, cells in enumerate(rows(20))]
    assert str(read(write(tmp_path / "a.csv", body), date_format="%d.%m.%Y").frequency) == "1 day"


def test_a_date_that_comes_twice_is_named(tmp_path: Path) -> None:
    text = message(write(tmp_path / "a.csv", with_cell(3, 0, "2020-01-01 02:00:00")))
    assert "row 5 column date has 2020-01-01 02:00 as row 4 has" in text


def test_a_date_before_the_one_above_it_is_named(tmp_path: Path) -> None:
    text = message(write(tmp_path / "a.csv", with_cell(3, 0, "2020-01-01 01:30:00")))
    assert "row 5 column date has 2020-01-01 01:30, which is before 2020-01-01 02:00" in text
    assert "sort the rows" in text


def test_a_gap_is_named_with_the_rows_that_are_missing(tmp_path: Path) -> None:
    body = rows()
    del body[10:13]
    text = message(write(tmp_path / "a.csv", body))
    assert (
        "row 12 column date has 2020-01-01 13:00 after 2020-01-01 09:00, where the step is 1 hour: 3 rows are" in text
    )
    assert "data.missing=last" in text


def test_a_date_between_two_steps_is_no_gap_that_could_be_filled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", with_cell(3, 0, "2020-01-01 03:20:00"))
    assert "row 5 column date has 2020-01-01 03:20" in message(path, missing="last")


def test_dates_without_a_step_are_refused(tmp_path: Path) -> None:
    body = [[f"2020-01-{day:02}", *rows(1)[0][1:]] for day in (1, 2, 4, 9, 15, 26)]
    assert "without a step" in message(write(tmp_path / "a.csv", body))


@pytest.mark.parametrize(("missing", "expected"), [("last", [9, 9, 9]), ("linear", [10, 11, 12])])
def test_gaps_and_empty_cells_are_filled_in_where_they_may_be(
    missing: Any, expected: list[float], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = [[row[0], str(number)] for number, row in enumerate(rows(60))]
    body[11][1] = ""
    del body[12], body[10]
    with caplog.at_level(logging.WARNING):
        series = read(write(tmp_path / "a.csv", body, names=["date", "load"]), missing=missing)
    assert series.values[10:13, 0].tolist() == expected
    assert (len(series.values), series.num_filled) == (60, 3)
    assert series.time_of(12) == "2020-01-01 12:00"
    assert "filled in 3 of 60 rows" in caplog.text


def test_more_than_a_tenth_is_not_filled_in(tmp_path: Path) -> None:
    body = rows(60)
    body[40:] = rows(160)[140:]  # a hole of a hundred hours
    assert "100 of 160 rows are missing" in message(write(tmp_path / "a.csv", body), missing="last")


def test_a_date_far_off_costs_no_memory(tmp_path: Path) -> None:
    body = rows(60)
    body[59][0] = "9020-01-01"
    assert "at most 10%" in message(write(tmp_path / "a.csv", body), missing="last")


def test_nothing_is_filled_in_before_the_first_number(tmp_path: Path) -> None:
    assert "begins without a number" in message(write(tmp_path / "a.csv", with_cell(0, 1, "")), missing="last")


def test_monthly_rows_are_no_gaps(tmp_path: Path) -> None:
    body = [[f"{2000 + month // 12}-{month % 12 + 1:02}-01", str(month)] for month in range(40)]
    assert str(read(write(tmp_path / "a.csv", body, names=["date", "x"])).frequency) == "1 month"


def test_every_problem_is_listed_for_a_check(tmp_path: Path) -> None:
    body = rows()
    body[3][1], body[7][2] = "abc", ""
    problems = SeriesFile(write(tmp_path / "a.csv", body)).problems()
    assert [(problem.line, problem.column) for problem in problems] == [(5, "load"), (9, "heat")]
    assert SeriesFile(write(tmp_path / "b.csv")).problems() == []


def test_other_steps_than_an_hour_are_found(tmp_path: Path) -> None:
    body = rows(50, step=timedelta(minutes=15))
    assert str(read(write(tmp_path / "a.csv", body)).frequency) == "15 minutes"


def test_values_are_those_of_the_file(tmp_path: Path) -> None:
    expected = np.array([[float(cell) for cell in row[1:]] for row in rows()])
    np.testing.assert_array_equal(read(write(tmp_path / "a.csv")).values, expected)
