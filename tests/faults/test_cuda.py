"""What holds on the CPU holds on a GPU: exact resume, and what is not finite."""

import signal
from pathlib import Path

import pytest

from tests.faults.processes import TINY, run
from tests.faults.recorder import steps

pytestmark = pytest.mark.gpu
ON_GPU = ["trainer=gpu" if option == "trainer=cpu" else option for option in TINY] + ["trainer.deterministic=true"]
# What cuBLAS asks for before its sums are the same each time.
DETERMINISTIC = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


@pytest.mark.parametrize("precision", ["32", "bf16-mixed", "16-mixed"])
def test_a_run_killed_on_a_gpu_is_bit_equal(precision: str, tmp_path: Path) -> None:
    recipe = [*ON_GPU, f"trainer.precision={precision}", "model.dropout=0.3", "data.augment.crop=1"]
    recipe += ["data.augment.mixup=0.2", "callbacks=ema", "checkpoint.every_n_steps=1"]
    options = {"tiny": False, "environment": DETERMINISTIC}
    killer = ["+callbacks.killer._target_=tests.faults.killer.Killer", f"+callbacks.killer.done={tmp_path}/killed"]
    killer += ["+callbacks.killer.hook=on_train_batch_end", "+callbacks.killer.count=11"]
    killed = run(*recipe, *killer, directory=tmp_path / "run", **options)
    assert killed.process.exitcode == -signal.SIGKILL, killed.output
    done = run(*recipe, "resume=auto", directory=tmp_path / "run", **options)
    assert done.process.exitcode == 0, done.output
    assert steps(done.steps) == steps(run(*recipe, directory=tmp_path / "whole", **options).steps)


def test_a_gradient_that_is_infinite_on_a_gpu_stops_the_run(tmp_path: Path) -> None:
    poison = ["+callbacks.poison._target_=tests.faults.killer.Poison", "+callbacks.poison.what=gradient"]
    done = run(*ON_GPU, *poison, "+callbacks.poison.step=9", directory=tmp_path / "run", tiny=False)
    assert done.process.exitcode == 3, done.output
    assert "the gradient is not finite at step 9" in done.last_line


def test_a_gpu_that_is_too_small_names_a_batch_that_fits(tmp_path: Path) -> None:
    options = ["trainer=gpu", "data=synthetic_images", "data.image_size=1024", "data.source.num_samples=600"]
    options += ["data.source.num_test_samples=20", "data.batch_size=512", "model=resnet_small", "trainer.max_epochs=1"]
    done = run(*options, directory=tmp_path / "run", tiny=False, record=False)
    assert done.process.exitcode == 3, done.output
    assert "set data.batch_size=" in done.last_line
