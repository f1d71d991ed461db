"""Generated images are judged by features of the data, of another run, or of none, and copies among them are told."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.build import build_data
from zoo.checkpoint import load_checkpoint
from zoo.config.entry import compose
from zoo.errors import OptionError
from zoo.judging import cache, judge, small_classifier
from zoo.judging.judges import judges_of
from zoo.run import evaluate, train

GAN = ["task=adversarial", "model.generator.width=8", "model.discriminator.width=8", "trainer=cpu"]
QUIET = ["logger.tensorboard=null", "callbacks.model_graph=null", "callbacks.console=null"]
MADE_UP = ["data=synthetic_images", "data.source.num_samples=200", "data.source.num_test_samples=40"]
COLOUR = ["data.in_channels=3", "data.image_size=[20,36]", "data.num_classes=3"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for all tests of the session, which is the first to fill it."""
    monkeypatch.setattr(cache, "user_cache", lambda name: tmp_path_factory.getbasetemp() / "cache" / name)


def metrics_of(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "metrics.json").read_text())
    return found


def test_a_run_judges_its_images_by_features_of_its_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(compose(["data=digits", *GAN, *QUIET, "trainer.max_epochs=1", f"output_dir={tmp_path}"]))
    metrics = metrics_of(tmp_path)
    assert metrics["test/fid"] > 10 * metrics["test/fid_floor"] > 0
    assert metrics["test/kid"] > 10 * abs(metrics["test/kid_floor"])
    names = {"val/fid", "test/recall", "test/coverage", "test/confidence", "test/class_entropy", "test/copied_share"}
    assert names <= metrics.keys()
    assert metrics["features"].startswith("convnet trained on the training split (val accuracy 0.9")
    assert capsys.readouterr().err.count(metrics["features"]) == 1
    assert (tmp_path / "report" / "nearest_training_images.png").is_file()
    best = load_checkpoint(tmp_path / "checkpoints" / "best.ckpt", option="ckpt")
    assert best["zoo"]["config"]["task"]["monitor"] == "val/fid"
    assert all(name.startswith(("model.", "average.")) for name in best["state_dict"])
    judged = evaluate(compose([f"ckpt={tmp_path}", "trainer.accelerator=cpu"], "evaluate"))
    assert judged["test/fid"] == pytest.approx(metrics["test/fid"], rel=1e-4)


def test_features_may_be_those_of_another_run_and_of_none(tmp_path: Path) -> None:
    classifier, gan = tmp_path / "classifier", tmp_path / "gan"
    train(compose(["model.width=8", "trainer.max_epochs=1", "trainer=cpu", *QUIET, f"output_dir={classifier}"]))
    options = [*GAN, *QUIET, "trainer.max_epochs=1", "metric.features=null", f"output_dir={gan}"]
    train(compose(["data=digits", *options]))
    assert "test/fid" not in (metrics := metrics_of(gan))
    assert "features" not in metrics
    assert "test/copied_share" in metrics  # by pixels
    evaluate(compose([f"ckpt={gan}", f"metric.features={classifier}"], "evaluate"))
    metrics = metrics_of(gan / "checkpoints" / "evaluation")
    assert metrics["features"].startswith(f"{classifier / 'checkpoints' / 'best.ckpt'} (val accuracy 0.")
    assert metrics["features"].endswith(", 32 features")
    assert "test/class_entropy" in metrics  # of the same classes
    for options, features, message in (
        (["data=digits"], gan, "best.ckpt is of a GAN; name that of a classifier"),
        ([*MADE_UP, *COLOUR], classifier, "sees images of 1 channels, but these have 3; name a classifier of such"),
    ):
        cfg = compose([*options, "task=adversarial", f"metric.features={features}"])
        with pytest.raises(OptionError, match=message):
            judges_of(cfg, build_data(cfg))


def test_colour_and_odd_sizes_are_judged_and_few_images_by_kid_alone(capsys: pytest.CaptureFixture[str]) -> None:
    cfg = compose([*MADE_UP, *COLOUR, "task=adversarial"])
    data = build_data(cfg)
    judges = judges_of(cfg, data)
    assert "20 images of val and 40 images of test for 64 features are too few" in capsys.readouterr().err
    assert judges.default == "val/kid"
    final = judges.stages["test"]
    final.update(torch.randn(40, 3, 20, 36), 0)
    values = final.compute()
    assert {"kid", "kid_floor", "coverage", "confidence"} <= values.keys()
    assert "fid" not in values


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["metric.features=nowhere"], "metric.features: nowhere does not exist; give a checkpoint"),
        (["metric.features=null", "task.monitor=val/kid"], "task.monitor: val/kid needs features of images"),
        (["metric.val_samples=0"], "metric.val_samples: 0 given; give a number from 1 on"),
    ],
)
def test_features_that_cannot_be_had_are_refused_in_words(options: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        train(compose(["data=digits", *GAN, *options, f"output_dir={tmp_path}"]))


class Memory(nn.Module):
    """Makes the images that it was given."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images = images

    def forward(self, count: int) -> Tensor:
        return self.images[:count]


@pytest.mark.parametrize("features", ["auto", "none"])
def test_a_generator_of_training_images_is_caught_and_one_of_new_images_is_not(features: str) -> None:
    cfg = compose(["data=digits", "task=adversarial", f"metric.features={features}"])
    data = build_data(cfg)
    shares = {}
    for name in ("train", "test"):
        images = data.normalize(data.images[name][:200])  # type: ignore[attr-defined]
        final = judges_of(cfg, data).stages["test"]
        final.update(Memory(images)(200), 0)
        values = final.compute()
        shares[name] = float(values["copied_share"])
        if name == "train":
            found = final.nearest_training_images()
            assert found is not None
            assert found.shape == (8, 5, 1, 8, 8)
            torch.testing.assert_close(found[:, 0], found[:, 1])
    assert shares["train"] > 0.95
    assert shares["test"] == pytest.approx(float(values["copied_share_real"]), abs=0.1)
    assert shares["test"] < 0.6


def test_training_a_classifier_takes_nothing_from_the_runs_randomness() -> None:
    cfg = compose(["data=digits"])
    data = build_data(cfg)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    network = small_classifier.build(10, 1, [8, 8])
    assert small_classifier.train(network, data, [8, 8], torch.device("cpu")) > 0.95
    assert torch.equal(torch.rand(1), expected)


def test_real_images_are_looked_at_once_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = compose(["data=digits", "task=adversarial"])
    data = build_data(cfg)
    judges_of(cfg, data).stages["test"]._table("val")
    monkeypatch.setattr(judge.SplitFeatures, "_computed", lambda *_: pytest.fail("they are kept"))
    judges_of(cfg, data).stages["test"]._table("val")


def test_several_processes_share_what_one_has_computed_of_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = compose(["data=digits", "task=adversarial"])
    data = build_data(cfg)
    waited: list[int] = []
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "barrier", lambda: waited.append(1))
    assert len(data.labels["test"]) == 359  # type: ignore[attr-defined]
    assert sum(len(batch["index"]) for batch in data.test_dataloader()) == 180
    table = cache.cached("several", lambda: {"rows": torch.cat([b["index"] for b in data.test_dataloader()])})
    assert len(table["rows"]) == 359
    assert len(waited) == 1
