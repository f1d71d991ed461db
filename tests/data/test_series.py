"""Series as data of a run: windows, splits by time, and a scale that only training decides."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.data.series import rows, with_cell, write
from zoo.data.co2 import CO2
from zoo.data.series import SeriesData
from zoo.data.series_future import last_window
from zoo.errors import OptionError, RunError


def series_of(path: Path, **options: Any) -> SeriesData:
    data = SeriesData(**{"path": str(path), "lookback": 12, "horizon": 6, "batch_size": 8, **options})
    data.facts()
    return data


def message(path: Path, **options: Any) -> str:
    with pytest.raises(RunError) as refused:
        series_of(path, **options)
    assert refused.value.exit_code == 2
    return str(refused.value)


def numbers() -> np.ndarray:
    return np.array([[float(cell) for cell in row[1:]] for row in rows()])


def test_facts_are_found_in_the_file(tmp_path: Path) -> None:
    facts = series_of(write(tmp_path / "a.csv"), targets=["load"], covariates=["wind"]).found_facts()
    found = {name: facts[name] for name in ("num_targets", "num_covariates", "frequency", "season_length", "borders")}
    assert found == {
        "num_targets": 1,
        "num_covariates": 1,
        "frequency": "1 hour",
        "season_length": 24,
        "borders": [140, 160, 200],
    }
    assert facts["date"] == "date" and len(facts["mean"]) == 2 and len(facts["naive_error"]) == 1


def test_a_fact_that_the_data_contradict_is_refused(tmp_path: Path) -> None:
    assert "data.num_targets: 2 given but 3 found" in message(write(tmp_path / "a.csv"), num_targets=2)


def test_each_window_holds_the_rows_it_should(tmp_path: Path) -> None:
    data = series_of(write(tmp_path / "a.csv"), targets=["load"], covariates=["heat", "wind"])
    normal = (numbers() - data.scale.mean) / data.scale.std
    for batch in data.val_dataloader():
        for row, index in enumerate(batch["index"].tolist()):
            first = 140 - 12 + index
            np.testing.assert_allclose(batch["input"][row], normal[first : first + 12], atol=1e-5)
            np.testing.assert_allclose(batch["target"][row], normal[first + 12 : first + 18, :1], atol=1e-5)


def test_what_is_forecast_lies_in_its_split_and_all_windows_are_kept(tmp_path: Path) -> None:
    data = series_of(write(tmp_path / "a.csv"))
    assert data.sizes == {"train": 140 - 18 + 1, "val": 20 - 6 + 1, "test": 40 - 6 + 1}
    assert data.times("train", 0)[0] == "2020-01-01"
    last = data.times("train", data.sizes["train"] - 1)[-1]
    assert last == data.series.time_of(139)  # type: ignore[union-attr]
    for split, first, end in (("val", 140, 160), ("test", 160, 200)):
        assert data.times(split, 0)[12] == data.series.time_of(first)  # type: ignore[arg-type,union-attr]
        assert data.times(split, data.sizes[split] - 1)[-1] == data.series.time_of(end - 1)  # type: ignore[arg-type,union-attr]
    assert data.sample_name("test", 0) == "a.csv 2020-01-07 16:00"


def test_rows_of_validation_and_test_never_change_the_scale(tmp_path: Path) -> None:
    changed = rows()
    for row in range(140, 200):
        changed[row][1:] = ["1000", "-1000", "7"]
    first, second = series_of(write(tmp_path / "a.csv")), series_of(write(tmp_path / "b.csv", changed))
    assert first.scale == second.scale
    assert first.fingerprint != second.fingerprint
    np.testing.assert_allclose(first.scale.mean, numbers()[:140].mean(0))
    np.testing.assert_allclose(first.scale.std, numbers()[:140].std(0))


def test_the_naive_error_is_that_of_the_training_rows_in_deviations(tmp_path: Path) -> None:
    data = series_of(write(tmp_path / "a.csv"), targets=["load"])
    training = numbers()[:140, 0]
    expected = np.abs(training[24:] - training[:-24]).mean() / training.std()
    np.testing.assert_allclose(data.scale.naive_error, [expected])


def test_a_constant_column_stays_finite(tmp_path: Path) -> None:
    body = [[*row[:3], "0.1"] for row in rows()]
    data = series_of(write(tmp_path / "a.csv", body))
    assert next(iter(data.train_dataloader()))["input"].isfinite().all()
    assert data.scale.naive_error is not None and data.scale.naive_error[2] == 1.0


def test_training_windows_come_in_another_order_each_epoch_each_of_them_once(tmp_path: Path) -> None:
    data = series_of(write(tmp_path / "a.csv"), batch_size=1)
    loader = data.train_dataloader()
    orders = []
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        orders.append(torch.cat([batch["index"] for batch in loader]).tolist())
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(data.sizes["train"]))


def test_windows_are_not_copied_before_they_are_asked_for(tmp_path: Path) -> None:
    data = series_of(write(tmp_path / "a.csv"))
    assert data.windows.windows.data_ptr() == data.windows.values.data_ptr()
    assert data.windows.windows.shape == (200 - 18 + 1, 18 * 3)


def test_the_borders_of_the_splits_may_be_given(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    assert series_of(path, borders=[100, 150, 180]).sizes == {"train": 83, "val": 45, "test": 25}
    assert series_of(path, borders=[100, 150]).sizes == {"train": 83, "val": 45}
    assert series_of(path, test_fraction=0.0).has_test is False
    for wrong in ([150, 100, 180], [100, 150, 201], [100], [0, 100]):
        assert f"data.borders: {wrong} given for the 200 rows of a.csv" in message(path, borders=wrong)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lookback": 140}, "data.lookback: lookback 140 + horizon 6 are more than the 140 rows for training of a.csv"),
        (
            {"horizon": 21},
            "data.horizon: horizon 21 is more than the 20 rows for validation of a.csv; lower it, raise data.val_",
        ),
        (
            {"val_fraction": 0.0},
            "data.val_fraction: 0 and data.test_fraction 0.2 of 200 rows leave none for validation",
        ),
        ({"val_fraction": 0.8}, "leave none for training"),
        ({"season_length": 140}, "data.season_length: 140 rows in a season, but 140 training rows"),
        ({"mean": [0.0]}, "data.mean: 1 values for 3 columns"),
        ({"time_features": ["hour"], "date": None, "targets": ["load"]}, "data.time_features: hour asked for, but"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in message(write(tmp_path / "a.csv"), **options)


def test_a_file_must_be_named() -> None:
    with pytest.raises(OptionError, match=r"data\.path: no series given; add data\.path=FILE\.csv"):
        SeriesData(path=None).facts()


def test_published_data_that_are_missing_say_where_they_are_from(tmp_path: Path) -> None:
    text = message(Path("ett/a.csv"), data_dir=str(tmp_path), address="https://example.org")
    assert str(tmp_path / "ett" / "a.csv") in text and "take it from https://example.org" in text


def test_a_season_that_training_does_not_hold_twice_is_none(tmp_path: Path) -> None:
    data = series_of(write(tmp_path / "a.csv", rows(60)), lookback=8, horizon=4)
    assert data.season_length == 1


def test_time_features_are_covariates_that_keep_their_scale(tmp_path: Path) -> None:
    data = series_of(write(tmp_path / "a.csv"), targets=["load"], time_features=["hour", "weekday"])
    assert data.found_facts()["num_covariates"] == 4
    batch = next(iter(data.val_dataloader()))
    torch.testing.assert_close(batch["input"][..., 1] ** 2 + batch["input"][..., 2] ** 2, torch.ones(8, 12))


def test_history_is_what_came_before_a_forecast(tmp_path: Path) -> None:
    data = series_of(write(tmp_path / "a.csv"))
    index = torch.tensor([0, 5])
    batch = data.batch("test", index)
    history = data.history("test", index, 30)
    assert history is not None and history.shape == (2, 30, 3)
    torch.testing.assert_close(history[:, -12:], batch["input"])
    assert data.history("train", index, 30) is None


def test_another_file_is_judged_as_a_whole_by_the_scale_of_training(tmp_path: Path) -> None:
    trained = series_of(write(tmp_path / "a.csv"), targets=["load"])
    path = write(tmp_path / "b.csv", [[row[0], "7", row[1]] for row in rows(50)], names=["date", "heat", "load"])
    judged = SeriesData(path=str(path), evaluation_only=True, **trained.preprocessing())
    judged.facts()
    assert judged.sizes == {"test": 50 - 18 + 1}
    assert judged.scale == trained.scale
    first = next(iter(judged.test_dataloader()))["input"][0, 0]
    torch.testing.assert_close(first, next(iter(trained.scan_loaders()["train"]))["input"][0, 0])


def test_another_file_must_have_the_steps_of_training(tmp_path: Path) -> None:
    trained = series_of(write(tmp_path / "a.csv"))
    body = [[f"2020-01-{row + 1:02}", *cells[1:]] for row, cells in enumerate(rows(30))]
    with pytest.raises(RunError, match="a step of 1 day found, but 1 hour expected"):
        SeriesData(path=str(write(tmp_path / "b.csv", body)), evaluation_only=True, **trained.preprocessing()).facts()


def test_the_last_window_is_followed_by_dates_to_come(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    trained = series_of(path, targets=["load"])
    window = last_window(SeriesData(path=str(path), **trained.preprocessing()))
    assert window.input.shape == (1, 12, 1)
    np.testing.assert_allclose(window.seen[:, 0], numbers()[-12:, 0])
    assert window.times[11:14] == ["2020-01-09 07:00", "2020-01-09 08:00", "2020-01-09 09:00"]
    short = write(tmp_path / "b.csv", rows(11))
    with pytest.raises(RunError, match=r"11 rows, but the model sees the last 12 .*; give more rows"):
        last_window(SeriesData(path=str(short), **trained.preprocessing()))


def test_a_number_too_large_beside_the_others_is_named(tmp_path: Path) -> None:
    text = message(write(tmp_path / "a.csv", with_cell(190, 1, "3e38")), std=[1e-3, 1.0, 1.0])
    assert "2020-01-08 22:00 column load: 3e+38 is too large" in text


def test_a_check_lists_bad_cells_and_a_summary_says_what_there_is(tmp_path: Path) -> None:
    bad = SeriesData(path=str(write(tmp_path / "a.csv", with_cell(3, 1, "abc"))))
    assert [sample.problem for sample in bad.scan()] == ["column load is text (abc)"]
    good = series_of(write(tmp_path / "b.csv"))
    assert list(good.scan()) == []
    summary = "\n".join(good.summary())
    assert "200, from 2020-01-01 to 2020-01-09 07:00" in summary and "1 hour, season of 24" in summary


def test_mauna_loa_lies_in_the_package_and_says_what_was_measured() -> None:
    data = CO2(targets=["co2"], covariates=["measured"], lookback=156, horizon=52)
    facts = data.facts()
    assert (facts["frequency"], facts["season_length"]) == ("1 week", 52)
    assert data.series is not None
    co2, measured = data.series.values.T
    assert (len(co2), int((measured == 0).sum())) == (2284, 59)
    assert (co2[0], co2[-1], data.series.time_of(0), data.series.time_of(2283)) == (
        316.1,
        371.5,
        "1958-03-29",
        "2001-12-29",
    )
    assert co2.min() > 310 and co2.max() < 375 and np.abs(np.diff(co2)).max() < 4


@pytest.mark.realdata
def test_all_test_windows_of_ett_are_kept() -> None:
    path = Path(os.environ.get("ZOO_DATA_DIR", "nowhere")) / "ett" / "ETTh1.csv"
    if not path.is_file():
        pytest.skip("ZOO_DATA_DIR names no folder with ett/ETTh1.csv")
    data = series_of(path, lookback=336, horizon=96, borders=[8640, 11520, 14400], eval_batch_size=512)
    assert data.sizes == {"train": 8209, "val": 2785, "test": 2785}
    assert data.found_facts()["num_targets"] == 7
    # "Repeat" of arXiv:2205.13504, table 2: the last value goes on.
    total = torch.zeros(())
    for batch in data.test_dataloader():
        total += (batch["target"] - batch["input"][:, -1:]).square().sum()
    assert float(total / (2785 * 96 * 7)) == pytest.approx(1.295, abs=0.002)
