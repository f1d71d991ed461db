"""Whether the doctor says what is wrong with a run, keeps silent where nothing is, and whether its remedies help.

Faults are provoked through options and small data over many seeds: of each run the verdict that must be said, and that
no other is. Healthy runs are shortened experiments of the zoo, in which nothing may be said. A remedy is the first one
that the verdict of a run prints, typed after the options of that run: the best validation accuracy must rise.

    python benchmarks/doctor.py faults [--only "dead ReLU" "slow loader"] [--seeds 10] [--first 0]
    python benchmarks/doctor.py healthy
    python benchmarks/doctor.py remedies
"""

import argparse
import contextlib
import io
import math
import tempfile
import time
from typing import NamedTuple

from zoo.config.entry import compose
from zoo.errors import TrainingStopped
from zoo.run import train


class Case(NamedTuple):
    """One kind of run.

    Attributes:
        options: overrides that make it.
        verdict: the one that must be said; "" where none may.
    """

    options: list[str]
    verdict: str


class Outcome(NamedTuple):
    """What came of a run.

    Attributes:
        said: the verdicts, as printed.
        score: the best validation accuracy, or what else is monitored.
    """

    said: list[str]
    score: float

    @property
    def names(self) -> list[str]:
        """Names of the verdicts."""
        return [line.partition(" (epoch ")[0] for line in self.said]

    @property
    def remedy(self) -> list[str]:
        """The first remedy of the first verdict, as overrides."""
        return self.said[0].partition("; try ")[2].partition(" or ")[0].split() if self.said else []


QUIET = ["trainer=cpu", "callbacks=doctor", "logger.tensorboard=null", "callbacks.console=null", "explanations=false"]
QUIET += ["callbacks.model_graph=null"]
FAULTY = "allow=[faults]"
DIGITS = ["data=digits", "trainer.max_epochs=10"]
FEW = ["data=digits", "data.train_samples=50", "data.batch_size=25", "data.val_fraction=0.5"]
FEW += ["trainer.max_epochs=100", "trainer.check_val_every_n_epoch=5"]
FEW += ["data.augment.crop=0", "data.augment.rotate=0", "data.augment.scale=0"]
SGD = ["optimizer=sgd", "model=mlp"]
TWENTY = f"model.hidden_sizes=[{','.join(['64'] * 20)}]"
LOPSIDED = ["data=synthetic_images", FAULTY, "data.source._target_=faults.Lopsided", "data.source.num_samples=20000"]
LOPSIDED += ["data.source.num_test_samples=5000", "data.source.noise=12", "data.image_size=8", "data.in_channels=1"]
MISLABELLED = ["data=digits", FAULTY, "data.source._target_=faults.MislabelledDigits", "data.val_fraction=0.2"]
FAULTS = {
    "vanishing, sgd": Case([*DIGITS, *SGD, TWENTY, "model.activation=sigmoid"], "vanishing gradients"),
    "vanishing, adamw": Case([*DIGITS, "model=mlp", TWENTY, "model.activation=sigmoid"], "vanishing gradients"),
    "lr x 100, cnn": Case([*DIGITS, "optimizer.lr=0.3"], "learning rate too high"),
    "lr x 100, mlp": Case([*DIGITS, "model=mlp", "optimizer.lr=0.3"], "learning rate too high"),
    "lr x 100, sgd": Case([*DIGITS, *SGD, "optimizer.lr=10"], "learning rate too high"),
    "lr / 100, cnn": Case([*DIGITS, "optimizer.lr=0.00003"], "learning rate too low"),
    "lr / 100, mlp": Case([*DIGITS, "model=mlp", "optimizer.lr=0.00003"], "learning rate too low"),
    "lr / 100, sgd": Case([*DIGITS, *SGD, "optimizer.lr=0.001"], "learning rate too low"),
    "50 samples, cnn": Case(FEW, "overfitting"),
    "50 samples, mlp": Case([*FEW, "model=mlp"], "overfitting"),
    "dead ReLU": Case([*DIGITS, FAULTY, "model=mlp", "model._target_=faults.DeadMLP"], "dead ReLU"),
    "dead ReLU, sgd": Case([*DIGITS, FAULTY, *SGD, "model._target_=faults.DeadMLP"], "dead ReLU"),
    "shuffled labels": Case(
        [*DIGITS, FAULTY, "data.source._target_=faults.ShuffledDigits", "model=mlp", "trainer.max_epochs=40"],
        "label noise",
    ),
    "a fifth of labels wrong, cnn": Case(MISLABELLED, "label noise"),
    "a fifth of labels wrong, mlp": Case([*MISLABELLED, "model=mlp", "optimizer=sgd"], "label noise"),
    "duplicates": Case([*DIGITS, FAULTY, "data.source._target_=faults.RepeatedDigits"], "leak"),
    "slow loader": Case([*DIGITS, FAULTY, "data._target_=faults.SlowImages", "trainer.max_epochs=6"], "loader-bound"),
    "one class": Case([*LOPSIDED, "model.width=8", "trainer.max_epochs=5"], "one class predicted"),
    "one class, mlp": Case(
        [*LOPSIDED, "model=mlp", "model.hidden_sizes=[32]", "optimizer=sgd", "trainer.max_epochs=5"],
        "one class predicted",
    ),
}
HEALTHY = {
    "digits_cnn": ["experiment=digits_cnn"],
    "digits, muon": ["data=digits", "optimizer=muon"],
    "digits, mlp sgd": ["data=digits", "model=mlp", "optimizer=sgd"],
    "digits, accumulated": ["data=digits", "data.batch_size=16", "trainer.accumulate_grad_batches=4"],
    "co2_nlinear": ["experiment=co2_nlinear"],
    "ett_h1_dlinear": ["experiment=ett_h1_dlinear", "trainer.max_epochs=5"],
    "ett_h1_lstm": ["experiment=ett_h1_lstm"],
    "sst2_lstm": ["experiment=sst2_lstm"],
    "sst2_transformer": ["experiment=sst2_transformer"],
    "mr_textcnn": ["experiment=mr_textcnn"],
    "hymenoptera_probe": ["experiment=hymenoptera_probe"],
    "fsdd_lstm": ["experiment=fsdd_lstm"],
    "waveforms_m5": ["experiment=waveforms_m5", "trainer.max_epochs=5"],
    "dates_attention": ["experiment=dates_attention", "trainer.max_epochs=4"],
    "tiny_shakespeare_lstm": ["experiment=tiny_shakespeare_lstm", "trainer.max_steps=300"],
    "tiny_shakespeare_gpt": ["experiment=tiny_shakespeare_gpt", "trainer.max_steps=300"],
    "digits_segmentation": ["experiment=digits_segmentation", "trainer.max_epochs=4"],
    "digits_detection": ["experiment=digits_detection", "trainer.max_epochs=4"],
    "fashion_mnist_lenet": ["experiment=fashion_mnist_lenet", "trainer.max_epochs=4"],
    "ring_gan": ["experiment=ring_gan", "trainer.max_epochs=2"],
}
REMEDIES = ["vanishing, sgd", "lr x 100, cnn", "lr x 100, mlp", "lr / 100, cnn", "lr / 100, sgd"]
REMEDIES += ["50 samples, cnn", "50 samples, mlp"]


def watched(options: list[str], seed: int) -> Outcome:
    """Returns what came of a run; one whose loss was not finite has no score."""
    quiet, score = io.StringIO(), None
    with tempfile.TemporaryDirectory() as directory:
        config = compose([*QUIET, *options, f"seed={seed}", f"output_dir={directory}/run"])
        out, err = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(quiet)
        with out, err, contextlib.suppress(TrainingStopped):
            score = train(config)
    said = [line.removeprefix("doctor: ") for line in quiet.getvalue().splitlines() if line.startswith("doctor: ")]
    return Outcome(said, math.nan if score is None else score)


def judged(cases: dict[str, Case], seeds: range) -> None:
    """Prints for each case in how many runs the verdict is said that must be, and no other; and what else is said."""
    for name, case in cases.items():
        started = time.perf_counter()
        expected = [case.verdict] if case.verdict else []
        wrong = {seed: run.said for seed in seeds if (run := watched(case.options, seed)).names != expected}
        seconds = (time.perf_counter() - started) / len(seeds)
        right = f"{len(seeds) - len(wrong)} of {len(seeds)}"
        print(f"{name}: {case.verdict or 'silent'} in {right}, {seconds:.0f} s a run", flush=True)
        for seed, said in wrong.items():
            print(f"    seed {seed}: {' | '.join(said) or 'silent'}", flush=True)


def remedied(names: list[str], seeds: range) -> None:
    """Prints for each case in how many runs the first printed remedy of the first verdict raises the best accuracy."""
    for name in names:
        raised, typed = 0, set()
        # With more validation samples than the default has, so that a gain of half a percent shows.
        options = ["data.val_fraction=0.3", *FAULTS[name].options]
        for seed in seeds:
            before = watched(options, seed)
            after = watched([*options, *before.remedy], seed) if before.remedy else before
            typed.add(" ".join(before.remedy))
            raised += after.score > before.score or (math.isnan(before.score) and after.score > 0)
            print(f"    seed {seed}: {before.score:.3f} to {after.score:.3f} by {before.remedy}", flush=True)
        print(f"{name}: raised in {raised} of {len(seeds)} by {' or '.join(sorted(typed))}", flush=True)


def main() -> None:
    """Prints a line for each case, and what was otherwise than it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["faults", "healthy", "remedies"])
    parser.add_argument("--only", nargs="+", choices=[*FAULTS, *HEALTHY])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.what == "remedies":
        return remedied([name for name in REMEDIES if name in (arguments.only or [name])], seeds)
    cases = FAULTS if arguments.what == "faults" else {name: Case(options, "") for name, options in HEALTHY.items()}
    judged({name: case for name, case in cases.items() if name in (arguments.only or [name])}, seeds)


if __name__ == "__main__":
    main()
