"""What the doctor costs: the same run with it and without it, which take turns in one process.

A step is what passes between the start of an epoch and the end of its last batch, without validation and the saving of
checkpoints; of an epoch that is looked at as often as a long run is, so that the first steps, which come closer, are
not counted.

    python benchmarks/doctor_cost.py [--only digits|fashion_mnist_resnet] [--rounds 9]
"""

import argparse
import statistics
import tempfile
import time

import torch
from interleaved import seconds_a_step

from zoo.config.entry import compose

CASES = {  # overrides, and epochs, of which the first is not counted
    "digits": (["data=digits"], 21),
    "fashion_mnist_resnet": (["experiment=fashion_mnist_resnet", "trainer.limit_train_batches=100"], 2),
}
SIDES = ["++callbacks.doctor=null", "callbacks=default"]  # without it, and with it
BAR = 0.98


def seconds(name: str, doctor: str) -> float:
    """Seconds a step of a case."""
    options, epochs = CASES[name]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        quiet = ["trainer=cpu", "trainer.limit_val_batches=0", "callbacks.console=null", f"output_dir={directory}/run"]
        cfg = compose([*options, *quiet, f"trainer.max_epochs={epochs}", doctor])
        return seconds_a_step(cfg, time.process_time)


def main() -> None:
    """Prints microseconds a step with the doctor and without it, and their ratio, for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else CASES:
        taken: dict[str, list[float]] = {option: [] for option in SIDES}
        for turn in range(arguments.rounds):
            for option in SIDES if turn % 2 else reversed(SIDES):  # who comes first has what the machine just did
                taken[option].append(seconds(name, option))
        off, on = (statistics.median(taken[option]) for option in SIDES)
        print(
            f"{name}: {on * 1e6:.0f} us a step, {off * 1e6:.0f} without, ratio {off / on:.3f} (bar {BAR})", flush=True
        )


if __name__ == "__main__":
    main()
