"""The doctor's verdicts of real runs, whose first remedy is typed as it is printed."""

import re
from pathlib import Path

import pytest

from zoo.config.entry import compose
from zoo.errors import TrainingStopped
from zoo.run import train

QUIET = ["callbacks=doctor", "trainer=cpu", "logger.tensorboard=null", "callbacks.model_graph=null"]
QUIET += ["callbacks.console=null", "explanations=false"]
DIGITS = ["data=digits", "data.augment=null", "model=mlp", "model.hidden_sizes=[32]", "optimizer=sgd"]


def test_a_run_that_ends_in_a_loss_that_is_not_finite_says_why_and_its_remedy_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*QUIET, *DIGITS, "data.train_samples=200", "scheduler=constant"]
    with pytest.raises(TrainingStopped):
        train(compose([*options, "optimizer.lr=1000", f"output_dir={tmp_path / 'stopped'}"]))
    (said,) = re.findall(r"^doctor: learning rate too high .*; try (\S+)", capsys.readouterr().err, re.M)
    score = train(compose([*options, said, "trainer.max_epochs=2", f"output_dir={tmp_path / 'mended'}"]))
    assert said == "optimizer.lr=10" and score is not None
