"""A run that is killed with kill -9 and resumed is the run that was not, to the last bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import text_run
from tests.data import pairs, series, texts
from tests.faults.processes import Run, run
from tests.faults.recorder import steps

BUSY = ["model.dropout=0.3", "data.augment.crop=1", "data.augment.flip=0.5"]
RECIPES = {
    "busy": [*BUSY, "data.augment.mixup=0.2", "callbacks=ema", "checkpoint.every_n_steps=1"],
    "accumulation": [*BUSY, "trainer.accumulate_grad_batches=3", "checkpoint.every_n_steps=1"],
    "plateau": [*BUSY, "scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.5", "checkpoint.every_n_steps=2"],
    "early_stopping": ["callbacks=early_stopping", "callbacks.early_stopping.patience=1", "optimizer.lr=0"],
    "validation_within": [*BUSY, "trainer.val_check_interval=3", "checkpoint.every_n_steps=2"],
    "no_validation": [*BUSY, "trainer.check_val_every_n_epoch=2"],
    "two_optimizers": ["task._target_=tests.faults.two_optimizers.TwoOptimizersTask", "checkpoint.every_n_steps=1"],
    "muon": [*BUSY, "optimizer=muon", "checkpoint.every_n_steps=3"],
    "gradual": [
        *(*BUSY, "model.hidden_sizes=[16,16]", "model.norm=batch", "callbacks=ema", "checkpoint.every_n_steps=1"),
        *("finetune=gradual", "finetune.every_n_epochs=1", "finetune.lr_decay=0.5", "finetune.reestimate_norm=true"),
    ],
    "cached": ["model.dropout=0.3", "finetune=linear_probe", "callbacks=ema", "checkpoint.every_n_steps=1"],
    "steps": [*BUSY, "trainer.max_epochs=-1", "trainer.max_steps=14", "checkpoint.every_n_steps=1"],
    "double": [*BUSY, "trainer.precision=64-true", "model.norm=batch", "callbacks=ema", "checkpoint.every_n_steps=1"],
    "validation_across": [
        *BUSY,
        "scheduler=plateau",
        "scheduler.patience=0",
        "trainer.val_check_interval=10",
        "trainer.check_val_every_n_epoch=null",
        "checkpoint.every_n_steps=2",
    ],
}
# Runs on data of other kinds, complete in themselves; each is given a folder for what it reads.
OTHER_DATA = {
    "boxes": lambda folder: BOXES,
    "gan": lambda folder: GAN,
    "gan_of_classes": lambda folder: [*GAN_IMAGES, *GAN_OF_CLASSES],
    "gan_of_styles": lambda folder: [
        *GAN_IMAGES,
        "model=stylegan2",
        "task.criterion.r1=1",
        "model.generator.num_layers=2",
    ],
    "language": lambda folder: [*text_run.options(text_run.write_text(folder)), *LANGUAGE],
    "pairs": lambda folder: [*pairs.options(pairs.write_tsv(folder / "pairs.tsv", pairs.samples(132))), *PAIRS],
    "segmentation": lambda folder: SEGMENTATION,
    "series": lambda folder: [f"data.path={series.write(folder / 'series.csv')}", *SERIES],
    "sounds": lambda folder: SOUNDS,
    "strings": lambda folder: STRINGS,
    "texts": lambda folder: [*texts.options(texts.write_csv(folder / "texts.csv", texts.samples(200))), *TEXTS],
}
BOXES = [
    *("data=digits_detection", "data.source.num_train=116", "data.source.num_val=9", "data.source.num_test=8"),
    *("data.image_size=48", "data.source.smallest=10", "data.source.largest=20", "data.batch_size=16"),
    *("data.eval_batch_size=3", "data.augment.mosaic=0.5", "data.augment.mosaic_epochs=2", "data.augment.contrast=0.2"),
    *("data.augment.min_scale=0.5", "data.augment.max_scale=2", "data.augment.flip=0.5", "model.width=4"),
    *("model.head_width=8", "callbacks=ema", "trainer=cpu", "trainer.max_epochs=3", "checkpoint.every_n_steps=1"),
    *("trainer.log_every_n_steps=1", "logger.tensorboard=null", "callbacks.model_graph=null"),
]
GAN = [
    *("data=ring", "data.num_samples=112", "data.num_eval_samples=9", "data.batch_size=16", "data.eval_batch_size=3"),
    *("task.criterion._target_=zoo.losses.adversarial.Wasserstein", "task.criterion.r1=0.1"),
    "task.accumulate_batches=2",
    *("task.criterion.penalty_every=2", "task.discriminator_steps=2", "task.generator_clip=1", "scheduler=cosine"),
    *("model.generator.hidden_size=8", "model.discriminator.hidden_size=8", "trainer=cpu", "trainer.max_epochs=3"),
    *("checkpoint.every_n_steps=1", "trainer.log_every_n_steps=3", "logger.tensorboard=null"),
    *("callbacks.model_graph=null",),
]
GAN_IMAGES = [
    *("data=synthetic_images", "task=adversarial", "data.source.num_samples=121", "data.source.num_test_samples=16"),
    *("data.val_fraction=0.075", "data.batch_size=16", "data.eval_batch_size=3", "data.image_size=8"),
    *("data.num_classes=3", "model.generator.width=4", "model.discriminator.width=4", "model.augment.color=true"),
    *("model.augment.translation=0.2", "model.augment.cutout=0.3", "trainer=cpu", "trainer.max_epochs=3"),
    *("checkpoint.every_n_steps=1", "trainer.log_every_n_steps=1", "logger.tensorboard=null"),
    *("callbacks.model_graph=null", "callbacks.augmented_images=null"),
]
GAN_OF_CLASSES = [
    *("model=sngan_conditional", "task.criterion._target_=zoo.losses.adversarial.Hinge", "task.discriminator_steps=2"),
    *("model.generator.attention=4", "model.generator.spectral=true", "model.discriminator.minibatch_std=true"),
]
LANGUAGE = [
    *("model.dropout=0.3", "model.weight_drop=0.2", "model.activation_penalty=1", "checkpoint.every_n_steps=1"),
    *("logger.tensorboard=null", "callbacks.model_graph=null"),
]
SERIES = [  # 121 windows of training, 17 of validation
    *("data=series_file", "data.targets=[load]", "data.lookback=12", "data.horizon=6", "data.val_fraction=0.11"),
    *("data.batch_size=17", "data.eval_batch_size=6", "task.quantiles=[0.1,0.5,0.9]", "callbacks=ema"),
    *("model=patchtst", "model.patch_size=4", "model.stride=2", "model.num_layers=1", "checkpoint.every_n_steps=1"),
    *("trainer=cpu", "trainer.max_epochs=3", "trainer.log_every_n_steps=1"),
    *("logger.tensorboard=null", "callbacks.model_graph=null"),
]
PAIRS = [
    *("data.eval_batch_size=3", "data.val_fraction=0.11", "data.test_fraction=0.05", "model.dropout=0.3"),
    *("callbacks=ema", "checkpoint.every_n_steps=1", "trainer.max_epochs=3", "trainer.log_every_n_steps=1"),
    *("logger.tensorboard=null", "callbacks.model_graph=null"),
]
SOUNDS = [
    *("data=waveforms", "data.source.num_samples=121", "data.source.num_test_samples=16", "data.source.seconds=0.2"),
    *("data.clip_seconds=0.15", "data.batch_size=16", "data.eval_batch_size=3", "data.val_fraction=0.075"),
    *("data.augment.speed=0.1", "data.augment.shift=0.1", "data.augment.gain=6", "data.augment.noise=0.5"),
    *("data.augment.time_mask=0.1", "data.augment.frequency_mask=0.1", "model.tau=0.25", "callbacks=ema"),
    *("trainer=cpu", "trainer.max_epochs=3", "checkpoint.every_n_steps=1", "trainer.log_every_n_steps=1"),
    *("logger.tensorboard=null", "callbacks.model_graph=null", "callbacks.augmented_images=null"),
]
SEGMENTATION = [
    *("data=digits_segmentation", "data.source.num_train=114", "data.source.num_val=9", "data.source.num_test=4"),
    *("data.image_size=24", "data.source.most_digits=1", "data.source.largest=20", "data.batch_size=16"),
    *("data.eval_batch_size=3", "data.augment.flip=0.5", "data.augment.rotate=20", "data.augment.brightness=0.3"),
    *("model.depth=2", "model.width=4", "model.dropout=0.3", "task.criterion.dice=0.5", "callbacks=ema"),
    *("trainer=cpu", "trainer.max_epochs=3", "checkpoint.every_n_steps=1", "trainer.log_every_n_steps=1"),
    *("logger.tensorboard=null", "callbacks.model_graph=null", "callbacks.augmented_images=null"),
]
STRINGS = [
    *("data=tone_strings", "data.num_samples=112", "data.num_val_samples=9", "data.num_test_samples=8"),
    *("data.source.num_samples=105", "data.source.num_test_samples=42", "data.batch_size=16", "data.max_words=3"),
    *("data.eval_batch_size=3", "data.augment.gain=6", "data.augment.noise=0.5", "data.augment.time_mask=0.1"),
    *("model.hidden_size=8", "model.width=4", "model.dropout=0.3", "trainer=cpu", "trainer.max_epochs=3"),
    *("checkpoint.every_n_steps=1", "trainer.log_every_n_steps=1", "logger.tensorboard=null"),
    *("callbacks.model_graph=null", "callbacks.augmented_images=null"),
]
TEXTS = [
    *("data.word_dropout=0.2", "data.val_fraction=0.334", "data.test_fraction=0.1", "data.eval_batch_size=20"),
    *("model.embed_dim=16", "model.embedding_dropout=0.2", "callbacks=ema", "checkpoint.every_n_steps=1"),
    *("trainer.max_epochs=3", "trainer.log_every_n_steps=1", "logger.tensorboard=null", "callbacks.model_graph=null"),
]
# Seven batches an epoch and three of validation; three epochs.
MOMENTS = {
    "within an epoch": ("on_train_batch_end", 11),
    "at the start of an epoch": ("on_train_epoch_start", 2),
    "before the last batch": ("on_train_batch_start", 14),
    "at the end of training an epoch": ("on_train_epoch_end", 1),
    "in a validation": ("on_validation_batch_end", 5),
    "at the end of a validation": ("on_validation_end", 2),
    "at the very end": ("on_train_end", 1),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The steps of runs that were not killed, by recipe."""
    return Whole(tmp_path_factory.mktemp("whole"))


class Whole(dict[str, dict[str, str]]):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __missing__(self, recipe: str) -> dict[str, str]:
        done = run(*RECIPES[recipe], directory=self.folder / recipe)
        assert done.process.exitcode == 0, done.output
        self[recipe] = steps(done.steps)
        return self[recipe]


def killed(recipe: list[str], directory: Path, hook: str, count: int, *, tiny: bool = True) -> Run:
    options = ["+callbacks.killer._target_=tests.faults.killer.Killer", f"+callbacks.killer.done={directory}.killed"]
    options += [f"+callbacks.killer.hook={hook}", f"+callbacks.killer.count={count}"]
    done = run(*recipe, *options, directory=directory, tiny=tiny)
    assert done.process.exitcode == -signal.SIGKILL, done.output
    return done


def resumed(recipe: list[str], directory: Path, *, tiny: bool = True) -> Run:
    done = run(*recipe, "resume=auto", directory=directory, tiny=tiny)
    assert done.process.exitcode == 0, done.output
    return done


def metrics(directory: Path) -> dict[str, str]:
    values = json.loads((directory / "metrics.json").read_text())
    names = [name for name in values if name.startswith(("train/", "val/", "test/"))]
    return {name: values[name].hex() for name in names} | {name: values[name] for name in ("epochs", "global_step")}


def test_a_run_killed_in_a_validation_is_bit_equal_to_one_that_was_not(whole: Whole, tmp_path: Path) -> None:
    killed(RECIPES["busy"], tmp_path / "run", *MOMENTS["in a validation"])
    done = resumed(RECIPES["busy"], tmp_path / "run")
    assert steps(done.steps) == whole["busy"]
    assert metrics(tmp_path / "run") == metrics(whole.folder / "busy")


def test_another_seed_is_another_run(whole: Whole, tmp_path: Path) -> None:
    other = run(*RECIPES["busy"], "seed=1", directory=tmp_path / "run")
    assert steps(other.steps) != whole["busy"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_killed_at_any_moment_is_bit_equal(recipe: str, moment: str, whole: Whole, tmp_path: Path) -> None:
    expected = whole[recipe]
    hook, count = MOMENTS[moment]
    if recipe == "early_stopping" and moment == "before the last batch":
        count = 8  # it ends after two epochs
    if recipe == "no_validation" and "validation" in moment and "end of training" not in moment:
        count = 1
    killed(RECIPES[recipe], tmp_path / "run", hook, count)
    done = resumed(RECIPES[recipe], tmp_path / "run")
    if moment == "at the very end":  # nothing is left to train, so that nothing notes the weights
        expected = {step: line for step, line in expected.items() if "weights" not in line}
    assert steps(done.steps) == expected
    assert metrics(tmp_path / "run") == metrics(whole.folder / recipe)
    assert rows(tmp_path / "run") == rows(whole.folder / recipe)


@pytest.fixture(scope="module")
def whole_of_other_data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], Run]]:
    """Options and runs that were not killed, by kind of data."""
    runs = {}
    for kind, options in OTHER_DATA.items():
        folder = tmp_path_factory.mktemp(kind)
        recipe = options(folder)
        done = run(*recipe, directory=folder / "run", tiny=False)
        assert done.process.exitcode == 0, done.output
        runs[kind] = recipe, done
    return runs


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", OTHER_DATA)
def test_a_run_on_other_data_killed_at_any_moment_is_bit_equal(
    kind: str, moment: str, whole_of_other_data: dict[str, tuple[list[str], Run]], tmp_path: Path
) -> None:
    recipe, done = whole_of_other_data[kind]
    killed(recipe, tmp_path / "run", *MOMENTS[moment], tiny=False)
    again = resumed(recipe, tmp_path / "run", tiny=False)
    expected = steps(done.steps)
    if moment == "at the very end":
        expected = {step: line for step, line in expected.items() if "weights" not in line}
    assert steps(again.steps) == expected
    assert metrics(tmp_path / "run") == metrics(done.directory)
    assert rows(tmp_path / "run") == rows(done.directory)


@pytest.mark.slow
@pytest.mark.parametrize("options", [["model.dropout=0.2"], ["trainer.limit_val_batches=0"]])
def test_a_run_killed_in_its_test_repeats_it(options: list[str], tmp_path: Path) -> None:
    recipe = [*options, "callbacks=ema"]
    started = Run(*recipe, directory=tmp_path / "run", record=False)
    started.until(lambda: "epoch 3/3" in started.output)
    started.kill()
    resumed(recipe, tmp_path / "run")
    run(*recipe, directory=tmp_path / "whole")
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_killed_twice_in_a_row_is_bit_equal(whole: Whole, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    killed(RECIPES["busy"], directory, "on_train_batch_end", 10)
    (tmp_path / "run.killed").unlink()
    for count in (1, 3):
        options = ["resume=auto", f"+callbacks.killer.done={directory}.killed{count}"]
        options += [
            "+callbacks.killer._target_=tests.faults.killer.Killer",
            "+callbacks.killer.hook=on_train_batch_end",
        ]
        again = run(*RECIPES["busy"], *options, f"+callbacks.killer.count={count}", directory=directory)
        assert again.process.exitcode == -signal.SIGKILL, again.output
    assert steps(resumed(RECIPES["busy"], directory).steps) == whole["busy"]


@pytest.mark.slow
def test_a_run_killed_while_it_saves_is_bit_equal_and_leaves_no_temporary_file(whole: Whole, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    for _ in range(3):
        started = Run(*RECIPES["busy"], "resume=auto", directory=directory)
        started.until(lambda: list((directory / "checkpoints").glob(".*.tmp")))
        started.kill()
    assert steps(resumed(RECIPES["busy"], directory).steps) == whole["busy"]
    assert not [path for path in directory.rglob(".*")]


@pytest.mark.slow
def test_forty_kills_at_random_moments_of_a_run_that_saves_all_the_time(whole: Whole, tmp_path: Path) -> None:
    draw = random.Random(0)
    expected = whole["busy"]
    for number in range(40):
        directory = tmp_path / str(number)
        started = Run(*RECIPES["busy"], directory=directory)
        started.until_step(1)
        started.process.join(draw.uniform(0, 1.2))
        started.kill()
        assert steps(resumed(RECIPES["busy"], directory).steps) == expected, number


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (2, 2)])
def test_the_number_of_workers_does_not_matter(before: int, after: int, tmp_path: Path) -> None:
    from PIL import Image

    for number in range(60):
        path = tmp_path / "photos" / f"class{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 12), (number * 4, 60 * (number % 3), 0)).save(path)
    recipe = ["data=image_folder", f"data.root={tmp_path / 'photos'}", "data.image_size=8", "data.batch_size=8"]
    recipe += ["model=mlp", "trainer=cpu", "trainer.max_epochs=3", "checkpoint.every_n_steps=1", "model.dropout=0.2"]
    recipe += ["logger.tensorboard=null", "callbacks.model_graph=null", "callbacks.augmented_images=null"]
    reference = run(*recipe, "data.num_workers=0", directory=tmp_path / "whole", tiny=False)
    directory = tmp_path / "run"
    started = Run(*recipe, f"data.num_workers={before}", directory=directory, tiny=False)
    started.until_step(7)
    started.kill()
    done = run(*recipe, f"data.num_workers={after}", "resume=auto", directory=directory, tiny=False)
    assert done.process.exitcode == 0, done.output
    assert steps(done.steps) == steps(reference.steps)


def test_a_run_is_resumed_by_its_directory_alone(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    killed([*BUSY, "checkpoint.every_n_steps=1", "seed=3"], directory, "on_train_batch_end", 9)
    done = run(f"resume={directory}", directory=directory, tiny=False, output_dir=False, record=False)
    assert done.process.exitcode == 2 and "allow=[tests]" in done.last_line  # what the command line alone may allow
    done = run(f"resume={directory}", "allow=[tests]", directory=directory, tiny=False, output_dir=False, record=False)
    assert done.process.exitcode == 0, done.output
    assert json.loads((directory / "metrics.json").read_text())["seed"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed=1", "seed: 0 in the checkpoint, but 1 here"),
        ("data.batch_size=8", "data.batch_size: 16 in the checkpoint, but 8 here"),
        ("model.hidden_sizes=[8]", "model.hidden_sizes: [16] in the checkpoint, but [8] here"),
        ("data.source.seed=5", "data.source.seed: 0 in the checkpoint, but 5 here"),
        ("optimizer.lr=0.5", "optimizer.lr: "),
    ],
)
def test_what_differs_from_the_checkpoint_is_refused(change: str, message: str, saved: Path) -> None:
    from tests.faults.processes import TINY
    from zoo.config.entry import compose
    from zoo.errors import OptionError
    from zoo.run import train

    with pytest.raises(OptionError) as refused:
        train(compose([*TINY, f"output_dir={saved}", "resume=auto", change]))
    assert message in str(refused.value)
    assert "allow_changes=true" in str(refused.value)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.faults.processes import TINY
    from zoo.config.entry import compose
    from zoo.run import train

    directory = tmp_path_factory.mktemp("saved") / "run"
    train(compose([*TINY, "trainer.max_epochs=1", f"output_dir={directory}"]))
    return directory


def test_a_model_that_the_weights_do_not_fit_is_refused_whatever_is_allowed(saved: Path) -> None:
    from tests.faults.processes import TINY
    from zoo.config.entry import compose
    from zoo.errors import OptionError
    from zoo.run import train

    options = [*TINY, f"output_dir={saved}", "resume=auto", "allow_changes=true", "model.hidden_sizes=[8]"]
    with pytest.raises(OptionError, match=r"is \[16, 192\] in the checkpoint, but \[8, 192\] here; .*init_from="):
        train(compose(options))


def test_a_checkpoint_of_another_format_is_refused(saved: Path, tmp_path: Path) -> None:
    from tests.faults.processes import TINY
    from zoo.checkpoint import load_checkpoint, write_checkpoint
    from zoo.config.entry import compose
    from zoo.errors import OptionError
    from zoo.run import train

    checkpoint = load_checkpoint(saved / "checkpoints" / "last.ckpt", option="resume")
    del checkpoint["zoo"]["format"]
    write_checkpoint(checkpoint, tmp_path / "checkpoints" / "last.ckpt")
    with pytest.raises(OptionError, match=r"last\.ckpt holds no state of a run .*init_from="):
        train(compose([*TINY, f"output_dir={tmp_path}", "resume=auto"]))


def test_an_average_of_weights_has_the_precision_of_the_weights(tmp_path: Path) -> None:
    import torch

    from tests.faults.processes import TINY
    from zoo.checkpoint import load_checkpoint
    from zoo.config.entry import compose
    from zoo.run import train

    train(compose([*TINY, "trainer.precision=bf16-true", "callbacks=ema", f"output_dir={tmp_path}"]))
    weights = load_checkpoint(tmp_path / "checkpoints" / "last.ckpt", option="resume")["state_dict"]
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "metrics.json").read_text())["train/loss"] * 64 % 1 != 0  # no mean in eight bits


def test_a_run_needs_neither_schedule_nor_logger(tmp_path: Path) -> None:
    from tests.faults.processes import TINY
    from zoo.config.entry import compose
    from zoo.run import train

    options = [option for option in TINY if not option.startswith("logger")]
    train(compose([*options, "~scheduler", "~logger", "trainer.max_epochs=1", f"output_dir={tmp_path}"]))
    assert json.loads((tmp_path / "metrics.json").read_text())["status"] == "completed"


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_processes_that_train_together_go_on_exactly(end: int, tmp_path: Path) -> None:
    together = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.batch_size=8"]
    recipe = [*BUSY, *together, "trainer.accumulate_grad_batches=3", "checkpoint.every_n_steps=1"]
    whole = distributed(tmp_path / "whole", *recipe)
    assert whole.wait(120) == 0
    started = distributed(tmp_path / "run", *recipe, "+callbacks.slow._target_=tests.faults.killer.Slow")
    until = time.monotonic() + 90
    while logged(tmp_path / "run") < 13 and time.monotonic() < until:  # within the second epoch, and an accumulation
        time.sleep(0.05)
    os.killpg(started.pid, end)
    assert started.wait(30) == (128 + end if end == signal.SIGTERM else -end)
    assert distributed(tmp_path / "run", *recipe, "resume=auto").wait(120) == 0
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


def distributed(directory: Path, *options: str) -> subprocess.Popen[bytes]:
    """Starts a run of several processes by the command that a user types."""
    from tests.faults.processes import ROOT, TINY

    command = [sys.executable, "train.py", *TINY, *options, "allow=[tests]", f"output_dir={directory}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with (directory.with_suffix(".log")).open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)


def logged(directory: Path) -> int:
    path = directory / "metrics.csv"
    return path.read_text().count("\n") if path.exists() else 0


def rows(directory: Path) -> list[dict[str, str]]:
    """What a run has logged, without its speed."""
    import csv

    with (directory / "metrics.csv").open() as file:
        return [
            {k: v for k, v in row.items() if not k.startswith(("throughput", "cost/"))} for row in csv.DictReader(file)
        ]


def test_a_change_that_is_allowed_is_made(saved: Path) -> None:
    import csv

    from tests.faults.processes import TINY
    from zoo.config.entry import compose
    from zoo.run import train

    options = ["resume=auto", "allow_changes=true", "optimizer.lr=0.25", "scheduler=constant", "scheduler.warmup=0"]
    train(compose([*TINY, f"output_dir={saved}", "trainer.max_epochs=2", *options]))
    with (saved / "metrics.csv").open() as file:
        rates = [row["lr"] for row in csv.DictReader(file) if row["lr"]]
    assert float(rates[-1]) == 0.25
