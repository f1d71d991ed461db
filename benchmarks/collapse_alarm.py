"""How often the alarms of adversarial training sound where they must, and where they must not.

Runs that are forced to go wrong - on a ring by a discriminator that learns fifty times as fast, on digits by noise of
one number, or by the first loss with a discriminator that is sure at once - and healthy ones, over many seeds. The
limits were set on seeds from 100 on.

    python benchmarks/collapse_alarm.py [--only "ring, healthy"] [--seeds 20] [--first 0]
"""

import argparse
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from zoo.config.entry import compose
from zoo.run import train


class Case(NamedTuple):
    """One kind of run.

    Attributes:
        options: overrides that make it.
        alarm: the one that must sound; None where none may.
    """

    options: list[str]
    alarm: str | None


QUIET = ["trainer=cpu", "logger.tensorboard=null", "callbacks.console=null", "callbacks.model_graph=null"]
RING = ["data=ring", "data.num_samples=25600"]  # 100 batches an epoch
DIGITS = ["data=digits", "task=adversarial", "metric.features=null", "data.batch_size=64", "model.generator.width=16"]
DIGITS += ["model.discriminator.width=16", "model.discriminator.norm=null", "trainer.check_val_every_n_epoch=4"]
LEARNING = ["optimizer.generator.lr=0.001", "optimizer.discriminator.lr=0.001"]
MINIMAX = "task.criterion._target_=zoo.losses.adversarial.Minimax"
FAST = ["optimizer.generator.lr=0.0002", "optimizer.discriminator.lr=0.01"]
HEALTHY = ["optimizer.generator.lr=0.001", "optimizer.discriminator.lr=0.002", "scheduler=cosine"]
CASES = {
    "ring, collapse": Case([*RING, *FAST, "trainer.max_epochs=8"], "mode collapse"),
    "ring, healthy": Case([*RING, *HEALTHY, "task.criterion.r1=0.02", "trainer.max_epochs=12"], None),
    "digits, collapse": Case(
        [*DIGITS, *LEARNING, "model.generator.latent_dim=1", "trainer.max_epochs=48"], "mode collapse"
    ),
    "digits, saturation": Case(
        [*DIGITS, MINIMAX, "optimizer.discriminator.lr=0.02", "trainer.max_epochs=60"], "discriminator saturation"
    ),
    "digits, healthy": Case(
        [*DIGITS, *LEARNING, "scheduler=cosine", "task.criterion.r1=0.5", "trainer.max_epochs=60"], None
    ),
}


def alarms(options: list[str], seed: int) -> list[str]:
    """Returns the alarms of a run."""
    quiet = io.StringIO()
    with tempfile.TemporaryDirectory() as directory:
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            train(compose([*options, *QUIET, f"seed={seed}", f"output_dir={directory}/run"]))
        record = json.loads((Path(directory) / "run" / "metrics.json").read_text())
    return [name for name in record["alarms"].split("; ") if name]


def main() -> None:
    """Prints for each case in how many runs it is as it must be, and the alarms of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else CASES:
        case, started = CASES[name], time.perf_counter()
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        found = {seed: alarms(case.options, seed) for seed in seeds}
        wrong = {seed: heard for seed, heard in found.items() if not (case.alarm in heard if case.alarm else not heard)}
        what = f"alarm of {case.alarm}" if case.alarm else "silent"
        share = f"{len(found) - len(wrong)} of {len(found)} (bar {len(found)})"
        seconds = f"{time.perf_counter() - started:.0f} s"
        print(f"{name}: {what} in {share}, {seconds}", *(f"; but seed {s}: {h}" for s, h in wrong.items()), flush=True)


if __name__ == "__main__":
    main()
