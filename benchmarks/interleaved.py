"""Two sides of a comparison that take turns, each in a process of its own.

A machine whose speed drifts slows both, and neither profits from how the other has set up its process.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from lightning.pytorch import Callback

from zoo.build import build

Side = Callable[[str], float]  # the seconds of a step of the case of that name


class Timer(Callback):
    """Seconds a step from the start of an epoch to the end of its last batch, without the first epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.seconds, self.steps, self.started = clock, 0.0, 0, 0.0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Starts the clock."""
        self.started = self.clock()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Stops the clock."""
        if trainer.current_epoch > 0:
            self.seconds += self.clock() - self.started
            self.steps += trainer.num_training_batches


def seconds_a_step(cfg: Any, clock: Callable[[], float]) -> float:
    """Returns what a step of a run takes that has all its callbacks and loggers.

    Args:
        cfg: the config of the run, of two epochs or more.
        clock: what is measured.
    """
    run = build(cfg, started=time.perf_counter())
    timer = Timer(clock)
    run.trainer.callbacks.insert(0, timer)  # type: ignore[attr-defined]  # before checkpoints are saved
    run.trainer.fit(run.task, datamodule=run.data)
    return timer.seconds / timer.steps


def compare_chosen(description: str | None, bare: Side, zoo: Side, bars: dict[str, float]) -> None:
    """Compares the case that the command line names, or all.

    Args:
        description: what `--help` says.
        bare: as in `compare`.
        zoo: as in `compare`.
        bars: as in `compare`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=bars)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    chosen = {arguments.only: bars[arguments.only]} if arguments.only else bars
    compare(bare, zoo, chosen, rounds=arguments.rounds)


def compare(bare: Side, zoo: Side, bars: dict[str, float], *, rounds: int) -> None:
    """Prints microseconds a step of both sides and their ratio for each case.

    Args:
        bare: measures a case of the bare loop; a function of a module, which processes can find.
        zoo: measures the same case of the zoo.
        bars: the ratio to reach, by case.
        rounds: turns of each side.
    """
    context = multiprocessing.get_context("spawn")
    connections = []
    for side in (bare, zoo):
        ours, theirs = context.Pipe()
        context.Process(target=_serve, args=(side, theirs), daemon=True).start()
        connections.append(ours)

    def measure(connection: Any, name: str) -> float:
        connection.send(name)
        return float(connection.recv())

    for name, bar in bars.items():
        turns = [tuple(measure(connection, name) for connection in connections) for _ in range(rounds)]
        _print(name, bar, turns)
    for connection in connections:
        connection.send(None)


def _serve(side: Side, connection: Any) -> None:
    while (name := connection.recv()) is not None:
        connection.send(side(name))


def _print(name: str, bar: float, turns: Iterable[tuple[float, ...]]) -> None:
    bare, zoo = (statistics.median(side) for side in zip(*turns, strict=True))
    ratios = [one / other for one, other in turns]
    print(
        f"{name}: zoo {zoo * 1e6:.0f} us, bare {bare * 1e6:.0f} us a step, ratio: {statistics.median(ratios):.2f} "
        f"(from {min(ratios):.2f} to {max(ratios):.2f}; bar {bar})",
        flush=True,
    )
