"""What the doctor costs: the same run with it and without it, which take turns.

A step is what passes between the start of an epoch and the end of its last batch, without validation and the saving of
checkpoints; of an epoch that is looked at as often as a long run is, so that the first steps, which come closer, are
not counted.

    python benchmarks/doctor_cost.py [--only digits|fashion_mnist_resnet] [--rounds 5]
"""

import tempfile
import time

import torch
from interleaved import compare_chosen, seconds_a_step

from zoo.config.entry import compose

CASES = {  # overrides, and epochs, of which the first is not counted
    "digits": (["data=digits"], 21),
    "fashion_mnist_resnet": (["experiment=fashion_mnist_resnet", "trainer.limit_train_batches=100"], 2),
}
BAR = 0.98


def seconds(name: str, doctor: str) -> float:
    """Seconds a step of a case."""
    options, epochs = CASES[name]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        quiet = ["trainer=cpu", "trainer.limit_val_batches=0", "callbacks.console=null", f"output_dir={directory}/run"]
        cfg = compose([*options, *quiet, f"trainer.max_epochs={epochs}", doctor])
        return seconds_a_step(cfg, time.process_time)


def without(name: str) -> float:
    """Seconds a step without the doctor."""
    return seconds(name, "++callbacks.doctor=null")


def with_doctor(name: str) -> float:
    """Seconds a step with it."""
    return seconds(name, "++callbacks.doctor._target_=zoo.callbacks.doctor.Doctor")


if __name__ == "__main__":
    compare_chosen(__doc__, without, with_doctor, dict.fromkeys(CASES, BAR))
