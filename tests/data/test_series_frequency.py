"""Dates as files write them, and the step from one to the next."""

import numpy as np
import pytest

from zoo.data.dates import find_date_column, parse_date, write_date
from zoo.data.frequency import find_frequency
from zoo.data.time_features import time_features


def dates(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[s]")


@pytest.mark.parametrize(
    ("cell", "date"),
    [
        ("2016-07-01 13:00:00", "2016-07-01T13:00:00"),
        ("2016-07-01T13:00Z", "2016-07-01T13:00:00"),
        ("2016/7/1 3:05", "2016-07-01T03:05:00"),
        ("20160701", "2016-07-01T00:00:00"),
        ("2016-07", "2016-07-01T00:00:00"),
        ("2016", "2016-01-01T00:00:00"),
    ],
)
def test_dates_are_read_year_first(cell: str, date: str) -> None:
    assert parse_date(cell) == np.datetime64(date)


@pytest.mark.parametrize(
    "cell", ["", "abc", "01/07/2016", "2016-13-01", "2016-02-30", "2016-07-01 25:00", "1.5", "now"]
)
def test_what_is_no_date_is_none(cell: str) -> None:
    assert parse_date(cell) is None


def test_another_way_to_write_dates_is_said() -> None:
    assert parse_date("31.12.2016 13:00", "%d.%m.%Y %H:%M") == np.datetime64("2016-12-31T13:00:00")
    assert parse_date("2016-12-31", "%d.%m.%Y") is None


def test_midnight_is_not_written() -> None:
    assert write_date(np.datetime64("2016-07-01T00:00:00")) == "2016-07-01"
    assert write_date(np.datetime64("2016-07-01T13:00:00")) == "2016-07-01 13:00"
    assert write_date(np.datetime64("2016-07-01T13:00:30")) == "2016-07-01 13:00:30"


def test_the_column_of_dates_is_found_by_name_or_by_its_first_cell() -> None:
    assert find_date_column(["x", "Date"], ["1", "2020-01-01"]) == "Date"
    assert find_date_column(["x", "when"], ["1", "2020-01-01"]) == "when"
    assert find_date_column(["x", "date"], ["1", "31.12.2020"]) == "date"  # to be told that it cannot be read
    assert find_date_column(["time", "x"], ["0", "1"]) is None


@pytest.mark.parametrize(
    ("texts", "name", "season"),
    [
        (["2020-01-01T00", "2020-01-01T01", "2020-01-01T03", "2020-01-01T04"], "1 hour", 24),
        (["2020-01-01T00:00", "2020-01-01T00:15", "2020-01-01T00:30"], "15 minutes", 96),
        (["2020-01-01", "2020-01-02", "2020-01-03"], "1 day", 7),
        (["2020-01-04", "2020-01-11", "2020-01-18"], "1 week", 52),
        (["2020-01-15", "2020-02-15", "2020-03-15"], "1 month", 12),
        (["2020-01-31", "2020-02-29", "2020-03-31"], "1 month", 12),
        (["2020-01-01", "2020-04-01", "2020-07-01"], "3 months", 4),
        (["2019-01-01", "2020-01-01", "2021-01-01"], "1 year", 1),
        (["2020-01-01T00", "2020-01-01T07", "2020-01-01T14"], "7 hours", 1),
    ],
)
def test_the_step_and_its_season_are_found(texts: list[str], name: str, season: int) -> None:
    frequency = find_frequency(dates(*texts))
    assert frequency is not None
    assert (str(frequency), frequency.season_length) == (name, season)


def test_dates_without_a_step_in_common_have_no_frequency() -> None:
    assert find_frequency(dates("2020-01-01", "2020-01-02", "2020-01-04", "2020-01-09")) is None
    assert find_frequency(dates("2020-01-01")) is None


def test_months_go_on_at_their_last_days() -> None:
    frequency = find_frequency(dates("2020-01-31", "2020-02-29", "2020-03-31"))
    assert frequency is not None
    after = frequency.dates(np.datetime64("2020-11-30"), 4)
    assert [write_date(date) for date in after] == ["2020-11-30", "2020-12-31", "2021-01-31", "2021-02-28"]


def test_places_count_steps_and_show_what_lies_between_them() -> None:
    frequency = find_frequency(dates("2020-01-01", "2020-02-01", "2020-03-01"))
    assert frequency is not None
    places = frequency.places(dates("2020-01-01", "2020-04-01", "2020-05-10"))
    assert places[:2].tolist() == [0, 3]
    assert places[2] % 1 > 0.1


def test_time_features_go_round_in_a_circle() -> None:
    features = time_features(dates("2020-01-06", "2020-01-06T06:00", "2020-01-12T23:59"), ["hour", "weekday"])
    assert features.shape == (3, 4)
    np.testing.assert_allclose(features[0], [0, 1, 0, 1], atol=1e-12)  # Monday, midnight
    np.testing.assert_allclose(features[1, :2], [1, 0], atol=1e-12)  # a quarter of the day
    np.testing.assert_allclose(features[2], features[0], atol=0.01)  # Sunday, before midnight


def test_the_place_in_the_month_and_in_the_year_knows_how_long_they_are() -> None:
    half = time_features(dates("2020-02-15T12:00", "2020-07-02"), ["day", "month"])  # of 29 and of 366 days
    np.testing.assert_allclose(half[0, :2], [0, -1], atol=1e-12)
    np.testing.assert_allclose(half[1, 2:], [0, -1], atol=1e-12)
