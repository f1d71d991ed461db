"""The runs of an ablation: each variant in a process of its own, which trains its seeds one after the other.

A process is what a user could have typed, `python train.py ... seeds=[0,1,2]`: several devices, memory and what a
killed run goes on from are as there. torch is imported once for all seeds of a variant.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo import signals
from zoo.config.command_line import quoted
from zoo.config.run_directory import VARIABLE, make_directory
from zoo.errors import OptionError, RunError, StorageError, TrainingStopped

FULL = "full"
_TRAIN = Path(__file__).parents[2] / "train.py"
_FAILURES = {kind.exit_code: kind for kind in (OptionError, TrainingStopped, StorageError)}


@dataclass(frozen=True)
class Variant:
    """A run with one regulariser taken out, or the run as it is.

    Args:
        name: of the regulariser, or FULL.
        folder: where the runs of its seeds lie.
        options: those of `train.py` that make it.
    """

    name: str
    folder: Path
    options: Sequence[str]

    def command(self, seeds: Sequence[int]) -> list[str]:
        """Returns what trains the seeds that have not ended yet."""
        own = [f"seeds=[{','.join(map(str, seeds))}]", option_of_path("output_dir", self.folder), "resume=auto"]
        return [sys.executable, str(_TRAIN), *self.options, *own]


def folder_of(name: str) -> str:
    """Returns the name of a variant's folder."""
    return name if name == FULL else f"without_{name}"


def option_of_path(name: str, path: Path) -> str:
    """Returns the override that names a path, in quotes where it needs them."""
    text = str(path) if path.is_absolute() else f"./{path}"
    return f"{name}={text if re.fullmatch(r'[A-Za-z0-9_./@+-]+', text) else quoted(text)}"


def train_all(variants: Sequence[Variant], seeds: Sequence[int], *, again: str) -> dict[str, str]:
    """Trains what has not ended yet, and shows how far it is.

    Args:
        variants: that of the run as it is first.
        seeds: of the runs of each.
        again: the command that goes on where this one is stopped.

    Returns:
        For each variant that could not be trained without its regulariser: why.

    Raises:
        StoppedBySignal: the run that was at work has saved its state.
        RunError: a run failed, by its exit code and in its words.
    """
    from tqdm import tqdm

    failed = {}
    total = len(variants) * len(seeds)
    with tqdm(total=total, unit="run", disable=None, leave=False) as bar:
        for number, variant in enumerate(variants):

            def show(done: int, number: int = number) -> None:
                bar.update(number * len(seeds) + done - bar.n)

            bar.set_description(folder_of(variant.name))
            try:
                if _num_ended(variant, seeds) < len(seeds):
                    _train(variant, seeds, show)
            except signals.StoppedBySignal as stop:
                done = sum(_num_ended(each, seeds) for each in variants)
                stop.advice = f" after {done} of {total} runs; go on with:\n  {again}"
                raise
            except TrainingStopped as stop:
                if variant.name == FULL:
                    raise
                failed[variant.name] = f"{stop.where}: {stop.problem}"
            show(len(seeds))
    return failed


def has_ended(folder: Path) -> bool:
    """Whether a run has come to its end, and was tested or validated."""
    try:
        values = json.loads((folder / "metrics.json").read_text())
    except (OSError, ValueError):
        return False
    return values.get("status") == "completed" or any(name.startswith("test/") for name in values)


def _num_ended(variant: Variant, seeds: Sequence[int]) -> int:
    return sum(has_ended(variant.folder / f"seed_{seed}") for seed in seeds)


def _train(variant: Variant, seeds: Sequence[int], show: Callable[[int], None]) -> None:
    log = make_directory(variant.folder, option="output_dir") / "console.log"
    start = log.stat().st_size if log.exists() else 0
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE} | {"PYTHONUNBUFFERED": "1"}
    # A session of its own: Ctrl-C in a terminal reaches it once, by us.
    with (
        log.open("ab") as file,
        subprocess.Popen(
            variant.command(seeds),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        ) as process,
    ):
        try:
            while process.poll() is None:
                show(_num_ended(variant, seeds))
                try:
                    process.wait(0.5)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            process.send_signal(signals.received() or signal.SIGTERM)
            process.wait()
            raise
    if process.returncode:
        said = log.read_bytes()[start:].decode(errors="replace")
        raise _failure(variant, process.returncode, said, log)


def _failure(variant: Variant, code: int, said: str, log: Path) -> RunError:
    """Returns the error that ended a process, in its own words if it had any."""
    line = next((line for line in reversed(said.splitlines()) if line.startswith("error: ")), "")
    where, _, rest = line.removeprefix("error: ").partition(": ")
    problem, _, remedy = rest.rpartition("; ")
    if problem and code in _FAILURES:
        return _FAILURES[code](f"{folder_of(variant.name)}: {where}", problem, remedy)
    code = 128 - code if code < 0 else code
    error = RunError(folder_of(variant.name), f"its process ended with exit code {code}", f"see {log}")
    error.exit_code = code
    return error
