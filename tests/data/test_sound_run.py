"""Runs on sounds: trained on by a command of its own, judged on another folder, with any model of images."""

import csv
import json

import pytest

from tests.data.sounds_on_disk import flat, tone
from zoo.config.check import OptionErrors
from zoo.config.entry import compose
from zoo.errors import DataError, OptionError
from zoo.run import evaluate, train


def options(root, directory, *more: str) -> list[str]:
    return [
        f"data.root={root}",
        "data=audio_folder",
        "trainer=cpu",
        "data.batch_size=8",
        f"output_dir={directory}",
        *more,
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on two pitches."""
    directory = tmp_path_factory.mktemp("sound")
    flat(directory / "tones")
    small = [
        "model=convnet",
        "model.width=8",
        "model.convs_per_block=1",
        "model.dropout=0",
        "trainer.max_epochs=30",
        "optimizer.lr=0.01",
    ]
    train(compose(options(directory / "tones", directory / "run", *small)))
    return directory / "run"


def test_two_pitches_are_learned(run):
    assert json.loads((run / "metrics.json").read_text())["test/accuracy"] == 1.0


def test_predictions_are_named_by_file(run):
    with (run / "report" / "predictions.csv").open() as file:
        predictions = list(csv.DictReader(file))
    assert len(predictions) == 6
    assert all(row["name"].startswith(f"{row['target']}/") for row in predictions)


def test_evaluation_repeats_the_test_and_takes_another_folder_of_another_rate_as_a_whole(run, tmp_path):
    again = evaluate(compose([f"ckpt={run}", f"output_dir={tmp_path / 'own'}"], "evaluate"))
    tested = json.loads((run / "metrics.json").read_text())
    assert again["test/nll"] == pytest.approx(tested["test/nll"], abs=1e-6)
    other = flat(tmp_path / "other", 5, rate=11_025, seconds=0.2)
    given = [f"ckpt={run}", "data=audio_folder", f"data.root={other}", f"output_dir={tmp_path / 'out'}"]
    assert evaluate(compose(given, "evaluate"))["test/accuracy"] == 1.0
    assert len((tmp_path / "out" / "predictions.csv").read_text().splitlines()) == 11


def test_a_class_that_the_checkpoint_does_not_know_is_refused(run, tmp_path):
    tone(tmp_path / "mid" / "a.wav")
    given = [f"ckpt={run}", f"data.root={tmp_path}", f"output_dir={tmp_path / 'out'}"]
    with pytest.raises(DataError, match=r"mid/a.wav: classes mid are not among the checkpoint's high, low"):
        evaluate(compose(given, "evaluate"))


@pytest.mark.parametrize("more", [["data.features=mfcc"], ["model=m5", "model.width=8"], ["model=lstm"]])
def test_models_of_spectrograms_waveforms_and_sequences_take_sounds(tmp_path, more):
    train(compose(options(flat(tmp_path / "tones", 12), tmp_path / "run", "trainer=fast_dev_run", *more)))
    assert (tmp_path / "run" / "metrics.json").exists()
    if "model" not in more[0]:
        assert "zoo.models.cnn.bc_resnet.BCResNet" in (tmp_path / "run" / "config.yaml").read_text()


@pytest.mark.parametrize("model", ["convnet", "mlp"])
def test_a_model_of_images_refuses_waveforms_in_one_line(tmp_path, model):
    flat(tmp_path / "tones", 12)
    with pytest.raises(OptionError, match=r"model: .*waveform.*; set data.features=mel"):
        train(compose(options(tmp_path / "tones", tmp_path / "run", f"model={model}", "data.features=waveform")))
    assert not (tmp_path / "run").exists()


def test_a_model_of_waveforms_asks_its_data_for_them():
    assert compose(["data=fsdd", "model=m5"]).data.features == "waveform"
    assert compose(["data=fsdd"]).data.features == "mel"
    with pytest.raises(OptionErrors, match=r"data\.features: unknown option"):
        compose(["data=digits", "model=m5"])
